"""The seam of sinks: options that people write, and an open end that takes notices without ever blocking."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from benchkit.alerts.notice import Delivered, Notice
from benchkit.alerts.observation import Observation


def _unheard(_: Notice, __: Delivered) -> None:
    """Nobody asks what became of a notice."""


@dataclass(frozen=True, slots=True)
class Around:
    """What an open sink has of the program around it."""

    say: Callable[[str, str], None]
    """Prints one line of text in a style of rich's: for the terminal, and for warnings."""
    said: Callable[[Notice, Delivered], None] = _unheard
    """Told what became of a notice, from whatever thread knows it."""
    clock: Callable[[], int] = time.monotonic_ns
    """Of the notices' moments."""

    def warn(self, text: str) -> None:
        """A sink does not get through; said once by each, in words for people."""
        self.say(f"warning: {text}", "yellow")


class Sink:
    """An open sink. What it is given it delivers in its own time; it never blocks and never raises."""

    def take(self, notice: Notice) -> None:
        """One notice."""
        raise NotImplementedError

    def show(self, observations: Iterable[Observation], firing: Sequence[Notice]) -> None:
        """What was observed, and what fires: for sinks that show more than notices."""

    def close(self, timeout_s: float) -> None:
        """Deliver what is left, for so long at the most, and let go of everything."""


class SinkOptions(BaseModel):
    """Where notices go."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: ClassVar[str]
    """The name by which a scenario asks for it: `sink: webhook`."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Modules of third parties that must be importable before it is used."""
    install: ClassVar[str] = ""
    """The command that installs them, for people."""

    @abstractmethod
    def open(self, around: Around) -> Sink:
        """Ready to take notices; raises BenchkitError where that is impossible."""


def wall_s(at_ns: int, clock: Callable[[], int]) -> float:
    """A moment of the notices' clock in seconds since 1970.

    By the wall clock as it stands now, so that a step of it does not make a notice older than it is.
    """
    return time.time() - (clock() - at_ns) / 1e9


def utc(at_ns: int, clock: Callable[[], int]) -> str:
    """A moment of the notices' clock as RFC 3339 writes it, in milliseconds."""
    moment = datetime.fromtimestamp(wall_s(at_ns, clock), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
