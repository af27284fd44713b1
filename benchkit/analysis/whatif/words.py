"""What a sensitivity means, in words."""

from __future__ import annotations

from benchkit.analysis.whatif.sensitivity import Sensitivity, Slope

_NOWHERE_NEAR = 0.5
"""An interval that is wider than this on both sides of anything tells nothing."""


def meaning(found: Sensitivity) -> str:
    """On or off the critical path, by the whole interval; and whether it creates queueing."""
    said = [_path(found.per_added), _queueing(found.latency)]
    return "; ".join(part for part in said if part) or "too few rounds to tell"


def _path(slope: Slope | None) -> str:
    if slope is None:
        return ""
    low, high = slope.interval
    if low > 0:
        return f"on the critical path: {slope.value:.0%} of what it takes is paid in time per message"
    if high - low > 2 * _NOWHERE_NEAR:
        return f"on or off the critical path: not decided (between {low:.0%} and {high:.0%} is paid)"
    return f"off the critical path, or close to it: at most {max(0.0, high):.0%} of what it takes is paid"


def _queueing(slope: Slope | None) -> str:
    if slope is None:
        return ""
    low, high = slope.interval
    if low > 1:
        return f"it also creates queueing: latency grows {slope.value:.1f} times what is added"
    if high < 0.5:
        return "latency hardly notices it"
    return ""
