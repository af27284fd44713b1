"""Whether the machine left the gate enough of itself to decide: evidence from what its runs recorded.

Pairing takes away what wanders slowly, and shuffling makes chance of what comes in bursts. Neither helps where the
hypervisor or a quota takes a large part of the time: then what is measured is how it is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from benchkit.gate.runs import SideRun

_STEAL: Final = 0.10
"""Of the CPU time, in the median run."""
_THROTTLED: Final = 0.05
"""Of the time, over all runs."""


def evidence(runs: Sequence[SideRun]) -> list[str]:
    """Why nothing should be decided; empty on a machine that is fit."""
    found = [each for run in runs for each in _first(run)]
    steals = [each["steal_share"] for each in found if each.get("steal_share") is not None]
    told = []
    if steals and float(np.median(steals)) > _STEAL:
        told.append(
            f"{100 * float(np.median(steals)):.0f}% of the CPU time was stolen in the median run, "
            f"{100 * max(steals):.0f}% at most; more than {100 * _STEAL:.0f}% is too much"
        )
    elapsed_s = sum(each["elapsed_s"] for each in found)
    throttled_s = sum(each.get("throttled_s") or 0.0 for each in found)
    if elapsed_s and throttled_s > _THROTTLED * elapsed_s:
        told.append(
            f"the CPU quota stopped the runs for {100 * throttled_s / elapsed_s:.0f}% of the time; "
            f"more than {100 * _THROTTLED:.0f}% is too much"
        )
    hot = sum(each.get("thermal_events") or 0 for each in found)
    if hot:
        told.append(f"a hot core was slowed down {hot} times")
    return told


def _first(run: SideRun) -> Iterable[Mapping[str, Any]]:
    """Of each cell: its runs have one block."""
    return [figures.disturbance for figures in run.cells.values() if figures.disturbance]


def state(runs: Sequence[SideRun]) -> dict[str, float | None]:
    """For the record: how the machine was, whether or not it was fit."""
    found = [each for run in runs for each in _first(run)]
    steals = [each["steal_share"] for each in found if each.get("steal_share") is not None]
    spins = [ns for each in found for ns in each.get("spin_ns", ())]
    return {
        "steal_share_median": float(np.median(steals)) if steals else None,
        "steal_share_max": max(steals, default=None),
        "spin_slowest_ratio": max(spins) / float(np.median(spins)) if spins else None,
    }
