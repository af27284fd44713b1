"""From looks to observations: rates found, series that ended said to be over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchkit.alerts.observation import Key, Labels, Observation, key_of, over
from benchkit.watch.base import Look, Party, Queue
from benchkit.watch.rates import Rates


@dataclass(frozen=True, slots=True)
class Flow:
    """How fast a queue fills and empties, messages per second; None: unknown."""

    arrives: float | None = None
    leaves: float | None = None
    grows: float | None = None


class Observing:
    """The series of one pipeline."""

    def __init__(self, pipeline: str) -> None:
        self.pipeline = pipeline
        self._rates = Rates()
        self._growth = Rates()
        self._known: dict[tuple[str, Key], Labels] = {}
        self.flows: dict[str, Flow] = {}
        """Of each queue at the last look."""

    def seen(self, look: Look, at_ns: int) -> list[Observation]:
        """What a look says; and that those series are over which it says nothing of any more."""
        self.flows = {queue.name: self._flow(queue, at_ns) for queue in look.queues}
        found = [
            Observation(at_ns, metric, {"pipeline": self.pipeline, **labels}, float(value))
            for metric, labels, value in self._values(look)
            if value is not None
        ]
        known = {(each.metric, key_of(each.labels)): each.labels for each in found}
        ended = [over(at_ns, key[0], labels) for key, labels in self._known.items() if key not in known]
        self._known = known
        return found + ended

    def unseen(self, party: str, at_ns: int) -> list[Observation]:
        """The target did not answer: of its queues nothing is known, which is not that they are gone."""
        self.flows = {}
        return [Observation(at_ns, "benchkit_up", {"pipeline": self.pipeline, "party": party}, 0.0)]

    def _flow(self, queue: Queue, at_ns: int) -> Flow:
        arrives, leaves = queue.in_per_s, queue.out_per_s
        if arrives is None and queue.arrived is not None:
            arrives = self._rates.feed((queue.name, "in"), queue.arrived, at_ns)
        if leaves is None and queue.handled is not None and not queue.bound:
            leaves = self._rates.feed((queue.name, "out"), queue.handled, at_ns)
        return Flow(arrives, leaves, self._grown(queue, at_ns))

    def _grown(self, queue: Queue, at_ns: int) -> float | None:
        if queue.depth is None:
            self._growth.forget(queue.name)
            return None
        return self._growth.feed(queue.name, queue.depth, at_ns, falls=True)

    def _values(self, look: Look) -> Iterator[tuple[str, dict[str, str], float | None]]:
        for party in look.parties:
            yield from _of_party(party)
        for queue in look.queues:
            yield from _of_queue(queue, self.flows[queue.name])


def _of_party(party: Party) -> Iterator[tuple[str, dict[str, str], float | None]]:
    labels = {"party": party.name}
    yield "benchkit_up", labels, None if party.alive is None else float(party.alive)
    yield "benchkit_heartbeat_age_seconds", labels, party.heard_s
    yield "benchkit_idle_seconds", labels, party.idle_s


def _of_queue(queue: Queue, flow: Flow) -> Iterator[tuple[str, dict[str, str], float | None]]:
    labels = {"queue": queue.name}
    yield "benchkit_queue_depth", labels, queue.depth
    yield "benchkit_oldest_age_seconds", labels, queue.oldest_s
    yield "benchkit_pending_entries", labels, queue.pending
    yield "benchkit_consumers", labels, queue.consumers
    yield "benchkit_arrived_total", labels, queue.arrived
    yield "benchkit_handled_total", labels, queue.handled
    yield "benchkit_arrivals_per_second", labels, flow.arrives
    yield "benchkit_rate_per_second", labels, flow.leaves
    yield "benchkit_frame_age_seconds", labels, queue.frame_age_s
