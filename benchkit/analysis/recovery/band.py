"""What is normal: the band of the control, which a service that has recovered is back in.

The band comes from the same cell under the same load without a fault (the control trial, all of them where there are
several; windows after warm-up only). A window is in it when

* its p99 of the latency from due is no more than SLACK times the largest p99 of any window of the control, and at
  least a tenth of a window is always allowed: recovery is not told finer than a window;
* at least 1 / SLACK of the smallest share that the control ever got done of what was due in a window got done;
* no more than SLACK times the control's largest backlog waits at its end, and what is due in a tenth of a window
  is always allowed;
* no larger a share of its messages never came than SLACK times the control's largest.

Of exchangeable windows the next one exceeds the largest of m with probability 1 / (m + 1), so the plain maximum would
call one healthy window in m bad, and STEADY windows in a row would often be interrupted by chance: SLACK keeps that
away. How much the answer depends on it is told with each trial: `Recovery.sensitivity` has the time to recover for
SLACKS. Where a fault halves the throughput or lets a queue stand, all of them agree within a window; where it adds a
delay of the order of the control's own p99 they do not, and then there is no sharp moment of recovery to find.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from benchkit.analysis.recovery.series import Series

SLACK: Final = 1.5
SLACKS: Final = (1.25, 1.5, 2.0, 3.0)
LEAST_WINDOWS: Final = 5
"""Of a control: fewer say nothing about what is normal."""
_ALWAYS: Final = 0.1
"""Share of a window that a latency may always take, and whose messages may always wait."""


@dataclass(frozen=True, slots=True)
class Band:
    """Largest and smallest values of the control's windows, and how far beyond them is still normal."""

    p99_ns: float
    done_share: float
    """Least of what was due in a window."""
    backlog: float
    missing_share: float
    offered: float
    """Messages due in a window, the median."""
    window_ns: int
    windows: int
    """How many it was made of."""
    source: Literal["control", "before"]
    """Trials without a fault, or the trial's own time before the injection."""
    slack: float = SLACK

    @property
    def latency_ns(self) -> float:
        """The largest p99 of a window that is in the band."""
        return max(self.slack * self.p99_ns, _ALWAYS * self.window_ns)

    def with_slack(self, slack: float) -> Band:
        """The same band, wider or narrower."""
        return replace(self, slack=slack)

    def holds(self, found: Series) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which windows are in the band; one in which nothing was due is, unless something waits."""
        due = np.maximum(found.offered, 1)
        blank = found.offered == 0
        late = np.where(np.isnan(found.p99_ns), np.inf, found.p99_ns)
        in_time = blank | (late <= self.latency_ns)
        missing = found.missing / due <= self.slack * self.missing_share
        # A message more or less falls to a neighbour at either end of a window.
        done = found.done >= self.done_share / self.slack * found.offered - 1
        waiting = found.backlog <= max(self.slack * self.backlog, _ALWAYS * self.offered)
        good: np.ndarray[tuple[int], np.dtype[np.bool_]] = in_time & missing & done & waiting
        return good


def band_of(
    parts: Iterable[Series], source: Literal["control", "before"] = "control", slack: float = SLACK
) -> Band | None:
    """The band of windows in which nothing was wrong; None where there are too few to tell."""
    found = [each for each in parts if len(each)]
    offered = np.concatenate([each.offered for each in found]) if found else np.zeros(0, np.int64)
    full = offered > 0
    if np.count_nonzero(full) < LEAST_WINDOWS:
        return None
    p99 = np.concatenate([each.p99_ns for each in found])[full]
    done = np.concatenate([each.done for each in found])[full]
    missing = np.concatenate([each.missing for each in found])[full]
    return Band(
        p99_ns=float(np.nanmax(p99)) if not np.isnan(p99).all() else 0.0,
        done_share=min(1.0, float((done / offered[full]).min())),
        backlog=float(np.concatenate([each.backlog for each in found]).max()),
        missing_share=float((missing / offered[full]).max()),
        offered=float(np.median(offered[full])),
        window_ns=found[0].window_ns,
        windows=int(np.count_nonzero(full)),
        source=source,
        slack=slack,
    )


def before(found: Series, until_ns: int) -> Series:
    """The windows that end by then."""
    kept = found.starts_ns + found.window_ns <= until_ns
    names = ("starts_ns", "offered", "missing", "p50_ns", "p99_ns", "done", "backlog")
    return replace(found, **{name: getattr(found, name)[kept] for name in names})
