"""The one definition of a percentile, and how many samples it takes.

The percentile p of n latencies is the ceil(n p)-th smallest: the inverse of the empirical distribution
function, type 1 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American Statistician
50 (1996) 361-365. It is a latency that a message really had, and no interpolation invents values in a
sparse tail.

How many samples a percentile needs is said in `benchkit.samples_needed`.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from benchkit.analysis.ledger import Column
from benchkit.samples_needed import DOUBT, PERCENTILES, minimum_samples

__all__ = ["DOUBT", "PERCENTILES", "enough", "median", "minimum_samples", "quantiles", "rank"]


def rank(count: int, share: Fraction) -> int:
    """The place (from 1) of the percentile among `count` sorted values; exact, in whole numbers."""
    return max(1, -(-count * share.numerator // share.denominator))


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
