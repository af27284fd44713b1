"""How far KLV packets stand from the frames that they tell of, and which of both are missing.

A packet tells of the frame whose time is nearest to its own (tag 2). Its skew is how much later than that frame it was
presented: the difference of their arrivals or of their time stamps in a stream. That holds whether packets are late on
the way, or carried with the right frame but stamped with a wrong clock, and neither loss nor jitter moves the median.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]

_PERCENTILES: Final = (50, 90, 99)


@dataclass(frozen=True, slots=True)
class Skew:
    """Frames and packets paired; indices are those of the arrays given to `pair`."""

    frame: Times
    """The frame of each pair."""
    packet: Times
    """The packet of each pair, in order of its time."""
    skew_us: Times
    """How much later than the frame each packet was presented; negative: earlier."""
    lost: int
    """Frames without a packet, between the first and the last that have one."""
    unmatched: int
    """Packets that tell of no frame given, or of one that has a nearer packet."""

    @property
    def median_us(self) -> float:
        """The skew, NaN without a pair."""
        return float(np.median(self.skew_us)) if len(self.skew_us) else float("nan")

    def told(self) -> dict[str, object]:
        """`skew_us` (count, min, p50, p90, p99, max), `klv_lost`, `klv_unmatched`, as a stage tells its facts."""
        facts: dict[str, object] = {"klv_lost": self.lost, "klv_unmatched": self.unmatched}
        if len(self.skew_us):
            p50, p90, p99 = (float(each) for each in np.percentile(self.skew_us, _PERCENTILES))
            facts["skew_us"] = {
                "count": len(self.skew_us), "min": int(self.skew_us.min()), "p50": p50, "p90": p90, "p99": p99,
                "max": int(self.skew_us.max()),
            }  # fmt: skip
        return facts


def pair(
    frame_us: npt.ArrayLike,
    frame_at_us: npt.ArrayLike,
    packet_us: npt.ArrayLike,
    packet_at_us: npt.ArrayLike,
    within_us: int | None = None,
) -> Skew:
    """Pairs packets (their tag 2, and when they were presented) with frames (when taken, and when presented).

    int64 microseconds, in any order; `_us` of both on the clock of tag 2, `_at_us` of both on one clock of any kind.
    A packet that is further than `within_us` from every frame tells of none; by default half the frames' median
    distance, or any distance where there is one frame alone. Raises ValueError where lengths differ.
    """
    taken, shown = _both(frame_us, frame_at_us)
    told, came = _both(packet_us, packet_at_us)
    order = np.argsort(taken, kind="stable")
    if not len(taken) or not len(told):
        none = np.empty(0, np.int64)
        return Skew(none, none, none, 0, len(told))
    ordered = taken[order]
    if within_us is None:
        within_us = int(np.median(np.diff(ordered))) // 2 if len(ordered) > 1 else np.iinfo(np.int64).max
    nearest = _nearest(ordered, told)
    distance = np.abs(ordered[nearest] - told)
    # Of several packets for one frame the nearest is kept, and of equally near ones the first.
    packets = np.lexsort((np.arange(len(told)), distance, nearest))
    packets = packets[distance[packets] <= within_us]
    _, first = np.unique(nearest[packets], return_index=True)
    packets = packets[first]
    places = nearest[packets]
    frames = order[places]
    lost = int(places[-1] - places[0] + 1 - len(places)) if len(places) else 0
    return Skew(frames, packets, came[packets] - shown[frames], lost, len(told) - len(packets))


def _both(us: npt.ArrayLike, at_us: npt.ArrayLike) -> tuple[Times, Times]:
    one, other = np.asarray(us, np.int64).reshape(-1), np.asarray(at_us, np.int64).reshape(-1)
    if len(one) != len(other):
        raise ValueError(f"{len(one)} times and {len(other)} arrivals")
    return one, other


def _nearest(ordered: Times, told: Times) -> Times:
    """For each of `told` the index of the nearest of `ordered`."""
    after = np.clip(np.searchsorted(ordered, told), 1, max(1, len(ordered) - 1))
    if len(ordered) == 1:
        return np.zeros(len(told), np.int64)
    return np.where(told - ordered[after - 1] <= ordered[after] - told, after - 1, after).astype(np.int64)
