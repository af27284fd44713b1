"""What a direction of a link really did: counts, delays, and how busy its rate was. Bounded memory."""

from __future__ import annotations

from array import array
from typing import Any, Final

QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_KEPT: Final = 100_000
_LEAST_STRETCH_NS: Final = 20_000_000
"""What is full for a shorter time says little of a rate: a timer's lateness would be a percent of it."""


class Spread:
    """Values of which so many are kept: when there is no room left, every second one goes, evenly in time."""

    __slots__ = ("_every", "_kept", "_skip", "count", "largest", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0
        self.largest = 0
        self._kept = array("q")
        self._every = self._skip = 1

    def add(self, value: int) -> None:
        """One more, in nanoseconds."""
        self.count += 1
        self.total += value
        if value > self.largest:
            self.largest = value
        self._skip -= 1
        if self._skip:
            return
        self._skip = self._every
        self._kept.append(value)
        if len(self._kept) == _KEPT:
            self._kept = self._kept[1::2]
            self._every *= 2
            self._skip = self._every

    def us(self) -> dict[str, float]:
        """`count`; mean, quantiles and maximum in microseconds; empty without values."""
        if not self.count:
            return {}
        kept = sorted(self._kept)
        found = {name: kept[int(share * (len(kept) - 1) + 0.5)] / 1e3 for name, share in QUANTILES.items()}
        return {
            "count": self.count,
            "mean": self.total / self.count / 1e3,
            **found,
            "max": self.largest / 1e3,
        }


class Tally:
    """Counts of one direction, since the link opened."""

    __slots__ = (
        "_from_ns", "_full_bytes", "_full_ns", "_stretch_bytes", "_until_ns", "blacked_out", "busy_ns", "delay",
        "duplicated", "lost", "nbytes", "overflowed", "packets", "reordered", "waited",
    )  # fmt: skip

    def __init__(self) -> None:
        self.nbytes = 0
        """Handed on."""
        self.packets = 0
        """Datagrams, or pieces of a stream as they were read, that entered."""
        self.lost = 0
        self.overflowed = 0
        """Datagrams for which the queue had no room."""
        self.duplicated = 0
        self.reordered = 0
        self.blacked_out = 0
        """Datagrams lost, or pieces of a stream held back, by a blackout."""
        self.delay = Spread()
        """From when the rate let it pass to when it was handed on: what was asked as the delay."""
        self.waited = Spread()
        """From entering to when the rate let it pass."""
        self.busy_ns = 0
        """Time for which the rate had something to do."""
        self._from_ns = self._until_ns = self._stretch_bytes = 0
        self._full_ns = self._full_bytes = 0

    def departed(self, moment_ns: int, entered_ns: int, nbytes: int, *, queued: bool) -> None:
        """The rate really let it pass at this moment; `queued`: it had to stand in line behind others.

        A stretch without a gap, from the entering of its first to the departure of its last, shows the rate.
        """
        self.waited.add(moment_ns - entered_ns)
        if not queued:
            self._end_stretch()
            self._from_ns = entered_ns
        self._until_ns = max(self._until_ns, moment_ns)
        self._stretch_bytes += nbytes

    def _end_stretch(self) -> None:
        length_ns = self._until_ns - self._from_ns
        self.busy_ns += length_ns
        if length_ns >= _LEAST_STRETCH_NS:
            self._full_ns += length_ns
            self._full_bytes += self._stretch_bytes
        self._stretch_bytes = self._from_ns = self._until_ns = 0

    def plain(self) -> dict[str, Any]:
        """For the control channel; microseconds and seconds. Ends the stretch under way."""
        self._end_stretch()
        counts = ("packets", "lost", "overflowed", "duplicated", "reordered", "blacked_out")
        return {
            "bytes": self.nbytes,
            **{name: getattr(self, name) for name in counts},
            "delay_us": self.delay.us(),
            "waited_us": self.waited.us(),
            "busy_s": self.busy_ns / 1e9,
            "rate_bytes_per_s": self._full_bytes * 1e9 / self._full_ns if self._full_ns else None,
        }
