"""95% intervals that respect what depends on what.

Neighbouring messages share a queue, a cache and a noisy neighbour, so they are not independent: the block
is the unit. With at least three blocks, each large enough for the percentile, the interval is Student's t
over the logarithms of the blocks' percentiles (a bootstrap of three to five blocks has too few distinct
resamples to reach its nominal coverage). Otherwise it is the order-statistic (binomial) interval of the
pooled sample (David and Nagaraja, Order Statistics, 2003, section 7.1) for an effective sample size: the
count divided by the design effect, measured over contiguous pieces and corrected for their number as in
Korn and Graubard, "Confidence intervals for proportions with small expected number of positive counts",
Survey Methodology 24 (1998) 193-201. That one cannot see how much a fresh start of all processes would
change.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, bdtrik, stdtr, stdtrit

from benchkit.analysis.ledger import Column
from benchkit.analysis.quantiles import minimum_samples, quantiles, rank

LEAST_BLOCKS = 3
_PIECES = 10
_Z = 1.959963984540054
ALPHA = 0.05
Interval = tuple[float, float]
Floats = npt.NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)


def quantile_interval(blocks: Sequence[Column], name: str, share: Fraction, estimate: int) -> Interval | None:
    """95% interval of a percentile, in the values' unit, around the pooled `estimate`; None if unbounded."""
    if len(blocks) >= LEAST_BLOCKS and all(len(block) >= minimum_samples(share) for block in blocks):
        logs = np.log([max(1, quantiles(block, (name,))[name] or 1) for block in blocks])
        low, high = t_interval(*mean_error(logs))
        # The pooled percentile is what is shown, so the interval is stretched to hold it.
        return min(exp(low), float(estimate)), max(exp(high), float(estimate))
    return _order_interval(blocks, share, estimate)


def t_interval(center: float, error: float, freedom: float, alpha: float = ALPHA) -> Interval:
    """Student's t interval at level 1 - alpha around `center` with standard error `error`."""
    half = float(stdtrit(freedom, 1 - alpha / 2)) * error
    return center - half, center + half


def t_p_value(center: float, error: float, freedom: float) -> float:
    """Two-sided p value that the mean is 0, by Student's t."""
    if error == 0:
        return 1.0 if center == 0 else 0.0
    return float(2 * stdtr(freedom, -abs(center) / error))


def mean_error(values: Floats) -> tuple[float, float, float]:
    """Mean, standard error and degrees of freedom of at least two values."""
    return (
        float(np.mean(values)),
        float(np.std(values, ddof=1)) / math.sqrt(len(values)),
        float(len(values) - 1),
    )


def holm_levels(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """The level of each claim's interval: its step in Holm's order, or the step where claiming ended.

    An interval at 1 - level excludes "no difference" exactly where Holm's method claims a difference.
    """
    levels = {}
    level, ended = ALPHA, False
    for done, (claim, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if not ended:
            level = ALPHA / (len(p_values) - done)
            ended = p_value > level
        levels[claim] = level
    return levels


def welch(values: Floats, base: Floats) -> tuple[float, float, float]:
    """Difference of means, its standard error and Welch's degrees of freedom (Biometrika 34 (1947) 28-35)."""
    own, other = float(np.var(values, ddof=1)) / len(values), float(np.var(base, ddof=1)) / len(base)
    error = own + other
    spread = own**2 / (len(values) - 1) + other**2 / (len(base) - 1)
    freedom = error**2 / spread if spread else float(len(values) + len(base) - 2)
    return float(np.mean(values) - np.mean(base)), math.sqrt(error), freedom


def exp(value: float) -> float:
    """e to the value, kept finite."""
    return math.exp(min(700.0, max(-700.0, value)))


def order_ranks(count: float, share: Fraction) -> tuple[int, int] | None:
    """Ranks l, u (from 1) with P(X_(l) <= percentile <= X_(u)) >= 0.95; None where there are none.

    `count` is the number of independent samples.
    """
    n = int(count)
    lower, upper = _binomial_quantile(0.025, n, share), _binomial_quantile(0.975, n, share) + 1
    return (lower, upper) if lower >= 1 and upper <= n else None


def _binomial_quantile(level: float, n: int, share: Fraction) -> int:
    """The smallest k with P(Binomial(n, share) <= k) >= level."""
    p = float(share)
    guess = bdtrik(level, n, p)
    k = max(0, math.ceil(guess) - 1) if math.isfinite(guess) else 0
    while k < n and bdtr(k, n, p) < level:
        k += 1
    return k


def _order_interval(blocks: Sequence[Column], share: Fraction, estimate: int) -> Interval | None:
    pooled = np.sort(np.concatenate(blocks))
    n = len(pooled)
    effective = n / _design_effect(blocks, share, estimate)
    ranks = order_ranks(effective, share)
    if ranks is None:
        return None
    whole = int(effective)
    lower = max(1, math.floor(ranks[0] * n / whole))
    upper = min(n, math.ceil(ranks[1] * n / whole))
    at = rank(n, share)
    return float(pooled[min(lower, at) - 1]), float(pooled[max(upper, at) - 1])


def _design_effect(blocks: Sequence[Column], share: Fraction, estimate: int) -> float:
    """How many dependent samples are worth one independent one, at least 1, seen in contiguous pieces."""
    n = sum(len(block) for block in blocks)
    each = -(-_PIECES // len(blocks))
    pieces = [piece for block in blocks for piece in np.array_split(block, each) if len(piece)]
    if len(pieces) < 2:
        return 1.0
    excess = np.array([np.count_nonzero(piece <= estimate) - len(piece) * float(share) for piece in pieces])
    variance = float(np.sum(excess**2)) * len(pieces) / (len(pieces) - 1)
    few = (float(stdtrit(len(pieces) - 1, 0.975)) / _Z) ** 2
    return max(1.0, few * variance / (n * float(share * (1 - share))))
