"""Ratios and differences paired by round: the block is the unit, so neighbours in time are compared.

The median of the rounds with its order-statistic interval (David and Nagaraja, Order Statistics, 2003, section
7.1): a shared machine spoils whole blocks now and then, and one spoilt block of spinning costs a thousand times
its due, which no mean survives. Below six rounds there is no such interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import Final, Literal

from benchkit.analysis.intervals import Interval, order_ranks
from benchkit.floors.bars import Bar

LEAST_ROUNDS: Final = 6
"""Below it no two order statistics enclose the median with 95% certainty."""
_HALF: Final = Fraction(1, 2)

Verdict = Literal["met", "not met", "undecided", "not measured"]

Rounds = Mapping[int, float]
"""A figure of each round."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median with its 95% interval; None where there are too few rounds."""

    value: float
    interval: Interval | None


def typical(values: Sequence[float]) -> Estimate | None:
    """The median; None of nothing."""
    if not values:
        return None
    ranked = sorted(values)
    ranks = order_ranks(len(ranked), _HALF)
    return Estimate(median(ranked), None if ranks is None else (ranked[ranks[0] - 1], ranked[ranks[1] - 1]))


def ratio(of: Rounds, against: Rounds) -> Estimate | None:
    """Of the rounds' ratios; None when they share no round. All figures are above 0."""
    return typical([of[each] / against[each] for each in sorted(of.keys() & against.keys())])


def difference(of: Rounds, against: Rounds) -> Estimate | None:
    """Of the rounds' differences; None when they share no round."""
    return typical([of[each] - against[each] for each in sorted(of.keys() & against.keys())])


def inverse(estimate: Estimate) -> Estimate:
    """Of a ratio: the other way round."""
    interval = estimate.interval
    return Estimate(1 / estimate.value, None if interval is None else (1 / interval[1], 1 / interval[0]))


def judged(bar: Bar, estimate: Estimate | None) -> Verdict:
    """The upper end of the interval against the bar; `estimate` is of the bar's `of` against its `against`.

    Undecided: the interval reaches over the limit, and its lower end does not.
    """
    if estimate is None or estimate.interval is None:
        return "not measured"
    low, high = estimate.interval
    return "met" if high <= bar.most else "undecided" if low <= bar.most else "not met"
