"""Ratios and differences paired by round: the block is the unit, so neighbours in time are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchkit.analysis.intervals import Interval, exp, mean_error, t_interval
from benchkit.floors.bars import Bar

Rounds = Mapping[int, float]
"""A figure of each round."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95% interval (Student's t over rounds); None where one round is all there is."""

    value: float
    interval: Interval | None


def ratio(of: Rounds, against: Rounds) -> Estimate | None:
    """The geometric mean of the rounds' ratios; None when they share no round. All figures are above 0."""
    shared = sorted(of.keys() & against.keys())
    if not shared:
        return None
    logs = np.log([of[each] / against[each] for each in shared])
    if len(shared) == 1:
        return Estimate(exp(float(logs[0])), None)
    mean, error, freedom = mean_error(logs)
    low, high = t_interval(mean, error, freedom)
    return Estimate(exp(mean), (exp(low), exp(high)))


def typical(of: Rounds) -> Estimate | None:
    """The geometric mean of the rounds."""
    return ratio(of, dict.fromkeys(of, 1.0))


def difference(of: Rounds, against: Rounds) -> Estimate | None:
    """The mean of the rounds' differences; None when they share no round."""
    shared = sorted(of.keys() & against.keys())
    if not shared:
        return None
    values = np.array([of[each] - against[each] for each in shared])
    if len(shared) == 1:
        return Estimate(float(values[0]), None)
    mean, error, freedom = mean_error(values)
    return Estimate(mean, t_interval(mean, error, freedom))


def inverse(estimate: Estimate) -> Estimate:
    """Of a ratio: the other way round."""
    interval = estimate.interval
    return Estimate(1 / estimate.value, None if interval is None else (1 / interval[1], 1 / interval[0]))


def judged(bar: Bar, estimate: Estimate | None) -> Literal["met", "not met", "not measured"]:
    """The upper end of the interval against the bar; `estimate` is of the bar's `of` against its `against`."""
    if estimate is None or estimate.interval is None:
        return "not measured"
    return "met" if estimate.interval[1] <= bar.most else "not met"
