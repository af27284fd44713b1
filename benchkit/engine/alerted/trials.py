"""What rules are shown of a fault trial: its parties' journals, and its account when it is over.

A journal holds the moment of the last heartbeat in the party's own hand, so its age is what it is however late somebody
looks. A party that was killed is gone until the one that takes its place is there.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from benchkit.alerts.alerting import Alerting
from benchkit.alerts.observation import Observation, over
from benchkit.analysis.recovery import accounted
from benchkit.engine.alerted.pulse import LOOKS
from benchkit.engine.faulted import processes
from benchkit.engine.faulted.incarnation import Incarnation
from benchkit.engine.faulted.journal import What
from benchkit.engine.faulted.supervisor import Supervisor
from benchkit.records.faults import Trial
from benchkit.records.operations import Operations


def observations_of(
    lives: Mapping[str, Iterable[Incarnation]], pipeline: str, now_ns: int
) -> Iterator[Observation]:
    """The parties' signs of life, what their stages are done with, and what waits; `lives` by label, oldest first."""
    sent = handled = 0
    for label, own in lives.items():
        every = list(own)
        if not every:
            continue
        labels = {"pipeline": pipeline, "party": label}
        last = every[-1]
        yield Observation(now_ns, "benchkit_up", labels, 1.0 if last.lives else 0.0)
        if last.lives:
            age_s = max(0, now_ns - last.beat_ns) / 1e9
            yield Observation(now_ns, "benchkit_heartbeat_age_seconds", labels, age_s)
        sent += sum(life.counts[What.SENT] for life in every)
        if last.role.party == "stage":
            done = sum(life.counts[What.FINISHED] + life.counts[What.FAILED] for life in every)
            handled += done
            yield Observation(now_ns, "benchkit_handled_total", {**labels, "queue": "stage"}, float(done))
    waiting = float(max(0, sent - handled))
    yield Observation(now_ns, "benchkit_queue_depth", {"pipeline": pipeline, "queue": "stage"}, waiting)


Told = Callable[[], tuple[Mapping[str, Any], ...]]
"""What was said of a trial, with what became of it so far."""


@contextmanager
def watching(alerting: Alerting | None, pipeline: str, supervisor: Supervisor) -> Iterator[Told]:
    """The rules look at a trial until this ends; nothing happens where there are none."""
    if alerting is None:
        yield tuple
        return
    rules = TrialAlerts(alerting, pipeline, supervisor)
    supervisor.watcher = rules.look
    try:
        yield rules.told
    finally:
        supervisor.watcher = None
        rules.close()


class TrialAlerts:
    """The rules over one trial, as its supervisor sees it. Used from the supervisor's thread."""

    def __init__(self, alerting: Alerting, pipeline: str, supervisor: Supervisor) -> None:
        self._alerting, self._pipeline, self._supervisor = alerting, pipeline, supervisor
        self._look_ns = int(alerting.options.heartbeat * 1e9) // LOOKS
        self._next_ns = 0
        self._first = alerting.said
        self._brokered = supervisor.broker_pid is not None
        self._broker_heard_ns = time.monotonic_ns()
        self._series: dict[tuple[str, tuple[tuple[str, str], ...]], Mapping[str, str]] = {}

    def look(self, now_ns: int) -> None:
        """Called at every look of the supervisor's; the rules are asked as often as the heartbeat wants it."""
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns + self._look_ns
        seen = [*observations_of(self._supervisor.lives, self._pipeline, now_ns), *self._broker(now_ns)]
        for each in seen:
            self._series.setdefault((each.metric, tuple(sorted(each.labels.items()))), each.labels)
        self._alerting.feed(seen, now_ns)

    def _broker(self, now_ns: int) -> Iterator[Observation]:
        if not self._brokered:
            return
        pid = self._supervisor.broker_pid
        if pid is not None and not processes.stopped(pid):
            self._broker_heard_ns = now_ns
        labels = {"pipeline": self._pipeline, "party": "broker"}
        yield Observation(now_ns, "benchkit_up", labels, 0.0 if pid is None else 1.0)
        if pid is not None:
            age_s = (now_ns - self._broker_heard_ns) / 1e9
            yield Observation(now_ns, "benchkit_heartbeat_age_seconds", labels, age_s)

    def close(self) -> None:
        """The trial is over: its parties leave on purpose."""
        now = time.monotonic_ns()
        self._alerting.feed([over(now, metric, labels) for (metric, _), labels in self._series.items()], now)

    def told(self) -> tuple[Mapping[str, Any], ...]:
        """What was said in this trial, with what became of it so far."""
        return tuple(self._alerting.log(self._first))


class Accounts:
    """What all trials of each cell lost and duplicated so far, as counters that go on."""

    def __init__(self, alerting: Alerting) -> None:
        self._alerting = alerting
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, trial: Trial, operations: Operations) -> Trial:
        """The trial with what is said of its account."""
        first, now = self._alerting.said, time.monotonic_ns()
        account = accounted(trial, operations)
        self._counts[trial.cell, "lost"] += account.lost
        self._counts[trial.cell, "duplicated"] += account.duplicated
        labels = {"pipeline": trial.cell}
        seen = [
            Observation(now, f"benchkit_{name}_total", labels, float(self._counts[trial.cell, name]))
            for name in ("lost", "duplicated")
        ]
        self._alerting.feed(seen, now)
        return replace(trial, alerts=(*trial.alerts, *self._alerting.log(first)))
