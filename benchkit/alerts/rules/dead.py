"""A party that is gone, or was not heard of for too long."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from benchkit.alerts.notice import Severity
from benchkit.alerts.observation import Key, Labels, Observation, key_of
from benchkit.alerts.rules.base import Finding, Judge, Positive, Rule
from benchkit.units import Seconds, show_seconds


class Dead(Rule):
    """A party whose process is gone or whose heartbeat is older than so many intervals.

    With a beat at every interval, a party that stops right after a beat is silent for `intervals` of them when it
    is told, and one that stops right before the next for one less: between 0.5 and 1.5 intervals after the stop, and
    the wait for the next evaluation, which looks four times in an interval. So two heartbeats are kept, and a beat
    may still be late by half an interval (0.5 s) before anybody is called dead.
    """

    kind: ClassVar[str] = "dead"

    heartbeat: Positive = Field(1.0, description="interval of the heartbeats")
    intervals: float = Field(1.5, ge=1.0, le=1000, description="how many of them may go by in silence")
    clear: Seconds = Field(0.0, description="how long it must be heard of again before that is told")
    severity: Severity = "critical"

    @property
    def metrics(self) -> frozenset[str]:
        """Sign of life, and its age."""
        return frozenset(("benchkit_up", "benchkit_heartbeat_age_seconds"))

    def judge(self) -> Judge:
        """Keeps the last sign of life of each party."""
        return _Silence(self.heartbeat * self.intervals)


@dataclass(slots=True)
class _Party:
    labels: Labels
    heard_ns: int | None = None
    """The last sign of life; None: it is known by `benchkit_up` alone."""
    gone_ns: int = 0


class _Silence(Judge):
    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._parties: dict[Key, _Party] = {}

    def take(self, seen: Observation) -> None:
        key = key_of(seen.labels)
        if math.isnan(seen.value):
            self._parties.pop(key, None)
            return
        party = self._parties.setdefault(key, _Party(seen.labels))
        if seen.metric == "benchkit_up":
            party.gone_ns = 0 if seen.value else party.gone_ns or seen.at_ns
        else:
            party.heard_ns = seen.at_ns - int(seen.value * 1e9)

    def findings(self, now_ns: int) -> list[Finding]:
        return [self._finding(party, now_ns) for party in self._parties.values()]

    def _finding(self, party: _Party, now_ns: int) -> Finding:
        who = party.labels.get("party") or party.labels.get("queue") or "it"
        if party.gone_ns:
            since = party.gone_ns if party.heard_ns is None else min(party.heard_ns, party.gone_ns)
            return Finding(party.labels, True, False, (now_ns - since) / 1e9, since, f"{who} is gone")
        if party.heard_ns is None:
            return Finding(party.labels, False, True, 0.0, 0, f"{who} is up")
        # Also where nobody looked since: what was not heard of was not heard of.
        silent_s = max(0.0, (now_ns - party.heard_ns) / 1e9)
        if silent_s > self._limit_s:
            words = f"{who} has not been heard of for {show_seconds(silent_s)}"
            return Finding(party.labels, True, False, silent_s, party.heard_ns, words)
        return Finding(party.labels, False, True, silent_s, 0, f"{who} is heard of")
