"""The one definition of a percentile, and how many samples it takes.

The percentile p of n latencies is the ceil(n p)-th smallest: the inverse of the empirical distribution
function, type 1 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American Statistician
50 (1996) 361-365. It is a latency that a message really had, and no interpolation invents values in a
sparse tail.

A percentile needs the sample that MLPerf's LoadGen asks for before it stops early (mlcommons/inference,
loadgen/early_stopping.cc): the smallest n with P(Binomial(n, 1 - p) <= t) <= 0.01, t being the samples
allowed beyond it. With t = 0 that is 7 for p50, 44 for p90, 459 for p99 and 4603 for p99.9.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Final

import numpy as np
from scipy.special import bdtr

from benchkit.analysis.ledger import Column

PERCENTILES: Final = {
    "p50": Fraction(1, 2),
    "p90": Fraction(9, 10),
    "p99": Fraction(99, 100),
    "p999": Fraction(999, 1000),
}
DOUBT: Final = 0.01
"""One minus the confidence that LoadGen asks for."""


def rank(count: int, share: Fraction) -> int:
    """The place (from 1) of the percentile among `count` sorted values; exact, in whole numbers."""
    return max(1, -(-count * share.numerator // share.denominator))


@cache
def minimum_samples(share: Fraction, beyond: int = 0) -> int:
    """The smallest sample for which LoadGen's bound allows `beyond` samples above the percentile `share`."""
    above = float(1 - share)
    low, high = beyond, beyond + 1
    while bdtr(beyond, high, above) > DOUBT:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bdtr(beyond, middle, above) > DOUBT else (low, middle)
    return high


def enough(count: int, name: str) -> bool:
    """Whether `count` samples carry the percentile `name` (a key of PERCENTILES)."""
    return count >= minimum_samples(PERCENTILES[name])


def quantiles(values: Column, names: tuple[str, ...] = tuple(PERCENTILES)) -> dict[str, int | None]:
    """The named percentiles of `values` (shape (n,), left as it is); None where the sample is too small."""
    places = {name: rank(len(values), PERCENTILES[name]) - 1 for name in names if enough(len(values), name)}
    ordered = np.partition(values, sorted(set(places.values()))) if places else values
    return {name: int(ordered[places[name]]) if name in places else None for name in names}


def median(values: Column) -> int:
    """The p50 of a sample of any size above 0: for what is compared over blocks, never shown alone."""
    place = rank(len(values), PERCENTILES["p50"]) - 1
    return int(np.partition(values, place)[place])
