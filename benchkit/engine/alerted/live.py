"""A run's alerts: what its parties and blocks show goes to the rules while it is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import psutil

from benchkit.alerts.alerting import Alerting
from benchkit.alerts.observation import Observation, key_of
from benchkit.engine.alerted.outcome import Outcomes
from benchkit.engine.alerted.pulse import Pulse
from benchkit.engine.crew import Crew
from benchkit.engine.underway import Ends
from benchkit.records.run import Block
from benchkit.records.samples import Samples


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of a block beforehand."""

    pipeline: str
    broker_pid: int | None
    queues: bool
    """Its queues count; those of a search are driven beyond what they can bear on purpose."""
    afters: Sequence[int]
    replies: bool


class Live:
    """Between a run and its rules. Used from the crew's thread."""

    def __init__(self, alerting: Alerting, slo: Mapping[str, float]) -> None:
        self.alerting = alerting
        self._slo = slo
        self._outcomes: dict[str, Outcomes] = {}
        self._gone: dict[object, Mapping[str, str]] = {}
        """Parties that were gone when their block was over, by their labels."""

    def watching(self, what: Watched) -> Callable[[Crew, Ends], AbstractContextManager[None]]:
        """What `run_block` opens around a block's messages."""
        return lambda crew, ends: self._watch(crew, ends, what)

    @contextmanager
    def _watch(self, crew: Crew, ends: Ends, what: Watched) -> Iterator[None]:
        now = time.monotonic_ns()
        if what.queues and what.pipeline not in self._outcomes:
            self._outcomes[what.pipeline] = Outcomes(what.pipeline, self._slo)
            self.alerting.feed(self._outcomes[what.pipeline].counters(now), now)
        pulse = Pulse(
            ends, what.pipeline, self.alerting.options.heartbeat, now, broker=_process(what.broker_pid),
            queues=what.queues, afters=what.afters, replies=what.replies,
        )  # fmt: skip

        def look() -> None:
            now_ns = time.monotonic_ns()
            self.alerting.feed(pulse.look(now_ns), now_ns)

        try:
            with crew.pulsed(lambda: (pulse.next_ns - time.monotonic_ns()) / 1e9, look):
                yield
        finally:
            # Those who are gone by now: they died after the last look.
            look()
            now = time.monotonic_ns()
            self.alerting.feed(pulse.over(now), now)
            self._gone |= {key_of(labels): labels for labels in pulse.gone()}

    def measured(self, block: Block, messages: Samples) -> None:
        """A block is over; its messages are known."""
        now = time.monotonic_ns()
        if outcomes := self._outcomes.get(block.cell):
            self.alerting.feed(outcomes.after(block, messages, now), now)

    def died(self, pipeline: str, party: str) -> None:
        """A party was found dead before a block began; it is well when one of its name is seen again."""
        labels = {"pipeline": pipeline, "party": party}
        self._gone[key_of(labels)] = labels
        self.alerting.feed([Observation(time.monotonic_ns(), "benchkit_up", labels, 0.0)])

    def close(self) -> None:
        """The run is over: nobody is watched any more, also those who are gone."""
        now = time.monotonic_ns()
        seen = [each for labels in self._gone.values() for each in Pulse.forgotten(labels, now)]
        self.alerting.feed(seen, now)


def _process(pid: int | None) -> psutil.Process | None:
    try:
        return None if pid is None else psutil.Process(pid)
    except psutil.Error:
        return None
