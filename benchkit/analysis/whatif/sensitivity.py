"""What slowing a phase did to throughput and latency: slopes with intervals, the round as the unit.

Every round holds each level of a phase once, in random order, next to the block in which nothing is slowed. A
line is fitted to each round by itself (least squares), so that whatever differs between rounds falls out, and the
slopes of the rounds are a sample of independent values. That is less exact than a fit to all blocks together, and
stays honest where rounds differ in their noise. See `rounds.py` for how the sample is summed up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchkit.analysis.intervals import Interval
from benchkit.analysis.whatif.rounds import LEAST_ROUNDS, estimate
from benchkit.records.run import Trial

_LEAST_LEVELS: Final = 3
"""Of a round, the one without slowing included."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A mean slope over the rounds and its 95% interval."""

    value: float
    interval: Interval
    rounds: int


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What a phase's speed matters."""

    phase: str
    mean_ns: float
    """At saturation, else at the cell's own rate."""
    added_ns: tuple[int, ...]
    rounds: int
    throughput: Slope | None
    """Share lost per share slowed."""
    per_added: Slope | None
    """Growth of the time per message per time added."""
    latency: Slope | None
    """Growth of the mean latency per time added."""
    p50: Slope | None


Points = Mapping[int, Sequence[tuple[float, float]]]
"""By round: what was added, and what was seen then, both in ns."""


def slope(points: Points) -> Slope | None:
    """The slope of what was seen over what was added, dimensionless; None with fewer than three rounds."""
    return _mean([fitted[0] for fitted in _lines(points)])


def elasticity(points: Points, mean_ns: float) -> Slope | None:
    """By what share what was seen grows per share by which a phase of `mean_ns` is slowed."""
    return _mean([value * mean_ns / at_zero for value, at_zero in _lines(points) if at_zero > 0])


def _lines(points: Points) -> Iterable[tuple[float, float]]:
    """Slope and value at nothing added, of each round with enough levels."""
    for pairs in points.values():
        added, seen = np.array(pairs, np.float64).reshape(-1, 2).T
        if len(np.unique(added)) < _LEAST_LEVELS:
            continue
        apart = added - added.mean()
        value = float(np.dot(apart, seen) / np.dot(apart, apart))
        yield value, float(seen.mean() - value * added.mean())


def _mean(slopes: Sequence[float]) -> Slope | None:
    if len(slopes) < LEAST_ROUNDS:
        return None
    return Slope(*estimate(np.array(slopes)), len(slopes))


def sensitivities(trials: Sequence[Trial]) -> list[Sensitivity]:
    """Of each phase that was slowed in these trials of one cell, in the order of first trials."""
    found = []
    mine = [trial for trial in trials if trial.block.slowed is not None]
    phases = dict.fromkeys(
        trial.block.slowed.phase for trial in mine if trial.block.slowed and trial.block.slowed.share
    )
    for phase in phases:
        mean_ns = _unslowed_ns(mine, phase)
        periods, means, p50s = (_points(mine, phase, name) for name in ("period_ns", "mean_ns", "p50_ns"))
        # With a reply that waits in nobody's queue there is one mode: a closed loop is both.
        loop = elasticity(periods, mean_ns)
        added = sorted({trial.block.slowed.added_ns for trial in _of(mine, phase) if trial.block.slowed})
        rounds = max((each.rounds for each in (loop, slope(means)) if each), default=0)
        found.append(
            Sensitivity(phase, mean_ns, tuple(added), rounds, loop, slope(periods), slope(means), slope(p50s))
        )
    return found


def _of(trials: Sequence[Trial], phase: str) -> list[Trial]:
    """The phase's trials and those that all phases share, with nothing slowed."""
    return [trial for trial in trials if trial.block.slowed and trial.block.slowed.phase in ("", phase)]


def _points(trials: Sequence[Trial], phase: str, name: str) -> Points:
    """Throughput from the saturated trials; latency from the paced ones, or from a closed loop's own."""
    paced = any(trial.mode == "paced" for trial in trials)
    mode = "paced" if paced and name != "period_ns" else "saturated"
    found: dict[int, list[tuple[float, float]]] = {}
    for trial in _of(trials, phase):
        if trial.figures is not None and trial.block.slowed is not None and trial.mode == mode:
            pair = float(trial.block.slowed.added_ns), float(getattr(trial.figures, name))
            found.setdefault(trial.block.round, []).append(pair)
    return found


def _unslowed_ns(trials: Sequence[Trial], phase: str) -> float:
    """The phase's mean where nothing is slowed: at saturation, where there are such trials."""
    still = [
        t for t in trials if t.figures is not None and t.block.slowed is not None and not t.block.slowed.phase
    ]
    saturated = [trial for trial in still if trial.mode == "saturated"] or still
    means = [trial.figures.phase_means_ns[phase] for trial in saturated if trial.figures]
    return float(np.mean(means)) if means else 0.0
