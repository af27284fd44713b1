"""How fresh results are: the age of what is processed, staleness, jitter, freezes, deadlines, goodput.

A low latency is no success where half the frames never arrive, so what a live system is judged by stands beside
it. All of this is about the measured part of each block (`Results.window_ns`):

* Age is how old a message is when its compute begins; when its result is there that is its latency.
* Staleness is the age of information (Kaul, Yates and Gruteser, "Real-time status: how often should one update?",
  INFOCOM 2012, 2731-2735): at every moment t, t minus the due moment of the newest message whose result is there.
  It grows by a second a second and falls when a newer result comes; one that comes after a newer one changes
  nothing. Mean and p99 are over time, not over messages: the mean is the area under the saw-tooth over its width.
  Until a block's first result the newest information is taken for that of its first due moment, the least
  staleness possible. So the loss of a result can never make anything look fresher.
* Jitter is the mean absolute difference of the latencies of successive results: the D of RFC 3550 section 6.4.1,
  averaged over all pairs instead of by its running 1/16.
* A freeze is a stretch without any result that is longer than a limit: 250 ms, or three intervals of the schedule
  where these are longer (so W3C's webrtc-stats counts freezes by the frame interval). What precedes the first and
  follows the last result counts.
* A deadline is missed by every message whose result was not there in time, also because it was dropped or lost.
  Goodput are the others, by the time that throughput is divided by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchkit.analysis.intervals import Interval, weighted_mean_interval
from benchkit.analysis.ledger import Column
from benchkit.analysis.pools import Distribution, pool
from benchkit.analysis.results import Results
from benchkit.records.run import Cell

FREEZE_NS: Final = 250_000_000
_INTERVALS: Final = 3
"""Of the schedule: a gap of fewer is none of the results'."""
_EXACT_ROWS: Final = 1_000_000
"""Beyond, the ages of which staleness has a percentile are rounded to a STEP of themselves."""
_STEP: Final = 0.001
_BINS: Final = 43_700
"""So many steps lead from 1 ns beyond a day's worth of nanoseconds, and beyond what int64 holds."""
_SHARE: Final = 0.99
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Deadline:
    """By when a result is of use, from the due moment on, and who says so."""

    ns: int
    by: str
    """`flow`, or the promise that it is: `max`, `p99`, ..."""


@dataclass(frozen=True, slots=True)
class Freezes:
    """Stretches without a result."""

    count: int
    longest_ns: int
    """Also where it is within the limit."""
    total_ns: int
    """Of those beyond the limit."""
    over_ns: int
    """The limit; the longest of the blocks' where their schedules differ."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """The figures of one cell."""

    age: Distribution
    """When compute began, of delivered messages; none where the stage was somebody else's."""
    staleness_mean_ns: float | None
    """None where no block has two messages."""
    staleness_ci_ns: Interval | None
    """Of the mean."""
    staleness_p99_ns: float | None
    jitter_ns: float | None
    """None where no block has two results."""
    freezes: Freezes
    scheduled: int
    """Messages due in the measured part."""
    delivered: int
    good: int
    """Those of them whose results were there in time; all of them where there is no deadline."""
    deadline: Deadline | None

    @property
    def misses(self) -> int | None:
        """Scheduled messages without a result in time; None without a deadline."""
        return None if self.deadline is None else self.scheduled - self.good

    @property
    def delivered_share(self) -> float | None:
        """Of the scheduled messages."""
        return self.delivered / self.scheduled if self.scheduled else None

    @property
    def goodput_share(self) -> float | None:
        """Of the scheduled messages."""
        return self.good / self.scheduled if self.scheduled else None


