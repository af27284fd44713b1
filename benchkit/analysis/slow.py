"""Where the time of a typical message goes, where that of a slow one does, and what makes the difference.

Typical are the messages from p45 to p55 of the latency, slow is the slowest hundredth, and of fewer than a hundred
messages the slowest one. Each is the mean of its messages' phases, so that its phases add up to its latency: as sums
of integer nanoseconds exactly, as run.json holds them to the last digit of a float.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchkit.analysis.ledger import Column, end_ns, phases_ns, select
from benchkit.analysis.pools import EXACT_MESSAGES
from benchkit.analysis.quantiles import rank
from benchkit.analysis.strips import strips
from benchkit.records.samples import PHASES, Samples
from benchkit.units import show_us
from benchkit.words import named, say

_BAND: Final = (Fraction(45, 100), Fraction(55, 100))
_SLOWEST: Final = Fraction(1, 100)
_SLOW_EXEMPLARS: Final = 5
_LEAST_ADDED: Final = 0.1
"""A phase that adds less than a tenth of the difference is not named."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The phases of some messages together."""

    count: int
    sums_ns: tuple[int, ...]
    """In the order of PHASES."""
    latency_ns: int
    """Their latencies, summed; the sum of `sums_ns` unless stamps run backwards."""

    @property
    def means_us(self) -> dict[str, float]:
        """By phase."""
        return {name: total / self.count / 1e3 for name, total in zip(PHASES, self.sums_ns, strict=True)}


@dataclass(frozen=True, slots=True)
class Slow:
    """Both ledgers, and the messages that stand for them."""

    typical: Ledger
    slow: Ledger
    band_ns: tuple[int, int]
    """Latencies of the typical ones."""
    slow_from_ns: int
    typical_row: int
    """The row of the samples that is most like the mean of the typical ones."""
    slowest_rows: tuple[int, ...]
    """Up to five rows, the slowest first; fewer where all others are typical."""


def slow(samples: Samples) -> Slow | None:
    """Of one cell's samples, shape (n,), dtype SAMPLE; None without any delivered message."""
    values = _latencies(samples)
    if not len(values):
        return None
    low, high, worst, fifth = _thresholds(values)
    del values
    band, tail, last = _Some(), _Some(), _Some()
    for first, strip in strips(samples):
        rows, latency = _strip(strip)
        typical = (latency >= low) & (latency <= high)
        for some, chosen in ((band, typical), (tail, latency >= worst), (last, latency >= fifth)):
            if chosen.any():
                some.add(strip, rows[chosen], latency[chosen], first)
    return Slow(
        band.ledger(), tail.ledger(), (low, high), worst, band.nearest(samples), last.slowest(_SLOW_EXEMPLARS)
    )  # fmt: skip


def _strip(strip: Samples) -> tuple[npt.NDArray[np.intp], Column]:
    """Rows that count, and their latencies."""
    chosen = select(strip)
    return chosen.rows, end_ns(chosen.column) - chosen.column("due")


