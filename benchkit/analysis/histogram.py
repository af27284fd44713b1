"""The histogram for more durations than memory should hold.

It is DDSketch (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", PVLDB 12 (2019) 2195-2205), from the library of its authors: bins grow by
gamma = (1 + a) / (1 - a), so that the middle of a bin is within the share a of every value in it, wherever
the value lies, and two histograms are merged by adding their bins.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from ddsketch.mapping import LogarithmicMapping
from ddsketch.store import DenseStore

from benchkit.analysis.ledger import Column
from benchkit.analysis.pools import Distribution, places
from benchkit.analysis.quantiles import PERCENTILES

RELATIVE_ERROR: Final = 0.001
"""How far a percentile from the histogram may be from the exact one, as a share of it, half a nanosecond apart."""


class Histogram:
    """Counts values in bins a fixed share wide."""

    def __init__(self) -> None:
        self._mapping = LogarithmicMapping(RELATIVE_ERROR)
        self._store = DenseStore()
        self._zeros = 0
        self._count = 0
        self._sum = 0
        self._max: int | None = None
        self._log2_gamma = float(np.log2(self._mapping.gamma))

    def add(self, values: Column) -> None:
        """See Pool; a value below a nanosecond counts as 0."""
        if not len(values):
            return
        self._count += len(values)
        self._sum += int(values.sum())
        self._max = max(int(values.max()), self._max if self._max is not None else int(values.max()))
        positive = values[values > 0]
        self._zeros += len(values) - len(positive)
        if not len(positive):
            return
        # A million values fall into a few thousand bins: the library is told each bin's count once.
        keys = np.ceil(np.log2(positive) / self._log2_gamma).astype(np.int64)
        lowest = int(keys.min())
        counts = np.bincount(keys - lowest)
        for key in np.flatnonzero(counts).tolist():
            self._store.add(key + lowest, int(counts[key]))

    def merge(self, other: Histogram) -> None:
        """Everything that the other one holds, too; the error stays the same."""
        self._store.merge(other._store)
        self._zeros += other._zeros
        self._count += other._count
        self._sum += other._sum
        if other._max is not None:
            self._max = max(other._max, self._max if self._max is not None else other._max)

    def describe(self, *, keep: bool = False) -> Distribution:  # noqa: ARG002  (bins have no order to keep)
        """See Pool."""
        if not self._count:
            return Distribution(0, 0.0, 0, dict.fromkeys(PERCENTILES), RELATIVE_ERROR)
        at = places(self._count)
        quantiles = {name: self._at(at[name]) if name in at else None for name in PERCENTILES}
        return Distribution(self._count, self._sum / self._count, self._max or 0, quantiles, RELATIVE_ERROR)

    def _at(self, place: int) -> int:
        """The value at a place (from 0) in ascending order, by the one definition of a percentile."""
        if place < self._zeros:
            return 0
        key = self._store.key_at_rank(place - self._zeros)
        return round(self._mapping.value(key))