def deadline_of(cell: Cell, slo: Mapping[str, float]) -> Deadline | None:
    """The cell's own (`flow.deadline`), else the longest that a promise allows: as the goodput of a search has it."""
    flow = cell.parameters.get("flow")
    asked = flow.get("deadline") if isinstance(flow, Mapping) else None
    if isinstance(asked, int | float) and not isinstance(asked, bool) and asked > 0:
        return Deadline(round(asked * 1e9), "flow")
    limits = {name: limit for name, limit in slo.items() if name != "loss"}
    longest = max(limits, key=lambda name: limits[name], default=None)
    return Deadline(round(limits[longest] * 1e9), longest) if longest else None


class Tally:
    """Added up block by block."""

    def __init__(self, messages: int, deadline: Deadline | None = None, freeze_ns: int = FREEZE_NS) -> None:
        self._deadline = deadline
        self._ages, self._stale = pool(messages), Staleness(messages)
        self._jitter, self._frozen = _Jitter(), _Frozen(freeze_ns)
        self._scheduled = self._delivered = self._good = 0

    def add(self, block: Results) -> None:
        """One block's messages."""
        counted = block.delivered & block.measured
        latency = block.end_ns[counted] - block.due_ns[counted]
        late = 0 if self._deadline is None else int(np.count_nonzero(latency > self._deadline.ns))
        self._scheduled += int(np.count_nonzero(block.measured))
        self._delivered += len(latency)
        self._good += len(latency) - late
        known = counted & (block.started_ns != 0)
        self._ages.add(np.maximum(block.started_ns[known] - block.due_ns[known], 0))
        done = _Done.of(block)
        self._stale.add(block, done)
        self._jitter.add(done)
        self._frozen.add(block, done)

    def found(self) -> Freshness:
        """Of all blocks; nothing may be added after."""
        mean_ns, interval, p99_ns = self._stale.describe()
        return Freshness(
            self._ages.describe(), mean_ns, interval, p99_ns, self._jitter.mean_ns, self._frozen.found,
            self._scheduled, self._delivered, self._good, self._deadline,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Done:
    """A block's results in the order in which they came."""

    end_ns: Column
    due_ns: Column
    measured: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, block: Results) -> _Done:
        rows = np.flatnonzero(block.delivered)
        ends = block.end_ns[rows]
        if np.any(ends[1:] < ends[:-1]):
            order = np.argsort(ends, kind="stable")
            rows, ends = rows[order], ends[order]
        return cls(ends, block.due_ns[rows], block.measured[rows])


class Staleness:
    """The age of information over time, added up block by block; exact for up to a million messages."""

    def __init__(self, messages: int) -> None:
        self._means: list[float] = []
        self._widths: list[float] = []
        self._ages: list[tuple[Floats, Floats]] = []
        self._bins = np.zeros(_BINS) if messages > _EXACT_ROWS else None

    def add(self, block: Results, done: _Done) -> None:
        """The measured part of one block."""
        begin, end = block.window_ns
        if end <= begin:
            return
        newest = np.maximum.accumulate(np.concatenate([block.due_ns.min(keepdims=True), done.due_ns]))
        first, last = np.searchsorted(done.end_ns, [begin, end], side="right")
        at = np.concatenate([[begin], done.end_ns[first:last], [end]])
        lows = (at[:-1] - newest[first : last + 1]).astype(np.float64)
        widths = np.diff(at).astype(np.float64)
        self._means.append(float(np.average(lows + widths / 2, weights=widths)))
        self._widths.append(float(end - begin))
        if self._bins is None:
            self._ages.append((lows, lows + widths))
        else:
            # The widths add up to rising by one where a tooth begins and by one less where it ends.
            for sign, ages in ((1.0, lows), (-1.0, lows + widths)):
                places = np.rint(np.log(np.maximum(ages, 1.0)) / _STEP).astype(np.intp)
                self._bins += sign * np.bincount(places, minlength=_BINS)

    def describe(self) -> tuple[float | None, Interval | None, float | None]:
        """Mean, its 95% interval over the blocks where there are enough, and p99, over time, nanoseconds."""
        if not self._means:
            return None, None, None
        means, widths = np.array(self._means), np.array(self._widths)
        interval = weighted_mean_interval(means, widths)
        return float(np.average(means, weights=widths)), interval, self._quantile()

    def _quantile(self) -> float:
        if self._bins is not None:
            ages, slopes = np.exp(np.arange(_BINS) * _STEP), self._bins
        else:
            lows, highs = (np.concatenate(each) for each in zip(*self._ages, strict=True))
            ages = np.concatenate([lows, highs])
            slopes = np.repeat([1.0, -1.0], len(lows))
            order = np.argsort(ages)
            ages, slopes = ages[order], slopes[order]
        # Time spent below an age is a line between any two of the ages at which a tooth begins or ends.
        rising = np.cumsum(slopes)[:-1]
        below = np.concatenate([[0.0], np.cumsum(rising * np.diff(ages))])
        wanted = _SHARE * below[-1]
        at = int(np.searchsorted(below, wanted, side="left"))
        return float(ages[at] if at == 0 else ages[at] - (below[at] - wanted) / rising[at - 1])


