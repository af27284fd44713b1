"""Delays by their distribution: drawn from a seeded generator, and their quantiles for the report.

Mean and standard deviation say the same in each of them: `delay_ns` and `jitter_ns`. What a distribution has
beyond its floor is shaped so that both hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from statistics import NormalDist

from benchkit.link.plan import Impairment

Draw = Callable[[], int]


def drawer(asked: Impairment, random: Random) -> Draw:
    """A function that gives the next delay in nanoseconds."""
    floor, mean, sd = asked.floor_ns, asked.delay_ns - asked.floor_ns, asked.jitter_ns
    match asked.distribution:
        case "table":
            table = asked.table_ns
            return lambda: _between(table, random.random())
        case "uniform" if sd:
            half = math.sqrt(3) * sd
            return lambda: floor + int(random.uniform(mean - half, mean + half))
        case "normal" if sd:
            return lambda: max(floor, floor + int(random.gauss(mean, sd)))
        case "gamma" if sd:
            shape, scale = (mean / sd) ** 2, sd * sd / mean
            return lambda: floor + int(random.gammavariate(shape, scale))
        case "lognormal" if sd:
            mu, sigma = _lognormal(mean, sd)
            return lambda: floor + int(random.lognormvariate(mu, sigma))
        case _:
            constant = asked.delay_ns
            return lambda: constant


def quantile_ns(asked: Impairment, share: float) -> float:
    """The delay that `share` of the packets do not exceed, 0 < share < 1."""
    floor, mean, sd = asked.floor_ns, asked.delay_ns - asked.floor_ns, asked.jitter_ns
    match asked.distribution:
        case "table":
            return _between(asked.table_ns, share)
        case "uniform" if sd:
            return floor + mean + math.sqrt(3) * sd * (2 * share - 1)
        case "normal" if sd:
            return max(floor, floor + NormalDist(mean, sd).inv_cdf(share))
        case "gamma" if sd:
            from scipy.special import gammaincinv

            return floor + sd * sd / mean * float(gammaincinv((mean / sd) ** 2, share))
        case "lognormal" if sd:
            mu, sigma = _lognormal(mean, sd)
            return floor + math.exp(NormalDist(mu, sigma).inv_cdf(share))
        case _:
            return asked.delay_ns


def _lognormal(mean: float, sd: float) -> tuple[float, float]:
    """Parameters of the logarithm for a mean and a standard deviation of the value itself."""
    sigma = math.sqrt(math.log1p((sd / mean) ** 2))
    return math.log(mean) - sigma * sigma / 2, sigma


def _between(table: tuple[int, ...], share: float) -> int:
    at = share * (len(table) - 1)
    below = min(int(at), len(table) - 2)
    return int(table[below] + (at - below) * (table[below + 1] - table[below]))
