"""Does a process keep more and more? Its memory, descriptors and threads over the blocks of a long run.

The slope is the median of the slopes of all pairs of windows, and its interval Sen's (Sen, "Estimates of the regression
coefficient based on Kendall's tau", Journal of the American Statistical Association 63 (1968) 1379-1389): a step at the
beginning, where caches fill, and single peaks do not move it. A window is the median of neighbouring blocks. Windows
depend on each other all the same, so the variance of Kendall's S is widened by the autocorrelation of their ranks
(Hamed and Rao, "A modified Mann-Kendall trend test for autocorrelated data", Journal of Hydrology 204 (1998) 182-196).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchkit.analysis.intervals import Interval
from benchkit.records.run import Block, Run
from benchkit.words import say, word

WINDOWS: Final = 60
FLAT_BYTES_PER_H: Final = 1e6
"""A process that gains less in an hour gains nothing."""
LEAST_S: Final = 600.0
"""A shorter run says nothing about an hour."""
_LEAST_WINDOWS: Final = 8
_Z95: Final = 1.959963984540054
_JUDGED: Final = ("rss_bytes", "anonymous_bytes")
"""`pss_bytes` also changes when other programs begin or cease to share a library, so it is told and not judged."""
_MEMORY: Final = (*_JUDGED, "pss_bytes")
_COUNTED: Final = (word("descriptors"), word("threads"))
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slope:
    """How memory changed, in bytes."""

    per_hour: float
    per_hour_ci95: Interval
    first: float
    last: float
    most: float
    """Of the windows, the largest."""
    windows: int

    @property
    def flat(self) -> bool:
        """The interval holds 0, or all of it is under 1 MB an hour."""
        low, high = self.per_hour_ci95
        return low <= 0 or high < FLAT_BYTES_PER_H


@dataclass(frozen=True, slots=True)
class Count:
    """How many there were: in the first look, in the last, at most."""

    first: int
    last: int
    most: int
    grown: bool
    """Half of the looks in the last quarter, or more, saw more than any look in the first."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What one process held over a run."""

    memory: Mapping[str, Slope]
    counts: Mapping[str, Count]
    looks: int
    span_s: float

    @property
    def flat(self) -> bool | None:
        """Of its memory; None where the system tells none."""
        judged = [slope.flat for name, slope in self.memory.items() if name in _JUDGED]
        return all(judged) if judged else None

    @property
    def grown(self) -> tuple[str, ...]:
        """What there is more and more of: `descriptors`, `threads`."""
        return tuple(name for name, count in self.counts.items() if count.grown)


def growth(run: Run) -> dict[str, Kept]:
    """By process; empty for a run of less than ten minutes. After a resume all are new: what was before is left out."""
    first = run.resumed[-1].block if run.resumed else 0
    blocks = [block for block in run.blocks if block.index >= first and block.held]
    found = {}
    for name, own in _processes(blocks).items():
        began_s = np.array([block.started_ns / 1e9 for block, _ in own])
        span_s = float(began_s[-1] - began_s[0])
        if span_s < LEAST_S or len(own) < _LEAST_WINDOWS:
            continue
        columns = {field: [getattr(held, field) for _, held in own] for field in (*_MEMORY, *_COUNTED)}
        known = {field: values for field, values in columns.items() if None not in values}
        found[name] = Kept(
            {field: _slope(began_s, known[field]) for field in _MEMORY if field in known},
            {field: _count(known[field]) for field in _COUNTED if field in known},
            len(own),
            span_s,
        )
    return found


def _processes(blocks: Sequence[Block]) -> dict[str, list[tuple[Block, Any]]]:
    """By what a process is called; brokers and links are a cell's own, so each has its cell's name too."""
    found: dict[str, list[tuple[Block, Any]]] = {}
    own = {
        name for name in ("broker", "link") if len({each.cell for each in blocks if name in each.held}) > 1
    }
    for block in blocks:
        for name, held in block.held.items():
            found.setdefault(f"{name} of {block.cell}" if name in own else name, []).append((block, held))
    return found


def _slope(began_s: Floats, values: Sequence[int]) -> Slope:
    pieces = np.array_split(np.arange(len(values)), min(WINDOWS, len(values)))
    hours = np.array([began_s[piece].mean() for piece in pieces]) / 3600
    levels = np.array([np.median(np.asarray(values)[piece]) for piece in pieces])
    per_hour, interval = theil_sen(hours, levels)
    return Slope(per_hour, interval, float(levels[0]), float(levels[-1]), float(levels.max()), len(levels))


