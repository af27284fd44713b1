"""What the tests of `benchkit watch` share: rounds without waiting, and alerts that are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchkit.alerts import Evaluator, Notice, Observation
from benchkit.alerts.options import read
from benchkit.watch.base import Probe, Queue
from benchkit.watch.watch import Round, Watch

PATIENCE_S = 30.0
"""A busy machine is not a server that is down."""


class Kept:
    """The rules at work, and all that they said; time goes on by `step_s` a round, however fast rounds are."""

    def __init__(self, *rules: object, step_s: float = 0.0) -> None:
        self._evaluator = Evaluator(read({"rules": list(rules) or "default"}).evaluated)
        self._step_ns = int(step_s * 1e9)
        self._rounds = 0
        self.notices: list[Notice] = []

    def feed(self, observations: Sequence[Observation], now_ns: int | None = None) -> list[Notice]:
        assert now_ns is not None
        self._rounds += 1
        later = self._rounds * self._step_ns
        moved = [Observation(each.at_ns + later, each.metric, each.labels, each.value) for each in observations]
        said = self._evaluator.feed(moved, now_ns + later)
        self.notices += said
        return said

    def said(self) -> list[tuple[str, str, str]]:
        """State, rule, and whom it is about."""
        return [
            (each.state, each.rule, each.labels.get("queue") or each.labels.get("party", ""))
            for each in self.notices
        ]


@contextmanager
def watching(probe: Probe, alerts: Kept, patience_s: float = PATIENCE_S) -> Iterator[Watch]:
    """A watch of one target, opened."""
    watch = Watch([probe], alerts, patience_s)
    try:
        watch.open()
        yield watch
    finally:
        watch.close()


def queue(seen: Round, name: str) -> Queue:
    """One queue of the only target."""
    (target,) = seen.targets
    assert target.look is not None, target.why
    (found,) = [each for each in target.look.queues if each.name == name]
    return found


def value(seen: Round, metric: str, name: str) -> float:
    """One observation of a round, by its queue or party."""
    (found,) = [
        each.value
        for each in seen.observations
        if each.metric == metric and name in (each.labels.get("queue"), each.labels.get("party"))
    ]
    return found
