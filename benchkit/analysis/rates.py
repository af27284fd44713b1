"""Cells that looked for a rate, ranked by it: more is better, and what cannot be told apart is a tie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchkit.analysis.intervals import Interval


@dataclass(frozen=True, slots=True)
class Runner:
    """A cell's rate with its interval, and the p50 that belongs to it."""

    cell: str
    rate_per_s: float
    interval: Interval | None
    p50_ns: int


@dataclass(frozen=True, slots=True)
class RatePlace:
    """A cell's place; `ratio` is the best one's rate over its own."""

    runner: Runner
    ratio: float
    interval: Interval | None
    tied: bool


def rank_rates(runners: Sequence[Runner]) -> list[RatePlace]:
    """Places, highest rate first.

    The interval of a ratio is that of the farthest ends of both intervals, so it holds wherever both do. A
    cell is behind only where its whole interval lies below the best one's.
    """
    ordered = sorted(runners, key=lambda runner: (-runner.rate_per_s, runner.cell))
    places = []
    for runner in ordered:
        best = ordered[0]
        ratio = best.rate_per_s / runner.rate_per_s
        interval = (1.0, 1.0) if runner is best else _ratio(best, runner, ratio)
        places.append(RatePlace(runner, ratio, interval, interval is None or interval[0] <= 1))
    return places


def _ratio(best: Runner, other: Runner, ratio: float) -> Interval | None:
    if best.interval is None or other.interval is None:
        return None
    return min(best.interval[0] / other.interval[1], ratio), max(best.interval[1] / other.interval[0], ratio)
