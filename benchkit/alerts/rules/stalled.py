"""A queue that is not empty and of which nothing is handled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from benchkit.alerts.notice import Severity
from benchkit.alerts.observation import Key, Labels, Observation, key_of
from benchkit.alerts.rules.base import Finding, Judge, Positive, Rule
from benchkit.units import show_seconds


class Stalled(Rule):
    """Messages wait and none is handled for `window`, though whoever handles them answers.

    A party that does not answer is `dead`'s: of it nothing is known, so nothing is told here.
    """

    kind: ClassVar[str] = "stalled"

    window: Positive = Field(5.0, description="how long nothing may be handled while messages wait")
    severity: Severity = "critical"

    @property
    def metrics(self) -> frozenset[str]:
        """What waits, and what is done."""
        return frozenset(("benchkit_queue_depth", "benchkit_handled_total"))

    def judge(self) -> Judge:
        """Keeps when each queue last moved."""
        return _Standstill(self.window)


@dataclass(slots=True)
class _Queue:
    labels: Labels
    depth: float
    waiting_ns: int | None = None
    """Since when something waits without a break; None: nothing does."""
    seen_ns: int = 0


@dataclass(slots=True)
class _Handled:
    labels: Labels
    count: float
    seen_ns: int
    moved_ns: int
    """When it was last seen to have grown; the first time it was seen, where it has not."""


class _Standstill(Judge):
    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._queues: dict[Key, _Queue] = {}
        self._handled: dict[Key, _Handled] = {}

    def take(self, seen: Observation) -> None:
        key = key_of(seen.labels)
        mine: dict[Key, _Queue] | dict[Key, _Handled] = (
            self._queues if seen.metric == "benchkit_queue_depth" else self._handled
        )
        if math.isnan(seen.value):
            mine.pop(key, None)
        elif seen.metric == "benchkit_queue_depth":
            queue = self._queues.setdefault(key, _Queue(seen.labels, 0.0))
            queue.depth, queue.seen_ns = seen.value, seen.at_ns
            if seen.value <= 0:
                queue.waiting_ns = None
            elif queue.waiting_ns is None:
                queue.waiting_ns = seen.at_ns
        else:
            handled = self._handled.setdefault(key, _Handled(seen.labels, seen.value, seen.at_ns, seen.at_ns))
            if seen.value != handled.count:
                handled.moved_ns = seen.at_ns
            handled.count, handled.seen_ns = seen.value, seen.at_ns

    def findings(self, now_ns: int) -> list[Finding]:  # noqa: ARG002  (only what was seen counts)
        return [
            self._finding(
                queue, [each for each in self._handled.values() if _agree(queue.labels, each.labels)]
            )
            for queue in self._queues.values()
        ]

    def _finding(self, queue: _Queue, workers: list[_Handled]) -> Finding:
        if not workers or queue.waiting_ns is None:
            # Nobody tells what is handled, or nothing waits.
            return Finding(queue.labels, False, queue.waiting_ns is None, queue.depth, 0, "nothing waits")
        moved_ns = max(each.moved_ns for each in workers)
        since = max(moved_ns, queue.waiting_ns)
        # Up to the last time that all of them answered: who is silent may well be working.
        known_ns = min(queue.seen_ns, *(each.seen_ns for each in workers))
        still_s = (known_ns - since) / 1e9
        holds = still_s >= self._window_s
        name = queue.labels.get("queue") or queue.labels.get("pipeline") or "the queue"
        if not holds:
            return Finding(
                queue.labels, False, moved_ns > queue.waiting_ns, queue.depth, 0, f"{name} moves again"
            )
        words = f"{queue.depth:.0f} wait in {name} and none was handled for {show_seconds(still_s)}"
        return Finding(queue.labels, True, False, queue.depth, since, words)


def _agree(queue: Labels, worker: Labels) -> bool:
    """A worker is one of a queue's where no label that both have differs."""
    return all(worker[name] == value for name, value in queue.items() if name in worker)
