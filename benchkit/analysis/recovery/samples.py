"""A duration over repeated trials: n, every sample, mean, median and its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchkit.analysis.intervals import order_ranks
from benchkit.samples_needed import PERCENTILES


@dataclass(frozen=True, slots=True)
class Repeated:
    """What repeated trials took, in seconds."""

    n: int
    """All trials, those without an end among them."""
    never: int
    """Trials in which it did not come about while somebody watched: their samples are longer than any other."""
    mean_s: float | None
    """Mean time; None where one has no end, since the mean is then unknown."""
    median_s: float | None
    """None where half or more have no end."""
    ci95_s: tuple[float, float] | None
    """Of the median, from order statistics (David and Nagaraja, Order Statistics, 2003, section 7.1): needs six
    trials. No assumption about their distribution, which has few values and a long tail."""
    samples_s: tuple[float | None, ...]
    """Every one, in the order of the trials; None: never."""


def repeated(values: Sequence[float | None]) -> Repeated:
    """Of trials that belong together."""
    known = sorted(value for value in values if value is not None)
    n, never = len(values), len(values) - len(known)
    return Repeated(
        n=n,
        never=never,
        mean_s=sum(known) / n if n and not never else None,
        median_s=_median(known, n),
        ci95_s=_interval(known, n),
        samples_s=tuple(values),
    )


def _median(known: Sequence[float], n: int) -> float | None:
    """The mean of the middle two of an even number; those without an end stand at the far end."""
    if not n or n // 2 >= len(known):
        return None
    return known[n // 2] if n % 2 else (known[n // 2 - 1] + known[n // 2]) / 2


def _interval(known: Sequence[float], n: int) -> tuple[float, float] | None:
    ranks = order_ranks(n, PERCENTILES["p50"])
    if ranks is None or ranks[1] > len(known):
        return None
    return known[ranks[0] - 1], known[ranks[1] - 1]
