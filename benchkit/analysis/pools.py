"""Durations of one kind gathered strip by strip: exact up to a bound, beyond it a mergeable histogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from benchkit.analysis.ledger import Column
from benchkit.analysis.quantiles import PERCENTILES, enough, rank

EXACT_MESSAGES: Final = 10_000_000
"""A cell of up to so many messages is analysed exactly: its columns take half a gigabyte."""


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
    """Keeps every value, in half the memory while none is above 4.2 s."""

    def __init__(self, most: int) -> None:
        self._values: npt.NDArray[np.integer[Any]] = np.empty(most, np.uint32)
        self._count = 0

    @property
    def values(self) -> npt.NDArray[np.integer[Any]]:
        """What was added, in that order; a view."""
        return self._values[: self._count]

    def add(self, values: Column) -> None:
        """See Pool."""
        if not len(values):
            return
        if self._values.dtype != np.int64 and not 0 <= int(values.min()) <= int(values.max()) < 1 << 32:
            self._widen()
        self._values[self._count : self._count + len(values)] = values
        self._count += len(values)

    def _widen(self) -> None:
        wide = np.empty(len(self._values), np.int64)
        wide[: self._count] = self.values
        self._values = wide

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
