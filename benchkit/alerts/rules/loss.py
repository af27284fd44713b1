"""Messages that are lost."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field

from benchkit.alerts.notice import Severity
from benchkit.alerts.observation import Key, Observation, key_of
from benchkit.alerts.rules.base import Finding, Judge, Positive, Rule
from benchkit.units import Seconds, show_seconds


class Loss(Rule):
    """A message was lost; it is well again when none was for `window`."""

    kind: ClassVar[str] = "loss"

    window: Positive = Field(60.0, description="how long no other one may be lost until it is well again")
    clear: Seconds = Field(0.0, description="how long it must be well beyond that before it is told")
    severity: Severity = "critical"

    @property
    def metrics(self) -> frozenset[str]:
        """The counter of lost messages."""
        return frozenset(("benchkit_lost_total",))

    def judge(self) -> Judge:
        """Keeps when each counter last grew."""
        return _Grown(self.window)


class _Grown(Judge):
    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._last: dict[Key, tuple[Observation, int, int | None]] = {}
        """Of each series: the last value, since when messages are being lost, and when it last grew."""

    def take(self, seen: Observation) -> None:
        key = key_of(seen.labels)
        if math.isnan(seen.value):
            self._last.pop(key, None)
            return
        before, since, grown = self._last.get(key, (None, 0, None))
        # A counter that fell began anew: what it holds was lost since.
        known = before.value if before and before.value <= seen.value else 0.0
        if seen.value > known:
            calm = grown is None or seen.at_ns - grown > self._window_s * 1e9
            since, grown = seen.at_ns if calm else since, seen.at_ns
        self._last[key] = (seen, since, grown)

    def findings(self, now_ns: int) -> list[Finding]:
        return [self._finding(*known, now_ns) for known in self._last.values()]

    def _finding(self, seen: Observation, since: int, grown: int | None, now_ns: int) -> Finding:
        holds = grown is not None and now_ns - grown <= self._window_s * 1e9
        count = f"{seen.value:.0f}"
        words = f"none lost for {show_seconds(self._window_s)}; {count} lost in all"
        if holds:
            words = "1 message lost" if seen.value == 1 else f"{count} messages lost"
        return Finding(seen.labels, holds, not holds, seen.value, since if holds else 0, words)
