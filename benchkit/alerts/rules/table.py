"""The rules by name, and the set that `alerts: default` stands for."""

from __future__ import annotations

from typing import Final

from benchkit.alerts.rules.base import Rule
from benchkit.alerts.rules.burn_rate import BurnRate
from benchkit.alerts.rules.dead import Dead
from benchkit.alerts.rules.frame_age import FrameAge
from benchkit.alerts.rules.growing import Growing
from benchkit.alerts.rules.loss import Loss
from benchkit.alerts.rules.stalled import Stalled
from benchkit.alerts.rules.threshold import Threshold

RULES: Final[dict[str, type[Rule]]] = {
    rule.kind: rule for rule in (Dead, Stalled, Growing, BurnRate, Loss, FrameAge, Threshold)
}

DEFAULT: Final[tuple[str, ...]] = tuple(name for name in RULES if name != "threshold")
"""Each with its own defaults; a rule of a metric that nobody observes says nothing."""
