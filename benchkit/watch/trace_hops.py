"""What is under way between the marks of a trace: by hop, which messages were produced and are not done.

Pure: marks in, counts and ages out. A message is open from `produced` (or `received`, where nobody traced its
producer) until `done`. What may have been done by marks that were overwritten unread is not counted as open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from benchkit.trace.layout import DIGESTED, Mark
from benchkit.watch.base import Queue

MOST_OPEN: Final = 200_000
"""Messages of one hop that are followed one by one."""
_KEPT_LOOKS: Final = 2
"""So many looks long a message that is done is remembered: the mark of its production may be read after it."""


@dataclass(slots=True)
class _Message:
    """One that is under way."""

    since_ns: int
    received_ns: int = 0
    worker: str = ""


@dataclass(slots=True)
class _Hop:
    """One stage of the pipeline."""

    arrived: int = 0
    handled: int = 0
    open: dict[bytes, _Message] = field(default_factory=dict)
    done: list[set[bytes]] = field(default_factory=lambda: [set() for _ in range(_KEPT_LOOKS)])
    frame_age_s: float | None = None
    beyond: bool = False
    """More were open than are followed: depth and age are of those that are."""


class Hops:
    """All hops of a folder."""

    def __init__(self) -> None:
        self._hops: dict[int, _Hop] = {}
        self._horizon_ns = 0

    def take(self, marks: Iterable[tuple[str, npt.NDArray[np.void]]], horizon_ns: int) -> None:
        """The new marks of each process, by the name of its party; what is before the horizon may be done unseen."""
        for hop in self._hops.values():
            hop.done = [set(), *hop.done[:-1]]
            hop.frame_age_s = None
        for at, mark, number, name, value, party in _in_order(marks):
            self._mark(at, mark, self._hops.setdefault(number, _Hop()), name, value, party)
        if horizon_ns > self._horizon_ns:
            self._horizon_ns = horizon_ns
            for hop in self._hops.values():
                hop.open = {key: each for key, each in hop.open.items() if each.since_ns >= horizon_ns}

    def _mark(self, at: int, mark: int, hop: _Hop, name: bytes, value: int, party: str) -> None:
        message = hop.open.get(name)
        if mark == Mark.PRODUCED:
            hop.arrived += 1
            due = value if 0 < value <= at else at
            if message is not None:
                message.since_ns = due
            elif not any(name in done for done in hop.done):
                self._open(hop, name, _Message(due))
        elif mark == Mark.RECEIVED:
            if message is None and not any(name in done for done in hop.done):
                message = self._open(hop, name, _Message(at))
            if message is not None:
                message.received_ns, message.worker = at, party
        elif mark == Mark.DONE:
            hop.handled += 1
            hop.done[0].add(name)
            if message is not None:
                hop.frame_age_s = (at - message.since_ns) / 1e9
                del hop.open[name]
                hop.beyond = hop.beyond and bool(hop.open)

    def _open(self, hop: _Hop, name: bytes, message: _Message) -> _Message:
        if len(hop.open) < MOST_OPEN:
            hop.open[name] = message
        else:
            hop.beyond = True
        return message

    def queues(self, now_ns: int) -> list[Queue]:
        """Each hop as it is now."""
        return [_queue(number, hop, now_ns) for number, hop in sorted(self._hops.items())]


def _queue(number: int, hop: _Hop, now_ns: int) -> Queue:
    pending = sum(1 for each in hop.open.values() if each.received_ns)
    oldest_s, note = 0.0, ""
    if hop.open:
        name, oldest = min(hop.open.items(), key=lambda item: item[1].since_ns)
        oldest_s = max(0.0, (now_ns - oldest.since_ns) / 1e9)
        where = f"received by {oldest.worker}, not done" if oldest.received_ns else "not received"
        note = f"the oldest is {_shown(name)}, {where}"
    if hop.beyond:
        note = f"more than {MOST_OPEN} are under way; {note}"
    return Queue(
        f"hop-{number}", len(hop.open), oldest_s, at_least=hop.beyond, pending=pending,
        # Nobody traces whoever produces them.
        arrived=hop.arrived or None,
        handled=hop.handled, frame_age_s=hop.frame_age_s, note=note,
    )  # fmt: skip


def _shown(name: bytes) -> str:
    """A message's name for people; of a digest, or what is no text, the first hexadecimal digits."""
    shown = name.decode("utf-8", "replace")
    return shown if shown.isprintable() and len(shown) <= 40 else name.hex()[:12]


_FIELDS: Final = ["at", "mark", "hop", "id", "value", "length"]


def _in_order(
    marks: Iterable[tuple[str, npt.NDArray[np.void]]],
) -> Iterable[tuple[int, int, int, bytes, int, str]]:
    """Moment, mark, hop, name, value and party of what matters here, by moment; marks decide between equal ones."""
    found = []
    for party, each in marks:
        kept = each[np.isin(each["mark"], (Mark.PRODUCED, Mark.RECEIVED, Mark.DONE))]
        for at, mark, hop, name, value, length in kept[_FIELDS].tolist():
            # A digest's length says that it is one: it cannot be taken for a name of the same bytes.
            key = bytes(name)[:length] if length != DIGESTED else b"\xff" + bytes(name)[:16]
            found.append((at, mark, hop, key, value, party))
    found.sort(key=lambda item: item[:2])
    return found
