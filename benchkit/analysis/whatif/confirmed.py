"""What a change really made, against the present in blocks of the same rounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchkit.analysis.intervals import Interval, exp
from benchkit.analysis.whatif.rounds import LEAST_ROUNDS, estimate
from benchkit.records.run import Trial
from benchkit.records.what_if import Figures


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure now and after a change; the interval is 95%, of the ratio in the rounds that have both."""

    now: float
    after: float
    interval: Interval | None
    """None with fewer than three rounds."""
    rounds: int

    def holds(self, predicted: float | None) -> bool | None:
        """Whether a prediction lies in the interval; None where there is none of either."""
        if predicted is None or self.interval is None:
            return None
        return self.interval[0] <= predicted <= self.interval[1]


def per_s(figures: Figures) -> float:
    """Throughput at saturation."""
    return 1e9 / figures.period_ns


def p50_us(figures: Figures) -> float:
    """Median latency."""
    return figures.p50_ns / 1e3


def by_round(
    trials: Sequence[Trial], change: str, mode: str, figure: Callable[[Figures], float]
) -> dict[int, float]:
    """A figure of the unslowed trials with this change (empty: the present), by round."""
    return {
        trial.block.round: figure(trial.figures)
        for trial in trials
        if trial.block.slowed is None
        and trial.change == change
        and trial.mode == mode
        and trial.figures is not None
    }


def compared(now: dict[int, float], after: dict[int, float]) -> Measured | None:
    """After over now, round by round, put on what is measured now over all rounds; None where no round has both."""
    both = sorted(now.keys() & after.keys())
    if not both:
        return None
    present = center(now)
    logs = np.array([math.log(after[at] / now[at]) for at in both])
    if len(both) < LEAST_ROUNDS:
        return Measured(present, present * exp(float(np.median(logs))), None, len(both))
    ratio, (low, high) = estimate(logs)
    return Measured(present, present * exp(ratio), (present * exp(low), present * exp(high)), len(both))


def center(by_round_: dict[int, float]) -> float:
    """The median of the rounds."""
    return float(np.median(list(by_round_.values())))
