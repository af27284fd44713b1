"""What a direction of a link really did: counts, delays, and how busy its rate was. Bounded memory."""

from __future__ import annotations

from array import array
from typing import Any, Final

QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_KEPT: Final = 100_000
_LEAST_PIECES: Final = 20
"""Fewer that stood in line say nothing of a rate."""


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
        """Mean, quantiles and maximum in microseconds; empty without values."""
        if not self.count:
            return {}
        kept = sorted(self._kept)
        found = {name: kept[int(share * (len(kept) - 1) + 0.5)] / 1e3 for name, share in QUANTILES.items()}
        return {"mean": self.total / self.count / 1e3, **found, "max": self.largest / 1e3}


class Tally:
    """Counts of one direction, since the link opened."""

    __slots__ = (
        "_departed_ns", "_queued_bytes", "_queued_ns", "_queued_pieces", "blacked_out", "busy_ns", "delay",
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
        self._departed_ns = self._queued_ns = self._queued_bytes = self._queued_pieces = 0

    def departed(self, moment_ns: int, entered_ns: int, nbytes: int, *, queued: bool) -> None:
        """The rate really let it pass at this moment; `queued`: behind others, so that the gap shows the rate."""
        since_ns = self._departed_ns if queued and self._departed_ns else entered_ns
        self._departed_ns = moment_ns
        self.waited.add(moment_ns - entered_ns)
        self.busy_ns += moment_ns - since_ns
        if queued:
            self._queued_ns += moment_ns - since_ns
            self._queued_bytes += nbytes
            self._queued_pieces += 1

    def plain(self) -> dict[str, Any]:
        """For the control channel; microseconds and seconds."""
        counts = ("packets", "lost", "overflowed", "duplicated", "reordered", "blacked_out")
        known = self._queued_pieces >= _LEAST_PIECES and self._queued_ns > 0
        return {
            "bytes": self.nbytes,
            **{name: getattr(self, name) for name in counts},
            "delay_us": self.delay.us(),
            "waited_us": self.waited.us(),
            "busy_s": self.busy_ns / 1e9,
            "rate_bytes_per_s": self._queued_bytes * 1e9 / self._queued_ns if known else None,
        }
