"""Wilcoxon's signed ranks: an exact test that paired differences lie around 0, and its interval.

Frank Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1 (1945) 80-83; the interval by
the ordered Walsh averages (Tukey 1949; Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 2014,
section 3.3). The only assumption is that a difference and its opposite are equally likely where there is no
effect, which the shuffled order within a round sees to. Differences that are equal in size are given mean ranks
and zeros half a vote each way; the level then holds approximately.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt
import scipy

from benchkit.analysis.intervals import Interval

_EXACT = 60
"""Differences up to which the distribution is summed; beyond, the normal one is as good."""
Floats = npt.NDArray[np.float64]


def p_value(differences: Floats) -> float:
    """Two-sided; `differences` has shape (n,), n >= 1."""
    averages = _walsh(differences)
    above = np.count_nonzero(averages > 0) + np.count_nonzero(averages == 0) / 2
    return min(1.0, 2 * _at_most(len(differences), min(above, len(averages) - above)))


def center(differences: Floats) -> float:
    """Hodges and Lehmann's estimate: the median of the Walsh averages."""
    return float(np.median(_walsh(differences)))


def p_above(differences: Floats) -> float:
    """One-sided: how often chance alone makes them lie as far above 0, were 0 the most that is true."""
    averages = _walsh(differences)
    above = np.count_nonzero(averages > 0) + np.count_nonzero(averages == 0) / 2
    # Where no effect is, the ranks' sum lies as far below its middle as above.
    return min(1.0, _at_most(len(differences), len(averages) - above))


def interval(differences: Floats, level: float) -> Interval:
    """At 1 - level or more: it excludes 0 where `p_value` is at most the level; unbounded where n is too small."""
    averages = _walsh(differences)
    skip = _critical(len(differences), level)
    if skip < 0:
        return -math.inf, math.inf
    return float(averages[skip]), float(averages[-1 - skip])


def bears_a_contrary_one(count: int, level: float) -> bool:
    """Whether `count` differences can be claimed at this level though the largest has the other sign."""
    return 2 * _at_most(count, count) <= level


def _walsh(differences: Floats) -> Floats:
    """Means of all pairs, each value with itself too, sorted; as many are above 0 as the positive ranks' sum."""
    first, second = np.triu_indices(len(differences))
    return np.sort((differences[first] + differences[second]) / 2)


def _critical(count: int, level: float) -> int:
    """The largest rank sum that is a finding at this level; -1 where none is."""
    sums = np.arange(count * (count + 1) // 2 + 1)
    if count <= _EXACT:
        return int(np.count_nonzero(2 * _cumulated(count) <= level)) - 1
    mean, spread = _moments(count)
    return int(np.count_nonzero(sums + 0.5 <= mean + spread * scipy.special.ndtri(level / 2))) - 1


def _at_most(count: int, rank_sum: float) -> float:
    """P(positive ranks sum to `rank_sum` or less) where signs are tossed."""
    if count <= _EXACT:
        return float(_cumulated(count)[math.ceil(rank_sum)])
    mean, spread = _moments(count)
    # With the continuity correction that `_critical` uses.
    return float(scipy.special.ndtr((math.ceil(rank_sum) + 0.5 - mean) / spread))


def _moments(count: int) -> tuple[float, float]:
    return count * (count + 1) / 4, math.sqrt(count * (count + 1) * (2 * count + 1) / 24)


@cache
def _cumulated(count: int) -> Floats:
    """Of each rank sum, the share of the 2^count ways to choose signs that reach it or less."""
    ways = np.zeros(count * (count + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, count + 1):
        ways[rank:] = ways[rank:] + ways[:-rank].copy()
    total: Floats = np.cumsum(ways) / 2.0**count
    return total
