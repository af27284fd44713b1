"""Durations of one kind gathered strip by strip: exact up to a bound, beyond it a mergeable histogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from benchkit.analysis.ledger import Column
from benchkit.analysis.quantiles import PERCENTILES, enough, rank

EXACT_MESSAGES: Final = 10_000_000
"""A cell of up to so many messages is analysed exactly: its columns take 1.1 GB."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Durations in nanoseconds; `quantiles_ns` by name of PERCENTILES, None where the sample is small."""

    count: int
    mean_ns: float
    max_ns: int
    quantiles_ns: dict[str, int | None]
    error: float = 0.0
    """How far each quantile may be off, as a share of it; 0 where they are exact. Mean and maximum always are."""


class Pool(Protocol):
    """Takes durations (integer nanoseconds) and describes them."""

    def add(self, values: Column) -> None:
        """More values, shape (n,)."""

    def describe(self, *, keep: bool = False) -> Distribution:
        """All of them; their order is lost unless it is to be kept, and nothing may be added after."""


def pool(messages: int) -> Pool:
    """For that many messages at most."""
    if messages <= EXACT_MESSAGES:
        return Exact(messages)
    from benchkit.analysis.histogram import Histogram  # its library is of use in long runs alone

    return Histogram()


class Exact:
    """Keeps every value."""

    def __init__(self, most: int) -> None:
        self._values = np.empty(most, np.int64)
        self._count = 0

    @property
    def values(self) -> Column:
        """What was added, in that order; a view."""
        return self._values[: self._count]

    def add(self, values: Column) -> None:
        """See Pool."""
        self._values[self._count : self._count + len(values)] = values
        self._count += len(values)

    def describe(self, *, keep: bool = False) -> Distribution:
        """See Pool."""
        values = self.values.copy() if keep else self.values
        if not len(values):
            return Distribution(0, 0.0, 0, dict.fromkeys(PERCENTILES))
        mean, most = float(values.mean()), int(values.max())
        at = places(len(values))
        # Each place bounds where the one below it can be, and nothing is copied.
        stop = len(values)
        for place in sorted(at.values(), reverse=True):
            values[:stop].partition(place)
            stop = place
        quantiles = {name: int(values[at[name]]) if name in at else None for name in PERCENTILES}
        return Distribution(len(values), mean, most, quantiles)


def places(count: int) -> dict[str, int]:
    """Where the percentiles stand (from 0) among `count` sorted values; those that it is too few for are left out."""
    return {name: rank(count, share) - 1 for name, share in PERCENTILES.items() if enough(count, name)}
