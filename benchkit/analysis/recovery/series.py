"""A trial as windows of time: how late messages were, how many got done, how many waited."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from benchkit.analysis.recovery.ends import acknowledged, attempted, due_ns, handled_ns
from benchkit.records.faults import Trial
from benchkit.records.operations import Operations
from benchkit.samples_needed import PERCENTILES

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
_MOST_WINDOWS = 100_000
"""A record that asks for more is damaged."""


@dataclass(frozen=True, slots=True)
class Series:
    """Windows side by side, shape (n,) each; a message belongs to the one in which it was due.

    By due moment, since a message that was due in an outage is late whenever it is done, and one that was due after
    the last late one is not: the first window without late ones begins where the outage's effect ends.
    """

    starts_ns: Counts
    window_ns: int
    offered: Counts
    """Messages due in it."""
    missing: Counts
    """Of those, the ones that were never delivered."""
    p50_ns: Floats
    """Latency from due to done of the delivered ones; NaN where there is none."""
    p99_ns: Floats
    """Likewise; of fewer than 100 messages the largest (the percentile is an order statistic)."""
    done: Counts
    """Messages that a worker got through with in it, whenever they were due."""
    backlog: Counts
    """Due and not done when it ended; what was never delivered does not wait."""

    def __len__(self) -> int:
        return len(self.starts_ns)

    @property
    def per_s(self) -> Floats:
        """Messages done per second."""
        found: Floats = self.done / (self.window_ns / 1e9)
        return found


def series(trial: Trial, operations: Operations) -> Series:
    """All whole windows from `before_from_ns` to the last due moment, laid so that one begins at the injection."""
    window = max(1, round(trial.window_s * 1e9))
    tried = operations[attempted(operations)]
    due = due_ns(tried)
    origin = trial.injected_ns or trial.before_from_ns
    begin = trial.before_from_ns or origin
    last = int(due.max()) if len(due) else begin
    low = -((origin - begin) // window)
    high = (last - origin) // window
    count = int(min(max(0, high - low), _MOST_WINDOWS))
    starts = origin + (low + np.arange(count, dtype=np.int64)) * window
    handled = handled_ns(tried)
    arrived = handled > 0
    at = (due - origin) // window - low
    inside = (at >= 0) & (at < count)
    offered = np.bincount(at[inside], minlength=count)
    good = inside & arrived
    late = np.where(arrived, handled - due, 0)
    ended = (handled[arrived] - origin) // window - low
    ended = ended[(ended >= 0) & (ended < count)]
    return Series(
        starts_ns=starts,
        window_ns=window,
        offered=offered.astype(np.int64),
        missing=(offered - np.bincount(at[good], minlength=count)).astype(np.int64),
        p50_ns=_quantile(at[good], late[good], count, PERCENTILES["p50"]),
        p99_ns=_quantile(at[good], late[good], count, PERCENTILES["p99"]),
        done=np.bincount(ended, minlength=count).astype(np.int64),
        backlog=backlog(trial, tried, starts + window),
    )


def _quantile(window: Counts, latency: Counts, count: int, share: Fraction) -> Floats:
    """The share-quantile of each window, as `analysis.quantiles` defines one."""
    order = np.lexsort((latency, window))
    sizes = np.bincount(window, minlength=count)
    begins = np.cumsum(sizes) - sizes
    ranks = np.maximum(1, -(-sizes * share.numerator // share.denominator))
    found = np.full(count, np.nan)
    full = sizes > 0
    found[full] = latency[order[(begins + ranks - 1)[full]]]
    return found


def backlog(trial: Trial, tried: Operations, moments_ns: Counts) -> Counts:
    """How many messages are due and not done at each moment.

    One that was refused stops waiting then; one that was lost does not wait at all; one that may still come
    (acknowledged, and the drain did not end) waits to the end.
    """
    due, handled, refused = due_ns(tried), handled_ns(tried), tried["rejected"]
    gone = np.where(handled > 0, handled, np.where(refused > 0, refused, due))
    if not trial.drained:
        gone = np.where((handled == 0) & acknowledged(tried), np.iinfo(np.int64).max, gone)
    come = np.searchsorted(np.sort(due), moments_ns, side="right")
    left = np.searchsorted(np.sort(np.maximum(gone, due)), moments_ns, side="right")
    found: Counts = (come - left).astype(np.int64)
    return found
