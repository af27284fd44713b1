"""Does a cell get slower, dearer or larger while the run goes on?

Least squares on logarithms, so that a slope is a share an hour whatever the level: the blocks' values are
gathered into at most thirty windows (the median of neighbouring blocks; with batches that long neighbours
hardly depend on each other any more: Schmeiser, "Batch size effects in the analysis of simulation output",
Operations Research 30 (1982) 556-568), and the slope's interval is Student's t on their residuals (Draper and
Smith, Applied Regression Analysis, 3rd edition, section 1.4). After a resume all parties are new, so every
stretch between two resumes has a level of its own and only the slope is common.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchkit.analysis.intervals import Interval, exp, holm_levels, t_interval, t_p_value
from benchkit.analysis.measure import BlockMeasure
from benchkit.records.run import Block
from benchkit.words import named, say, word

WINDOWS: Final = 30
_LEAST_WINDOWS: Final = 8
_LEAST_CHANGE: Final = 0.01
"""A change over the whole run that is smaller is nobody's concern, however sure it is."""
_AN_HOUR_FROM_S: Final = 600.0
"""A shorter run says nothing about an hour."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drift:
    """How one figure of a cell changed; shares, 0.03 is 3% more. Intervals hold for all figures of a cell together."""

    over_run: float
    over_run_ci: Interval
    per_hour: float | None
    """None for a run of less than ten minutes."""
    per_hour_ci: Interval | None
    span_s: float
    """Measured time, interruptions left out."""
    windows: int
    clear: bool
    """The interval leaves out 0 and the change over the run is 1% at least."""


@dataclass(frozen=True, slots=True)
class _Fit:
    """A slope of the logarithm per second, its standard error and degrees of freedom."""

    slope: float
    error: float
    freedom: float
    span_s: float
    windows: int


def drifts(
    blocks: Sequence[Block], measured: Sequence[BlockMeasure], resumed: Sequence[int]
) -> dict[str, Drift]:
    """Of one cell by figure: p50, throughput, cpu, rss_producer, ...; those that cannot be known are left out.

    `resumed` holds the index of the first block after each resume.
    """
    own = {block.index: block for block in measured}
    kept = [block for block in blocks if block.index in own]
    values: dict[str, list[float]] = {}
    for block in kept:
        for name, value in _figures(block, own[block.index]).items():
            values.setdefault(name, []).append(value)
    stretches = np.array([bisect_right(resumed, block.index) for block in kept])
    began_s = np.array([block.started_ns / 1e9 for block in kept])
    fits = {
        name: fit
        for name, series in values.items()
        if len(series) == len(kept) and (fit := _fit(began_s, np.array(series), stretches))
    }
    levels = holm_levels({name: t_p_value(fit.slope, fit.error, fit.freedom) for name, fit in fits.items()})
    return {name: _drift(fit, levels[name]) for name, fit in fits.items()}


def _figures(block: Block, own: BlockMeasure) -> dict[str, float]:
    cpu_ns = sum(used.cpu_ns for used in block.usage.values())
    found = {
        "p50": float(own.p50_ns),
        "throughput": own.count / own.span_ns if own.span_ns else 0.0,
        "cpu": cpu_ns / own.count if own.count else 0.0,
        **{f"rss_{role}": float(used.rss_bytes) for role, used in block.usage.items()},
    }
    return {name: value for name, value in found.items() if value > 0}


def _fit(began_s: Floats, values: Floats, stretches: npt.NDArray[np.int64]) -> _Fit | None:
    times, logs, groups, span_s = [], [], 0, 0.0
    for stretch in np.unique(stretches):
        chosen = np.flatnonzero(stretches == stretch)
        windows = min(len(chosen), max(2, round(WINDOWS * len(chosen) / len(values))))
        if windows < 2:
            continue
        pieces = np.array_split(chosen, windows)
        at = np.array([began_s[piece].mean() for piece in pieces])
        level = np.array([np.median(np.log(values[piece])) for piece in pieces])
        times.append(at - at.mean())
        logs.append(level - level.mean())
        groups += 1
        span_s += float(began_s[chosen].max() - began_s[chosen].min())
    if sum(map(len, times)) < _LEAST_WINDOWS:
        return None
    time, log = np.concatenate(times), np.concatenate(logs)
    squares = float(time @ time)
    freedom = len(time) - groups - 1
    if squares <= 0 or freedom < 1:
        return None
    slope = float(time @ log) / squares
    error = float(np.sqrt(np.sum((log - slope * time) ** 2) / freedom / squares))
    return _Fit(slope, error, float(freedom), span_s, len(time))


def _drift(fit: _Fit, level: float) -> Drift:
    low, high = t_interval(fit.slope, fit.error, fit.freedom, level)
    over_run = exp(fit.slope * fit.span_s) - 1
    long = fit.span_s >= _AN_HOUR_FROM_S
    return Drift(
        over_run=over_run,
        over_run_ci=(exp(low * fit.span_s) - 1, exp(high * fit.span_s) - 1),
        per_hour=exp(fit.slope * 3600) - 1 if long else None,
        per_hour_ci=(exp(low * 3600) - 1, exp(high * 3600) - 1) if long else None,
        span_s=fit.span_s,
        windows=fit.windows,
        clear=(low > 0 or high < 0) and abs(over_run) >= _LEAST_CHANGE,
    )


_NAMES: Final = {"p50": "p50", "throughput": word("throughput"), "cpu": word("CPU per message")}


def in_words(name: str, found: Mapping[str, Any]) -> str:
    """`p50 grew 3.1%/h [1.2, 5.0]` of an entry of run.json's `drift`."""
    long = found["per_hour"] is not None
    share, interval = (
        (found["per_hour"], found["per_hour_ci"]) if long else (found["over_run"], found["over_run_ci"])
    )
    what = (
        say(_NAMES[name])
        if name in _NAMES
        else say("memory of the {role}", role=named(name.removeprefix("rss_")))
    )
    low, high = sorted(100 * abs(bound) for bound in interval) if interval[0] * interval[1] > 0 else (
        100 * interval[0], 100 * interval[1]
    )  # fmt: skip
    per = "%/h" if long else "%"
    change = f"{100 * abs(share):.2g}{per} [{low:.2g}, {high:.2g}]"
    said = (
        say("{what} grew {change}", what=what, change=change)
        if share > 0
        else say("{what} fell {change}", what=what, change=change)
    )
    return said if long else say("{said} over {span_s:.0f} s", said=said, span_s=found["span_s"])
