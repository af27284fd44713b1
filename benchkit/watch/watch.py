"""Rounds: every target is looked at, what was seen becomes observations, and the rules say what is news."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from benchkit.alerts import Notice, Observation
from benchkit.errors import UsageError
from benchkit.watch.base import Look, Probe
from benchkit.watch.follower import Follower
from benchkit.watch.observing import Flow, Observing

PATIENCE_S: Final = 2.0
"""How long a target may take to answer before it counts as down."""


class Alerts(Protocol):
    """What takes observations and says what is news: benchkit.alerts.alerting.Alerting."""

    def feed(self, observations: Sequence[Observation], now_ns: int | None = None) -> list[Notice]:
        """What was seen; what is news."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One target in one round."""

    pipeline: str
    look: Look | None
    """None: it did not answer."""
    why: str
    flows: dict[str, Flow]


@dataclass(frozen=True, slots=True)
class Round:
    """All targets at one moment."""

    at_ns: int
    targets: tuple[Seen, ...]
    notices: tuple[Notice, ...]
    observations: tuple[Observation, ...]

    def plain(self, began_ns: int) -> dict[str, Any]:
        """For `--json`; moments are seconds since the watch began."""
        return {
            "at_s": round((self.at_ns - began_ns) / 1e9, 6),
            "targets": [_plain(target) for target in self.targets],
            "notices": [_notice(notice, began_ns) for notice in self.notices],
        }


class Watch:
    """Some targets, followed until it is closed."""

    def __init__(self, probes: Sequence[Probe], alerts: Alerts, patience_s: float = PATIENCE_S) -> None:
        names = [probe.pipeline for probe in probes]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise UsageError(
                f"{twice} is given twice", where="TARGET", remedy="name all its queues once, as options"
            )
        self._alerts = alerts
        self._patience_ns = int(patience_s * 1e9)
        self._followers = [Follower(probe) for probe in probes]
        self._observing = [Observing(name) for name in names]

    def open(self) -> None:
        """Reach every target; raises BenchkitError where one cannot be reached, or lacks what is asked for."""
        for follower in self._followers:
            follower.first()

    def round(self) -> Round:
        """Look at every target once; takes no longer than the patience with the slowest of them."""
        until_ns = time.monotonic_ns() + self._patience_ns
        for follower in self._followers:
            follower.ask()
        found: list[Observation] = []
        targets: list[Seen] = []
        for follower, observing in zip(self._followers, self._observing, strict=True):
            answer = follower.answer(until_ns)
            if answer.look is None:
                found += observing.unseen(follower.probe.party, answer.at_ns)
            else:
                found += observing.seen(answer.look, answer.at_ns)
            targets.append(Seen(observing.pipeline, answer.look, answer.why, observing.flows))
        now_ns = time.monotonic_ns()
        notices = self._alerts.feed(found, now_ns)
        return Round(now_ns, tuple(targets), tuple(notices), tuple(found))

    def close(self) -> None:
        """Let go of every target."""
        for follower in self._followers:
            follower.close()


def _plain(seen: Seen) -> dict[str, Any]:
    look = seen.look or Look()
    return {
        "pipeline": seen.pipeline,
        "up": seen.look is not None,
        "why": seen.why,
        "queues": [
            {
                "queue": queue.name, "depth": queue.depth, "oldest_s": queue.oldest_s, "at_least": queue.at_least,
                "pending": queue.pending, "consumers": queue.consumers, "arrived": queue.arrived,
                "handled": None if queue.bound else queue.handled, "arrivals_per_s": flow.arrives,
                "handled_per_s": flow.leaves, "growth_per_s": flow.grows, "frame_age_s": queue.frame_age_s,
                "note": queue.note,
            }
            for queue in look.queues
            if (flow := seen.flows[queue.name])
        ],
        "parties": [
            {"party": each.name, "up": each.alive, "idle_s": each.idle_s, "note": each.note}
            for each in look.parties
        ],
        "notes": list(look.notes),
    }  # fmt: skip


def _notice(notice: Notice, began_ns: int) -> dict[str, Any]:
    return {
        "state": notice.state, "rule": notice.rule, "severity": notice.severity, "labels": dict(notice.labels),
        "value": notice.value, "summary": notice.summary, "at_s": round((notice.at_ns - began_ns) / 1e9, 6),
        "since_s": round((notice.since_ns - began_ns) / 1e9, 6) if notice.since_ns else None,
    }  # fmt: skip
