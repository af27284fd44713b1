"""When a fault was noticed, when the first message got through again, when all was as before.

All moments count from the injection. *Detected* is the first detection of whoever noticed first. *First success* is
the first message done that the producer turned to after the injection. *Steady* is the beginning of the first STEADY
windows in a row that are in the control's band (`band` says what that is), looked for from the last time that
something was broken on; windows in which nothing was due neither help nor hinder. Every window before it has a late
or missing message, a throughput too low or a backlog, so it is later than the true moment by less than a window, and
earlier by no more than the time for which late messages were late by less than the band allows. The *drain* is from
the largest backlog to the first moment at which no more waits than in the control.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from benchkit.analysis.recovery.band import SLACKS, Band, band_of, before
from benchkit.analysis.recovery.ends import Mask, attempted, due_ns, handled_ns
from benchkit.analysis.recovery.series import Counts, Series, backlog, series
from benchkit.records.faults import Trial
from benchkit.records.operations import Operations

STEADY: Final = 3
"""Windows in a row that must be in the band."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """One trial's way back; seconds from the injection unless the name says otherwise."""

    detect_s: float | None
    """None: nobody noticed, or nobody was asked."""
    detected_by: str
    detected_how: str
    first_success_s: float | None
    steady_s: float | None
    """Time to recover; None: not within `watched_s`, or without a band."""
    watched_s: float
    """How long after the injection there was a load to recover under."""
    relapses: int
    """How often the band was left again after that, for two windows or more."""
    backlog_most: int
    """Due and not done, at most, after the injection."""
    drain_s: float | None
    """How long the backlog took to go; None where none stood, or it did not go."""
    drain_per_s: float | None
    """Messages done per second meanwhile."""
    window_s: float
    sensitivity: Mapping[str, float | None] = field(default_factory=dict)
    """`steady_s` by the band's slack."""
    band: Band | None = None


def recovered(trial: Trial, operations: Operations, normal: Band | None = None) -> Recovery:
    """The way back of a trial with a fault; `normal` is its control's band.

    Without one, the time before the injection is taken for normal, and the band says so.
    """
    found = series(trial, operations)
    if normal is None:
        normal = band_of([before(found, trial.injected_ns)], "before")
    by, how, detected = _detected(trial)
    steady = {slack: _steady_s(trial, found, normal, slack) for slack in SLACKS} if normal else {}
    drain_s, drain_per_s, most = _drain(trial, operations, normal)
    chosen = _steady_ns(trial, found, normal) if normal else None
    return Recovery(
        detect_s=detected,
        detected_by=by,
        detected_how=how,
        first_success_s=_first_success_s(trial, operations),
        steady_s=_since(trial, chosen),
        watched_s=_watched_s(trial, found),
        relapses=_relapses(found, normal, chosen) if normal else 0,
        backlog_most=most,
        drain_s=drain_s,
        drain_per_s=drain_per_s,
        window_s=found.window_ns / 1e9,
        sensitivity={f"{slack:g}": value for slack, value in steady.items()},
        band=normal,
    )


def _since(trial: Trial, moment_ns: int | None) -> float | None:
    return None if moment_ns is None else max(0.0, (moment_ns - trial.injected_ns) / 1e9)


def _detected(trial: Trial) -> tuple[str, str, float | None]:
    later = [each for each in trial.detections if int(each["at_ns"]) >= trial.injected_ns]
    if not later:
        return "", "", None
    first = min(later, key=lambda each: int(each["at_ns"]))
    return str(first["by"]), str(first["how"]), _since(trial, int(first["at_ns"]))


def _first_success_s(trial: Trial, operations: Operations) -> float | None:
    handled = handled_ns(operations)
    after = handled[attempted(operations) & (operations["taken"] >= trial.injected_ns) & (handled > 0)]
    return _since(trial, int(after.min())) if len(after) else None


def last_broken_ns(trial: Trial) -> int:
    """The last time that something was broken: the injection, or a later death of a process."""
    return max([trial.injected_ns, *(int(each["at_ns"]) for each in trial.deaths)])


def _watched_s(trial: Trial, found: Series) -> float:
    last = int(found.starts_ns[-1]) + found.window_ns if len(found) else trial.injected_ns
    return max(0.0, (last - trial.injected_ns) / 1e9)


def _steady_s(trial: Trial, found: Series, normal: Band, slack: float) -> float | None:
    return _since(trial, _steady_ns(trial, found, normal.with_slack(slack)))


def _steady_ns(trial: Trial, found: Series, normal: Band) -> int | None:
    """Where the first STEADY windows in the band begin; None where there are none.

    A fault that shows late, while it is still on, is waited for.
    """
    good = normal.holds(found)
    steady = _first_steady_ns(found, good, last_broken_ns(trial))
    while steady is not None:
        later = np.flatnonzero(
            _twice(~good) & (found.starts_ns >= steady) & (found.starts_ns <= trial.healed_ns)
        )
        if not len(later):
            return steady
        steady = _first_steady_ns(found, good, int(found.starts_ns[later[-1]]))
    return None


def _first_steady_ns(found: Series, good: Mask, since_ns: int) -> int | None:
    begin, length = None, 0
    for at in np.flatnonzero(found.starts_ns + found.window_ns > since_ns).tolist():
        if not good[at]:
            begin, length = None, 0
        elif found.offered[at]:
            begin, length = (at if begin is None else begin), length + 1
            if length == STEADY:
                return max(since_ns, int(found.starts_ns[begin]))
    return None


def _twice(bad: Mask) -> Mask:
    """Windows that are out of the band, as the one before them."""
    found: Mask = bad & np.concatenate([[False], bad[:-1]]) if len(bad) else bad
    return found


def _relapses(found: Series, normal: Band, steady_ns: int | None) -> int:
    """Runs of two windows or more out of the band, after it was reached; a single one is a hiccup."""
    if steady_ns is None:
        return 0
    long = _twice(~normal.holds(found)[found.starts_ns >= steady_ns])
    return int(np.count_nonzero(long)) - int(np.count_nonzero(_twice(long)))


def _drain(
    trial: Trial, operations: Operations, normal: Band | None
) -> tuple[float | None, float | None, int]:
    """Seconds, messages done per second, and the largest backlog."""
    tried = operations[attempted(operations)]
    handled = handled_ns(tried)
    moments = _moments(trial, due_ns(tried), handled)
    waiting = backlog(trial, tried, moments)
    if not len(moments):
        return None, None, 0
    most = int(waiting.max())
    usual = max(normal.backlog, 1.0) if normal else 1.0
    if most <= 2 * usual:
        return None, None, most
    top = int(np.flatnonzero(waiting == most)[-1])
    low = np.flatnonzero(waiting[top:] <= usual)
    if not len(low):
        return None, None, most
    start, stop = int(moments[top]), int(moments[top + int(low[0])])
    done = int(np.count_nonzero((handled > start) & (handled <= stop)))
    took = (stop - start) / 1e9
    return took, done / took if took else None, most


def _moments(trial: Trial, due: Counts, handled: Counts) -> Counts:
    """Every moment after the injection at which the backlog changed."""
    found = np.concatenate([due, handled[handled > 0]])
    return np.unique(found[found >= trial.injected_ns])
