"""What a sensitivity means, in words."""

from __future__ import annotations

from benchkit.analysis.whatif.sensitivity import Sensitivity, Slope

_NOWHERE_NEAR = 0.5
"""Of an interval that holds 0: a wider one does not say that the phase is off the path."""


def meaning(found: Sensitivity) -> str:
    """On or off the critical path, by the whole interval; and whether it creates queueing."""
    said = [_path(found.per_added), _queueing(found.latency)]
    return "; ".join(part for part in said if part) or "too few rounds to tell"


def _path(slope: Slope | None) -> str:
    if slope is None:
        return ""
    low, high = slope.interval
    if low > 0:
        return "on the critical path"
    if high - low > _NOWHERE_NEAR:
        return "not decided: too much noise"
    return "off the critical path"


def _queueing(slope: Slope | None) -> str:
    if slope is None:
        return ""
    return "it also creates queueing" if slope.interval[0] > 1 else ""
