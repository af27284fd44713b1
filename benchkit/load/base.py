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
        """Short and readable, for tables and cell names: `30ps`, `poisson-30ps`, `closed-4`."""


class OpenArrival(Arrival):
    """Messages are due at scheduled moments, whatever became of earlier ones."""

    @property
    def rate_per_s(self) -> float | None:
        """The rate that was asked for; None where only the schedule itself says (a trace)."""
        return None

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
