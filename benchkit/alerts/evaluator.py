"""Rules over observations: what to say now. No clock, no thread, no output.

A thing (a rule and a group of labels) is quiet, pending, firing or recovering. It is pending while its condition
holds for less than the rule's `lasting`, and recovering while it is well for less than `clear`: what flaps faster than
that is said once. One notice goes out when it begins to fire, one when it is well again, and between them only
what `repeat` asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from benchkit.alerts.notice import UNSEEN, Notice
from benchkit.alerts.observation import Key, Observation, key_of
from benchkit.alerts.rules.base import Finding, Judge, Rule
from benchkit.errors import UsageError


@dataclass(slots=True)
class _Thing:
    """Where one rule stands with one group of labels."""

    holding_ns: int | None = None
    """Since when its condition was found to hold; None: it does not."""
    well_ns: int | None = None
    """Of a firing one: since when it was found to be well."""
    told: Notice | None = None
    """The last notice of a firing one; None: it does not fire."""


class Evaluator:
    """What some rules have to say of a stream of observations."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        titles = [rule.title for rule in self.rules]
        for title in titles:
            if titles.count(title) > 1:
                raise UsageError(
                    f"two rules are called {title!r}", where="alerts", remedy="give each a `name` of its own"
                )
        self._judges: list[Judge] = [rule.judge() for rule in self.rules]
        self._things: list[dict[Key, _Thing]] = [{} for _ in self.rules]
        self._now_ns = 0

    @property
    def firing(self) -> tuple[Notice, ...]:
        """What fires at the moment: the last notice of each."""
        return tuple(thing.told for things in self._things for thing in things.values() if thing.told)

    def feed(self, observations: Iterable[Observation], now_ns: int) -> list[Notice]:
        """Take in what was seen and say what is news at `now_ns`; also without observations: silence is seen too.

        Observations are taken in the order of their moments. A `now_ns` before the last one counts as the last one.
        """
        self._now_ns = max(now_ns, self._now_ns)
        for seen in sorted(observations, key=lambda each: each.at_ns):
            for rule, judge in zip(self.rules, self._judges, strict=True):
                if rule.wants(seen):
                    judge.take(seen)
        notices: list[Notice] = []
        for rule, judge, things in zip(self.rules, self._judges, self._things, strict=True):
            found = {key_of(finding.labels): finding for finding in judge.findings(self._now_ns)}
            for key, finding in found.items():
                notices += self._judged(rule, things.setdefault(key, _Thing()), finding)
            for key in [key for key in things if key not in found]:
                notices += self._ended(things.pop(key))
        return notices

    def _judged(self, rule: Rule, thing: _Thing, finding: Finding) -> list[Notice]:
        now = self._now_ns
        if not finding.holds:
            thing.holding_ns = None
        elif thing.holding_ns is None:
            thing.holding_ns = now
        if not finding.well:
            thing.well_ns = None
        elif thing.well_ns is None:
            thing.well_ns = now
        told = thing.told
        if told is None:
            if thing.holding_ns is None or now - thing.holding_ns < rule.lasting * 1e9:
                return []
            since = finding.since_ns or thing.holding_ns
            thing.told = Notice(
                "firing", rule.title, dict(finding.labels), finding.value, since, now, finding.summary,
                rule.severity, now,
            )  # fmt: skip
            return [thing.told]
        if thing.well_ns is not None and now - thing.well_ns >= rule.clear * 1e9:
            thing.told = None
            return [_resolved(told, finding.value, thing.well_ns, now, finding.summary)]
        if rule.repeat is not None and now - told.at_ns >= rule.repeat * 1e9:
            thing.told = replace(
                told, value=finding.value, at_ns=now, summary=finding.summary, repeat=told.repeat + 1
            )
            return [thing.told]
        return []

    def _ended(self, thing: _Thing) -> list[Notice]:
        """Nothing is known of it any more: what was said must not stand for ever."""
        if thing.told is None:
            return []
        return [_resolved(thing.told, thing.told.value, self._now_ns, self._now_ns, UNSEEN)]


def _resolved(told: Notice, value: float, since_ns: int, now_ns: int, summary: str) -> Notice:
    return replace(
        told, state="resolved", value=value, since_ns=since_ns, at_ns=now_ns, summary=summary, repeat=0
    )
