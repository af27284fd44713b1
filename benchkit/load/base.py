"""The seam: an arrival process is a schedule (open loop) or a number in flight (closed loop)."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import numpy.typing as npt

from benchkit.plugins import Plugin, Registry


class Arrival(Plugin):
    """When messages are due; options are the fields."""

    @abstractmethod
    def label(self) -> str:
        """Short, readable, safe in a path: for tables and cell names: `30-per-s`, `closed-4`."""

    def check(self) -> None:
        """Raise UsageError for what the options alone do not show, such as a file that cannot be played."""


class OpenArrival(Arrival):
    """Messages are due at scheduled moments, whatever became of earlier ones."""

    @property
    def rate_per_s(self) -> float | None:
        """The rate that was asked for; None where only the schedule itself says (a trace)."""
        return None

    def most_messages(self, duration_s: float) -> int | None:
        """The most that `duration_s` can hold, asked before a schedule is made; None where nobody knows."""
        return None if self.rate_per_s is None else max(1, round(self.rate_per_s * duration_s))

    @abstractmethod
    def offsets_ns(self, duration_s: float, seed: int) -> npt.NDArray[np.int64]:
        """Due moments in nanoseconds from the start, ascending, shape (n,); at least one."""


class ClosedArrival(Arrival):
    """A message is due when a place among those in flight comes free."""

    @property
    @abstractmethod
    def places(self) -> int:
        """How many messages may be in flight."""

    @property
    def think_s(self) -> float:
        """Seconds between a place coming free and its next message being due."""
        return 0.0


registry: Registry[Arrival] = Registry("benchkit.arrivals", "arrival", Arrival)