def theil_sen(at: Floats, values: Floats) -> tuple[float, Interval]:
    """Median slope of all pairs, and its 95% interval by Sen and by Hamed and Rao; `at` rises."""
    before, after = np.triu_indices(len(values), 1)
    slopes = np.sort((values[after] - values[before]) / (at[after] - at[before]))
    median = float(np.median(slopes))
    half = _Z95 * np.sqrt(_variance(values) * _dependence(values - median * at))
    lower = round((len(slopes) - half) / 2) - 1
    upper = round((len(slopes) + half) / 2)
    last = len(slopes) - 1
    return median, (float(slopes[min(max(lower, 0), last)]), float(slopes[min(max(upper, 0), last)]))


def _variance(values: Floats) -> float:
    """Of Kendall's S where there is no trend, ties allowed for."""
    n = len(values)
    _, tied = np.unique(values, return_counts=True)
    return float(n * (n - 1) * (2 * n + 5) - np.sum(tied * (tied - 1) * (2 * tied + 5))) / 18


def _dependence(rest: Floats) -> float:
    """By how much neighbours that are alike widen that variance: 1 where each stands for itself, and never less."""
    n = len(rest)
    ranks = _ranks(rest) - (n + 1) / 2
    whole = float(ranks @ ranks)
    if whole == 0:
        return 1.0
    lags = np.arange(1, n - 2)
    alike = np.array([float(ranks[:-lag] @ ranks[lag:]) for lag in lags]) / whole
    # Those that chance alone makes at 5% are none.
    alike[np.abs(alike) < _Z95 / np.sqrt(n)] = 0
    weights = (n - lags) * (n - lags - 1) * (n - lags - 2)
    return max(1.0, 1 + 2 / (n * (n - 1) * (n - 2)) * float(weights @ alike))


def _ranks(values: Floats) -> Floats:
    """From 1; equal values share the mean of theirs. (scipy.stats has it too, and takes 30 MB of the runner.)"""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[places]
    return ranks


def _count(values: Sequence[int]) -> Count:
    quarter = max(1, len(values) // 4)
    grown = float(np.median(values[-quarter:])) > max(values[:quarter])
    return Count(values[0], values[-1], max(values), grown)


def as_document(found: Mapping[str, Kept]) -> dict[str, Any]:
    """For run.json."""
    return {
        name: {
            "flat": kept.flat,
            "grown": list(kept.grown),
            "looks": kept.looks,
            "span_s": kept.span_s,
            "memory": {field: {**asdict(slope), "flat": slope.flat} for field, slope in kept.memory.items()},
            "counts": {field: asdict(count) for field, count in kept.counts.items()},
        }
        for name, kept in found.items()
    }


def sentences(found: Mapping[str, Kept]) -> Iterator[str]:
    """What is said of it: one sentence for all that is flat, one for each process that is not."""
    flat = {name: kept for name, kept in found.items() if kept.flat}
    if flat:
        name, kept = max(flat.items(), key=lambda each: each[1].memory[_JUDGED[0]].per_hour)
        yield say(
            "memory is flat over {minutes:.0f} min in {count} process(es); most in {name}: {slope}",
            minutes=kept.span_s / 60, count=len(flat), name=name, slope=in_words(kept.memory[_JUDGED[0]]),
        )  # fmt: skip
    for name, kept in found.items():
        if kept.flat is False:
            worst = max(
                (kept.memory[field] for field in _JUDGED if field in kept.memory), key=lambda s: s.per_hour
            )
            yield say("memory of {name} grows: {slope}", name=name, slope=in_words(worst))
        for what in kept.grown:
            first, last = kept.counts[what].first, kept.counts[what].last
            yield say(
                "{name} has more and more {what}: {first}, then {last}",
                name=name,
                what=what,
                first=first,
                last=last,
            )


def in_words(slope: Slope) -> str:
    """`+0.21 MB/h [-0.05, 0.40]`."""
    low, high = (bound / 1e6 for bound in slope.per_hour_ci95)
    return f"{slope.per_hour / 1e6:+.2f} MB/h [{low:.2f}, {high:.2f}]"