def _latencies(samples: Samples) -> Column:
    """Of very many messages those of every n-th stretch: thresholds need no more."""
    every = -(-len(samples) // EXACT_MESSAGES) or 1
    parts = [_strip(strip)[1] for at, (_, strip) in enumerate(strips(samples)) if at % every == 0]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _thresholds(values: Column) -> tuple[int, int, int, int]:
    count = len(values)
    places = [rank(count, share) - 1 for share in _BAND]
    places.append(count - max(1, int(count * _SLOWEST)))
    places.append(max(0, count - _SLOW_EXEMPLARS))
    ordered = np.partition(values, sorted(set(places)))
    low, high, worst, fifth = (int(ordered[place]) for place in places)
    # Where there are so few, the slowest are those that are no typical ones.
    return low, high, worst, max(fifth, high + 1) if count > 1 else worst


class _Some:
    """Messages gathered strip by strip."""

    def __init__(self) -> None:
        self._count = self._latency_ns = 0
        self._sums = np.zeros(len(PHASES), np.int64)
        self._rows: list[npt.NDArray[np.intp]] = []
        self._latencies: list[Column] = []

    def add(self, strip: Samples, rows: npt.NDArray[np.intp], latency: Column, first: int) -> None:
        """`rows` of a strip that begins at row `first`."""
        self._sums += phases_ns(strip[rows]).sum(axis=0)
        self._count += len(rows)
        self._latency_ns += int(latency.sum())
        self._rows.append(rows + first)
        self._latencies.append(latency)

    def ledger(self) -> Ledger:
        """All of them."""
        return Ledger(self._count, tuple(int(each) for each in self._sums), self._latency_ns)

    def nearest(self, samples: Samples) -> int:
        """The row whose phases differ least from the mean ones, all differences added; of a sample of many."""
        rows = np.concatenate(self._rows)
        rows = rows[:: -(-len(rows) // _COMPARED)]
        phases = phases_ns(samples[rows])
        apart = np.abs(phases - self._sums / self._count).sum(axis=1)
        return int(rows[int(np.argmin(apart))])

    def slowest(self, count: int) -> tuple[int, ...]:
        """Rows, the slowest first; of equal ones the earlier."""
        if not self._rows:
            return ()
        rows, latencies = np.concatenate(self._rows), np.concatenate(self._latencies)
        order = np.lexsort((rows, -latencies))[:count]
        return tuple(int(row) for row in rows[order])


_COMPARED: Final = 10_000


def difference(found: Slow) -> list[dict[str, Any]]:
    """What the slow ones spend more than the typical ones, by phase, the largest first: `phase`, `added_us`, `share`.

    `share` is of the difference of both latencies, None where there is none; the shares add up to 1.
    """
    typical, tail = found.typical.means_us, found.slow.means_us
    whole_us = sum(tail.values()) - sum(typical.values())
    added = {name: tail[name] - typical[name] for name in PHASES}
    return [
        {"phase": name, "added_us": us, "share": us / whole_us if whole_us > 0 else None}
        for name, us in sorted(added.items(), key=lambda item: -item[1])
        if us
    ]


def in_words(found: Slow) -> str:
    """What is different about the slow ones, in a sentence; empty where nothing is."""
    typical_us, slow_us = (sum(each.means_us.values()) for each in (found.typical, found.slow))
    largest = [
        each for each in difference(found) if each["share"] is not None and each["share"] >= _LEAST_ADDED
    ]
    if not largest or found.slow.count == found.typical.count == 1:
        return ""
    count, slow_, typical = found.slow.count, show_us(slow_us), show_us(typical_us)
    more = (
        say("the slowest message took {slow}, a typical one {typical}", slow=slow_, typical=typical)
        if count == 1
        else say(
            "the slowest {count} messages took {slow}, a typical one {typical}",
            count=count,
            slow=slow_,
            typical=typical,
        )
    )
    parts = (f"{named(each['phase'])} {show_us(each['added_us'])} ({each['share']:.0%})" for each in largest)
    return say("{more}; what was added: {parts}", more=more, parts=", ".join(parts))


def as_document(found: Slow) -> dict[str, Any]:
    """The `ledger` of a cell of run.json.

    `typical` and `slow` hold microseconds by phase, with `count` and `latency` beside them, and `shares` by phase;
    `difference` is a list, see `difference`; `words` a sentence.
    """
    return {
        "typical": _ledger(found.typical),
        "slow": {**_ledger(found.slow), "from_us": found.slow_from_ns / 1e3},
        "difference": difference(found),
        "words": in_words(found),
    }


def _ledger(some: Ledger) -> dict[str, Any]:
    means = some.means_us
    return {
        **means,
        "count": some.count,
        "latency": some.latency_ns / some.count / 1e3,
        "shares": dict(_shares(means)),
    }


def _shares(means: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    whole = sum(means.values())
    for name, us in means.items():
        yield name, us / whole if whole else 0.0
