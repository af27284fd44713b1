"""A backlog that grows, told from one that only sways.

The slope is Theil and Sen's: the median of the slopes between all pairs of points, which a third of outliers does not
move (P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63, 1968, whose confidence
interval this is, as scipy computes it). The whole interval must lie above the limit. Depths that follow one another
are not independent, so the interval is somewhat too narrow: what keeps a swaying queue quiet is that it must also be
deep, and have grown by much of that depth within the window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import Field

from benchkit.alerts.observation import Key, Labels, Observation, key_of
from benchkit.alerts.rules.base import Finding, Judge, Positive, Rule
from benchkit.alerts.rules.history import History
from benchkit.units import PerSecond, show_seconds

_POINTS = 60
_LEAST_POINTS = 8
_SPAN = 0.8
"""Share of the window that must have been seen."""
_GROWN = 0.2
"""Share of its depth by which a backlog must have grown in the window."""


class Growing(Rule):
    """A backlog that is deep and grew all through `window`."""

    kind: ClassVar[str] = "growing"

    window: Positive = Field(30.0, description="over which the slope is found")
    slope: PerSecond = Field(1.0, description="messages per second by which it may grow")
    least: float = Field(100.0, ge=1, allow_inf_nan=False, description="messages below which it is none")

    @property
    def metrics(self) -> frozenset[str]:
        """What waits."""
        return frozenset(("benchkit_queue_depth",))

    def judge(self) -> Judge:
        """Keeps the last window of each queue."""
        import scipy.stats  # noqa: F401  (here and not when the first slope is asked for: it takes a while)

        return _Slopes(self)


@dataclass(slots=True)
class _Queue:
    labels: Labels
    history: History
    low_per_s: float = 0.0
    """The lower end of the slope's interval; 0 where too little is known."""
    since_ns: int = 0
    fresh: bool = field(default=False)
    """A point came since the slope was found."""


class _Slopes(Judge):
    def __init__(self, rule: Growing) -> None:
        self._rule = rule
        self._queues: dict[Key, _Queue] = {}

    def take(self, seen: Observation) -> None:
        key = key_of(seen.labels)
        if math.isnan(seen.value):
            self._queues.pop(key, None)
            return
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = _Queue(seen.labels, History(int(self._rule.window * 1e9), _POINTS))
        queue.history.add(seen.at_ns, seen.value)
        queue.fresh = True

    def findings(self, now_ns: int) -> list[Finding]:  # noqa: ARG002  (only what was seen counts)
        return [self._finding(queue) for queue in self._queues.values()]

    def _finding(self, queue: _Queue) -> Finding:
        rule = self._rule
        points = queue.history.points
        depth = points[-1][1]
        if queue.fresh:
            queue.fresh = False
            queue.low_per_s = self._low(points) if depth >= rule.least else 0.0
        grown = queue.low_per_s * rule.window
        holds = depth >= rule.least and queue.low_per_s > rule.slope and grown >= _GROWN * depth
        well = depth < rule.least / 2 or queue.low_per_s <= 0
        if not holds:
            queue.since_ns = 0 if well else queue.since_ns
            return Finding(queue.labels, False, well, depth, 0, f"{depth:.0f} wait, and it does not grow")
        queue.since_ns = queue.since_ns or points[0][0]
        words = f"{depth:.0f} wait, {queue.low_per_s:.3g} more each second over {show_seconds(rule.window)}"
        return Finding(queue.labels, True, False, depth, queue.since_ns, words)

    def _low(self, points: list[tuple[int, float]]) -> float:
        from scipy.stats import theilslopes

        first_ns, last_ns = points[0][0], points[-1][0]
        if len(points) < _LEAST_POINTS or last_ns - first_ns < _SPAN * self._rule.window * 1e9:
            return 0.0
        seconds = [(at_ns - first_ns) / 1e9 for at_ns, _ in points]
        low = float(theilslopes([depth for _, depth in points], seconds).low_slope)
        return low if math.isfinite(low) else 0.0
