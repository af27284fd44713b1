"""How many samples a percentile needs: the one definition, for the plan that refuses and the analysis that judges.

A percentile needs the sample that MLPerf's LoadGen asks for before it stops early (mlcommons/inference,
loadgen/early_stopping.cc): the smallest n with P(Binomial(n, 1 - p) <= t) <= 0.01, t being the samples
allowed beyond it. With t = 0 that is 7 for p50, 44 for p90, 459 for p99 and 4603 for p99.9.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Final

PERCENTILES: Final = {
    "p50": Fraction(1, 2),
    "p90": Fraction(9, 10),
    "p99": Fraction(99, 100),
    "p999": Fraction(999, 1000),
}
DOUBT: Final = 0.01
"""One minus the confidence that LoadGen asks for."""


@cache
def minimum_samples(share: Fraction, beyond: int = 0) -> int:
    """The smallest sample for which LoadGen's bound allows `beyond` samples above the percentile `share`."""
    from scipy.special import bdtr  # a scenario that promises no percentile is planned without it

    above = float(1 - share)
    low, high = beyond, beyond + 1
    while bdtr(beyond, high, above) > DOUBT:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bdtr(beyond, middle, above) > DOUBT else (low, middle)
    return high
