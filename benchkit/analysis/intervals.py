"""95% intervals that respect what depends on what.

Neighbouring messages share a queue, a cache and a noisy neighbour, so they are not independent: the block
is the unit. Which way an interval is made depends on what a block knows of the percentile by itself:

- Three blocks or more, each holding so many independent messages' worth that it has a percentile of its own
  (`minimum_samples`): *sectioning* (Asmussen and Glynn, Stochastic Simulation, 2007, section III.5), Student's
  t with the blocks' percentiles for the spread and the pooled percentile for the centre, on logarithms.
- Otherwise the *order statistics* of the pooled sample (David and Nagaraja, Order Statistics, 2003, section
  7.1) for an effective sample size: the count divided by the design effect, measured over the blocks (over
  contiguous pieces where there are fewer than three blocks, which cannot see what a fresh start of all
  processes would change), and corrected for their number as in Korn and Graubard, "Confidence intervals for
  proportions with small expected number of positive counts", Survey Methodology 24 (1998) 193-201. Where so
  many independent messages could not bound the percentile, there is no interval.

Means: Student's t over the blocks, on logarithms by the delta method, centred at the pooled mean.

Simulated coverage in percent, 200 replications of k blocks of n messages each started in the stationary state
(tests/truth/measure_coverage.py, which prints more settings; one unit of chance is 1.5). In parentheses how
often there was no interval, which claims nothing and counts as covered. `t`: Student's t over the logarithms of
the blocks' percentiles; `boot`: percentile bootstrap of whole blocks; `bca`, `boot-t`: bias-corrected and
studentised::

    M/M/1, utilisation       k x n        this        t  boot  bca  boot-t
    p50   0.5               3 x 1000    95   (0)     95    73   72    100
    p50   0.9               5 x 1000    94   (0)     94    77   79     93
    p50   0.9              20 x 1000    99   (0)     97    94   94     97
    p99   0.5               3 x 1000    96  (76)     95    52   51     99
    p99   0.5              10 x 1000    94   (1)     85    75   76     86
    p99   0.7              20 x 1000    95   (8)     45    69   74     72
    p99   0.9              20 x 1000    95  (91)      0    28   34     25
    p99   0.7              10 x 5000    95   (0)     92    77   79     88
    mean  0.5               3 x 1000    93   (0)     93    71   69     99
    mean  0.7              10 x 1000    97   (0)     96    92   93     97
    mean  0.9               5 x 5000    93   (0)     92    78   79     92
    Pareto tail, blocks 5% apart
    p50                    20 x 1000    93   (0)     84    92   92     95
    p99                     5 x 1000    95   (0)     96    84   83     93

The bootstrap of few blocks has too few distinct resamples, and at 40 blocks nothing to add; a percentile of a
block that holds too few independent messages is biased low, which no number of blocks mends (t at p99).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import scipy

from benchkit.analysis.ledger import Column
from benchkit.analysis.quantiles import minimum_samples, quantiles, rank

LEAST_BLOCKS = 3
_PIECES = 10
_WITHIN = 5
"""Contiguous pieces of one block."""
_Z = 1.959963984540054
ALPHA = 0.05
Interval = tuple[float, float]
Floats = npt.NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)


def quantile_interval(blocks: Sequence[Column], name: str, share: Fraction, estimate: int) -> Interval | None:
    """95% interval of a percentile, in the values' unit, around the pooled `estimate`; None if unbounded."""
    if len(blocks) < LEAST_BLOCKS:
        return _order_interval(blocks, _pieces(blocks), share, estimate)
    if _each_knows(blocks, share, estimate):
        logs = np.log([max(1, quantiles(block, (name,))[name] or 1) for block in blocks])
        return _around(float(estimate), mean_error(logs)[1], len(blocks) - 1)
    return _order_interval(blocks, blocks, share, estimate)


def mean_interval(blocks: Sequence[Column]) -> Interval | None:
    """95% interval of the pooled mean of values >= 0; over pieces where there are few blocks."""
    parts = blocks if len(blocks) >= LEAST_BLOCKS else _pieces(blocks)
    counts = np.array([len(part) for part in parts], np.float64)
    return weighted_mean_interval(np.array([float(part.mean()) for part in parts]), counts)


