"""What a sensitivity means, in words."""

from __future__ import annotations

from benchkit.analysis.whatif.sensitivity import Sensitivity, Slope
from benchkit.words import say

_NOWHERE_NEAR = 0.5
"""Of an interval that holds 0: a wider one does not say that the phase is off the path."""


def meaning(found: Sensitivity) -> str:
    """On or off the critical path, by the whole interval; and whether it creates queueing."""
    said = [_path(found.per_added), _queueing(found.latency)]
    return "; ".join(part for part in said if part) or say("too few rounds to tell")


def _path(slope: Slope | None) -> str:
    if slope is None:
        return ""
    low, high = slope.interval
    if low > 0:
        return say("on the critical path")
    if high - low > _NOWHERE_NEAR:
        return say("not decided: too much noise")
    return say("off the critical path")


def _queueing(slope: Slope | None) -> str:
    if slope is None:
        return ""
    return say("it also creates queueing") if slope.interval[0] > 1 else ""
