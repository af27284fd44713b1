"""What a probe sees, and the seam of probes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Queue:
    """A list, stream, queue, or hop of a trace, as it is now; None: unknown."""

    name: str
    depth: int | None = None
    """Messages that wait, and those being worked on where that is known."""
    oldest_s: float | None = None
    """Age of the oldest message that is not done; 0 where there is none."""
    at_least: bool = False
    """`oldest_s` is a lower bound: so long it was seen to wait."""
    pending: int | None = None
    """Delivered to a consumer and not acknowledged."""
    consumers: int | None = None
    arrived: int | None = None
    """Counter: messages that ever came in."""
    handled: int | None = None
    """Counter: messages that were done."""
    bound: bool = False
    """`handled` is a lower bound: it moves when something was handled, but is no count, and no rate comes of it."""
    in_per_s: float | None = None
    """Where the server itself tells the rate; else it is found from `arrived`."""
    out_per_s: float | None = None
    frame_age_s: float | None = None
    """How old the message that was done last was then; None: none was since the last look."""
    note: str = ""
    """For people."""


@dataclass(frozen=True, slots=True)
class Party:
    """A broker, a worker, a queue that should be there."""

    name: str
    alive: bool | None = None
    """None: nothing tells."""
    heard_s: float | None = None
    """Since its last sign of life."""
    idle_s: float | None = None
    """Since it last did something; one that waits for work is idle and alive."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What one probe saw at one moment."""

    queues: tuple[Queue, ...] = ()
    parties: tuple[Party, ...] = ()
    notes: tuple[str, ...] = field(default=())
    """What could not be seen, and why; for people."""


class Probe(Protocol):
    """A target that can be looked at again and again, from one thread."""

    pipeline: str
    """What the target is called: without user, password and options, unless people gave it a name."""
    party: str
    """Whose absence it is when nothing answers: the broker, or the folder."""

    def open(self) -> None:
        """Connect; raises BenchkitError."""

    def check(self) -> None:
        """Raises UsageError where what is asked for does not exist there, or is something else."""

    def look(self) -> Look:
        """What is there now, nothing changed by looking; raises BenchkitError when the target does not answer."""

    def close(self) -> None:
        """Let go of the connection; it may be opened again."""


def pairs(flat: object) -> Iterator[tuple[str, object]]:
    """Name and value of a map as Redis sends it: a flat list."""
    items = flat if isinstance(flat, list) else []
    for name, value in zip(items[::2], items[1::2], strict=False):
        yield text(name), value


def text(word: object) -> str:
    """A name that a server told; bytes that are no text become question marks."""
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)


def whole(value: object) -> int | None:
    """A number that a server told, 0 or more, and no larger than servers count; anything else is unknown."""
    return value if type(value) is int and 0 <= value < 1 << 64 else None