def weighted_mean_interval(means: Floats, counts: Floats) -> Interval | None:
    """95% interval of the mean of parts of `counts` values each; None for fewer than three parts.

    The pooled mean is a ratio of sums, and its error that of a ratio estimate (Cochran, Sampling Techniques,
    1977, section 6.4).
    """
    if len(means) < LEAST_BLOCKS:
        return None
    center = float(np.average(means, weights=counts))
    apart = (means - center) * counts / float(counts.mean())
    error = float(np.sqrt(np.sum(apart**2) / (len(means) - 1) / len(means)))
    return (center, center) if center <= 0 else _around(center, error / center, len(means) - 1)


def _around(center: float, log_error: float, freedom: float) -> Interval:
    low, high = t_interval(0.0, log_error, freedom)
    return center * exp(low), center * exp(high)


def t_interval(center: float, error: float, freedom: float, alpha: float = ALPHA) -> Interval:
    """Student's t interval at level 1 - alpha around `center` with standard error `error`."""
    half = float(scipy.special.stdtrit(freedom, 1 - alpha / 2)) * error
    return center - half, center + half


def share_interval(count: int, of: int, alpha: float = ALPHA) -> Interval:
    """Exact interval at level 1 - alpha of a share of which `count` of `of` trials were seen; `of` above 0.

    Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26 (1934) 404-413: it covers at least that often, whatever the share is.
    """
    low = float(scipy.special.betaincinv(count, of - count + 1, alpha / 2)) if count else 0.0
    high = float(scipy.special.betaincinv(count + 1, of - count, 1 - alpha / 2)) if count < of else 1.0
    return low, high


def t_p_value(center: float, error: float, freedom: float) -> float:
    """Two-sided p value that the mean is 0, by Student's t."""
    if error == 0:
        return 1.0 if center == 0 else 0.0
    return float(2 * scipy.special.stdtr(freedom, -abs(center) / error))


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
    guess = scipy.special.bdtrik(level, n, p)
    k = max(0, math.ceil(guess) - 1) if math.isfinite(guess) else 0
    while k < n and scipy.special.bdtr(k, n, p) < level:
        k += 1
    return k


def _order_interval(
    blocks: Sequence[Column], parts: Sequence[Column], share: Fraction, estimate: int
) -> Interval | None:
    pooled = np.sort(np.concatenate(blocks))
    n = len(pooled)
    whole = int(n / _design_effect(parts, share, estimate))
    ranks = order_ranks(whole, share)
    if ranks is None:
        return None
    lower = max(1, math.floor(ranks[0] * n / whole))
    upper = min(n, math.ceil(ranks[1] * n / whole))
    at = rank(n, share)
    return float(pooled[min(lower, at) - 1]), float(pooled[max(upper, at) - 1])


def _pieces(blocks: Sequence[Column]) -> list[Column]:
    """Contiguous pieces, about ten in all."""
    each = -(-_PIECES // max(1, len(blocks)))
    return [piece for block in blocks for piece in np.array_split(block, each) if len(piece)]


def _design_effect(parts: Sequence[Column], share: Fraction, estimate: int) -> float:
    """How many dependent samples are worth one independent one, at least 1, seen in the spread of the parts."""
    if len(parts) < 2:
        return 1.0
    n = sum(len(part) for part in parts)
    excess = np.array([np.count_nonzero(part <= estimate) - len(part) * float(share) for part in parts])
    variance = float(np.sum(excess**2)) * len(parts) / (len(parts) - 1)
    few = (float(scipy.special.stdtrit(len(parts) - 1, 0.975)) / _Z) ** 2
    return max(1.0, few * variance / (n * float(share * (1 - share))))


def _each_knows(blocks: Sequence[Column], share: Fraction, estimate: int) -> bool:
    """Whether an average block holds enough independent messages' worth for a percentile of its own.

    Its worth is seen in how much its contiguous pieces differ among themselves, not from other blocks.
    """
    least = minimum_samples(share)
    if any(len(block) < least for block in blocks):
        return False
    n = sum(len(block) for block in blocks)
    variance = 0.0
    for block in blocks:
        below = np.array([np.count_nonzero(part <= estimate) for part in np.array_split(block, _WITHIN)])
        variance += _WITHIN * float(np.var(below, ddof=1))
    effect = max(1.0, variance / (n * float(share * (1 - share))))
    return n / effect >= least * len(blocks)