class _Jitter:
    def __init__(self) -> None:
        self._sum, self._pairs = 0.0, 0

    def add(self, done: _Done) -> None:
        latency = (done.end_ns - done.due_ns)[done.measured]
        self._sum += float(np.sum(np.abs(np.diff(latency)), dtype=np.float64))
        self._pairs += max(0, len(latency) - 1)

    @property
    def mean_ns(self) -> float | None:
        return self._sum / self._pairs if self._pairs else None


class _Frozen:
    def __init__(self, least_ns: int) -> None:
        self._least_ns = least_ns
        self.found = Freezes(0, 0, 0, least_ns)

    def add(self, block: Results, done: _Done) -> None:
        begin, end = block.window_ns
        if end <= begin:
            return
        interval = (end - begin) // max(1, int(np.count_nonzero(block.measured)))
        limit = max(self._least_ns, _INTERVALS * interval)
        within = done.end_ns[(done.end_ns > begin) & (done.end_ns < end)]
        gaps = np.diff(np.concatenate([[begin], within, [end]]))
        over = gaps[gaps > limit]
        self.found = Freezes(
            self.found.count + len(over),
            max(self.found.longest_ns, int(gaps.max())),
            self.found.total_ns + int(over.sum()),
            max(self.found.over_ns, limit),
        )


def as_document(found: Freshness, latency: Distribution, span_ns: int) -> dict[str, Any]:
    """The `freshness` of a cell of run.json; `span_ns` is the time that throughput is divided by."""
    frozen, seconds = found.freezes, span_ns / 1e9
    return {
        "age_us": _ages(found.age),
        "verdict_age_us": _ages(latency),
        "staleness_us": {
            "mean": _us(found.staleness_mean_ns),
            "p99": _us(found.staleness_p99_ns),
            "mean_ci95": found.staleness_ci_ns and [bound / 1e3 for bound in found.staleness_ci_ns],
        },
        "jitter_us": _us(found.jitter_ns),
        "freezes": {
            "count": frozen.count, "longest_us": frozen.longest_ns / 1e3, "total_us": frozen.total_ns / 1e3,
            "over_us": frozen.over_ns / 1e3,
        },
        "deadline_us": None if found.deadline is None else found.deadline.ns / 1e3,
        "deadline_by": None if found.deadline is None else found.deadline.by,
        "deadline_misses": found.misses,
        "scheduled": found.scheduled,
        "delivered_share": found.delivered_share,
        "goodput_share": found.goodput_share,
        "goodput_per_s": found.good / seconds if seconds > 0 else 0.0,
    }  # fmt: skip


def _ages(found: Distribution) -> dict[str, float | None]:
    known = {name: _us(found.quantiles_ns[name]) for name in ("p50", "p90", "p99")}
    return {**known, "max": found.max_ns / 1e3 if found.count else None}


def _us(nanoseconds: float | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e3
