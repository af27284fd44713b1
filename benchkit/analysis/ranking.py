"""Which cell of a group is fastest, and which cannot be told apart from it.

Blocks of one round ran next to each other, so cells are compared round by round: the logarithm of the ratio
of their block medians, one per round. On a shared machine a few of these are far off, because somebody else
worked during one block and not during its neighbour; one such ratio in ten inflates the error of Student's t so
far that it can hide a difference of 10%. So where the rounds are enough for it, which depends on their number
and on that of the claims alone, the test is Wilcoxon's signed ranks (`signed_rank.py`): exact, and blind to how
far off the far ones are. Enough means that it could claim a difference at the strictest step of Holm's method
even if the farthest ratio pointed the wrong way: 12 rounds for two cells, 16 for four. With fewer rounds it is
Student's t. Simulated on recorded noise (tests/truth/test_ab.py), 12 rounds of 250 ms tell a stage of 2 ms that
is 5% or 10% slower from its equal in 199 of 200 comparisons, and equals from each other in 7 of 200; five rounds
and Student's t find 5% in nine of ten, three rounds in three of four.

The claims of a group are all its pairs (whichever cell turns out fastest was among them), held together by
Holm's method (Scandinavian Journal of Statistics 6 (1979) 65-70): the chance of even one false claim in a group
is at most 5%. Each interval is given at the level of its step in Holm's order, at least 95%. A difference is
claimed where it excludes 1 and where the two p50 differ by more than the noise floor (`analysis.noise`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import numpy.typing as npt

from benchkit.analysis import noise, signed_rank
from benchkit.analysis.intervals import (
    ALPHA,
    Interval,
    exp,
    holm_levels,
    mean_error,
    t_interval,
    t_p_value,
)  # fmt: skip

_LEAST_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Entrant:
    """A valid cell with its p50 and its block medians by round, nanoseconds."""

    cell: str
    p50_ns: int
    medians_ns: Mapping[int, int]
    spins: Mapping[int, float] = field(default_factory=dict)
    """Logarithm of the fixed spin around its blocks, by round."""


@dataclass(frozen=True, slots=True)
class Place:
    """A cell's place in its group; `ratio` is its p50 over the best one's."""

    cell: str
    p50_ns: int
    ratio: float
    interval: Interval | None
    """Of the ratio; None when fewer than two rounds hold both cells, and then nothing is claimed."""
    tied: bool
    noise_ns: float = 0.0
    """What the difference to the best p50 must exceed."""
    below_noise: bool = False
    """The interval excludes 1, and the difference does not exceed the noise."""


def rank_group(entrants: Sequence[Entrant], ruler_ns: float = 0.0) -> list[Place]:
    """Places of one group's valid cells, fastest first; `ruler_ns` is `noise.ruler_ns` of the run."""
    if not entrants:
        return []
    ordered = sorted(entrants, key=lambda entrant: (entrant.p50_ns, entrant.cell))
    best = ordered[0]
    logs = {(a.cell, b.cell): paired_logs(b, a) for a, b in combinations(ordered, 2)}
    claims = {pair: log for pair, log in logs.items() if len(log) >= _LEAST_ROUNDS}
    levels = holm_levels({pair: _p_value(log, len(claims)) for pair, log in claims.items()})
    places = [Place(best.cell, best.p50_ns, 1.0, (1.0, 1.0), tied=True)]
    for other in ordered[1:]:
        ratio = other.p50_ns / max(1, best.p50_ns)
        pair = (best.cell, other.cell)
        interval = _ratio_interval(logs[pair], levels[pair], ratio, len(claims)) if pair in levels else None
        floor_ns = noise.noise_ns(best.p50_ns, noise.drift(other.spins, best.spins), ruler_ns)
        differs = interval is not None and interval[0] > 1
        below = differs and other.p50_ns - best.p50_ns <= floor_ns
        places.append(Place(other.cell, other.p50_ns, ratio, interval, not differs or below, floor_ns, below))
    return places


def paired_logs(cell: Entrant, base: Entrant) -> npt.NDArray[np.float64]:
    """Logarithms of cell over base, one per round that both have, shape (rounds,)."""
    rounds = sorted(cell.medians_ns.keys() & base.medians_ns.keys())
    return np.array([math.log(max(1, cell.medians_ns[at]) / max(1, base.medians_ns[at])) for at in rounds])


def _by_ranks(rounds: int, claims: int) -> bool:
    return signed_rank.bears_a_contrary_one(rounds, ALPHA / claims)


def _p_value(logs: npt.NDArray[np.float64], claims: int) -> float:
    if _by_ranks(len(logs), claims):
        return signed_rank.p_value(logs)
    return t_p_value(*mean_error(logs))


def _ratio_interval(logs: npt.NDArray[np.float64], level: float, ratio: float, claims: int) -> Interval:
    if _by_ranks(len(logs), claims):
        low, high = signed_rank.interval(logs, level)
    else:
        low, high = t_interval(*mean_error(logs), level)
    # The ratio shown is that of the pooled medians, so the interval is stretched to hold it.
    return min(exp(low), ratio), max(exp(high), ratio)
