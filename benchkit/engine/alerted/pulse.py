"""Heartbeats and queues of a block under way, asked over the control channel.

A party's control thread answers `progress`, so an answer is a heartbeat: it comes while the party's own thread works,
waits or sits in native code that lets go of the interpreter, and does not come from a process that is stopped, gone,
or whose native code holds the interpreter. Nothing is added to what the measured thread does; what it costs is one
wake-up of the control thread each interval. One question is under way at a time, so that a party that does not answer
is not sent a pile of them.

Whoever asks may be starved itself: answers that it found no time to read say nothing about those who gave them. So the
time by which a look comes later than it should counts for nobody's age.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import psutil

from benchkit.alerts.observation import Observation, over
from benchkit.engine.crew import Party
from benchkit.engine.underway import Ends

LOOKS: Final = 4
"""In each interval: what a look adds to the time to alert is no more than a quarter of an interval."""
BROKER: Final = "broker"


@dataclass(slots=True)
class _Member:
    """One part of a block's party: its producer's work, or one worker's."""

    label: str
    party: Party
    number: int
    """Of the command that its work is."""
    heard_ns: int
    excused_ns: int = 0
    """Time since then in which nobody looked."""
    asked: int | None = None
    asked_ns: int = 0
    done: int = 0
    handed: int = 0
    """Of a worker, messages handed on; of a producer, answers awaited."""
    told: bool = False
    """It has said how far it is."""
    fresh: bool = False

    def hear(self, now_ns: int) -> None:
        """Take in an answer that has come."""
        if self.asked is None or (answer := self.party.event(self.asked, "done")) is None:
            return
        self.party.forget(self.asked)
        self.asked = None
        self.heard_ns, self.excused_ns = now_ns, 0
        # Work that is over answers 0.
        if not self.party.event(self.number, "done", "failed") and answer["progress"] >= self.done:
            self.done, self.handed = answer["progress"], answer["handed"]
            self.told = self.fresh = True

    def ask(self, now_ns: int, interval_ns: int) -> None:
        """Ask again, an interval after the last time."""
        if self.asked is None and not self.party.dead and now_ns - self.asked_ns >= interval_ns:
            self.asked, self.asked_ns = self.party.post("progress", of=self.number), now_ns

    def leave(self) -> None:
        """Nobody waits for the answer any more."""
        if self.asked is not None:
            self.party.forget(self.asked)
            self.asked = None


class Process(Protocol):
    """What is asked of a broker's process."""

    def status(self) -> str:
        """As psutil says it; raises psutil.Error where it is gone."""
        ...


class Pulse:
    """The parties of one block."""

    def __init__(
        self, ends: Ends, pipeline: str, heartbeat_s: float, now_ns: int, *, broker: Process | None, queues: bool,
        afters: Sequence[int] = (-1,), replies: bool = True,
    ) -> None:  # fmt: skip
        """`queues`: say how deep they are; `afters` tells which hop feeds which, -1: the producers."""
        self._ends, self._pipeline = ends, pipeline
        self._interval_ns = int(heartbeat_s * 1e9)
        self._look_ns = self._interval_ns // LOOKS
        self._broker, self._broker_heard_ns = broker, now_ns
        self._queues, self._afters, self._replies = queues, afters, replies
        self._members: dict[tuple[Party, int], _Member] = {}
        self._looked_ns = self._began_ns = now_ns

    @property
    def next_ns(self) -> int:
        """When to look next."""
        return self._looked_ns + self._look_ns

    def look(self, now_ns: int) -> list[Observation]:
        """What is to be seen now; asks those whose time it is."""
        late_ns = max(0, now_ns - self._looked_ns - 2 * self._look_ns)
        self._looked_ns = now_ns
        producers, workers = self._producers(), self._workers()
        seen: list[Observation] = []
        for member in (*producers, *workers):
            member.excused_ns += late_ns
            member.hear(now_ns)
            seen += self._alive(member.label, now_ns, member.party.dead, member.heard_ns + member.excused_ns)
            member.ask(now_ns, self._interval_ns - self._look_ns // 2)
        seen += self._broker_alive(now_ns, late_ns)
        if self._queues:
            seen += self._depths(producers, workers, now_ns)
        for member in (*producers, *workers):
            member.fresh = False
        return seen

    def over(self, now_ns: int) -> list[Observation]:
        """The block is over: what was seen of it ends, but for those who are gone."""
        seen = []
        for member in self._members.values():
            member.leave()
            if not member.party.dead:
                seen += self.forgotten(self._labels(member.label), now_ns)
        if self._broker is not None and self._broker_state():
            seen += self.forgotten(self._labels(BROKER), now_ns)
        if self._queues:
            for queue, level in zip(self._names(), self._ends.levels, strict=True):
                seen.append(over(now_ns, "benchkit_queue_depth", self._queue(queue)))
                for label in self._answering(level):
                    seen.append(
                        over(now_ns, "benchkit_handled_total", {**self._queue(queue), "party": label})
                    )
        return seen

    def gone(self) -> list[Mapping[str, str]]:
        """The labels of those who are."""
        dead = {member.label for member in self._members.values() if member.party.dead}
        if self._broker is not None and not self._broker_state():
            dead.add(BROKER)
        return [self._labels(label) for label in sorted(dead)]

    @staticmethod
    def forgotten(labels: Mapping[str, str], now_ns: int) -> list[Observation]:
        """Nothing is known of a party from here on."""
        return [over(now_ns, name, labels) for name in ("benchkit_up", "benchkit_heartbeat_age_seconds")]

    def _labels(self, party: str) -> dict[str, str]:
        return {"pipeline": self._pipeline, "party": party}

    def _queue(self, name: str) -> dict[str, str]:
        return {"pipeline": self._pipeline, "queue": name}

    def _member(self, label: str, party: Party, number: int) -> _Member:
        known = self._members.get((party, number))
        if known is None:
            known = self._members[party, number] = _Member(label, party, number, self._began_ns)
        return known

    def _producers(self) -> list[_Member]:
        # A role of one producer is `producer`; several have numbers.
        return [self._member(party.role, party, number) for party, number in self._ends.producing]

    def _workers(self) -> list[_Member]:
        labelled = zip(self._ends.labels, self._ends.workers, strict=False)
        return [self._member(label, party, number) for label, (party, number) in labelled]

    def _alive(self, label: str, now_ns: int, dead: str, heard_ns: int) -> Iterator[Observation]:
        labels = self._labels(label)
        yield Observation(now_ns, "benchkit_up", labels, 0.0 if dead else 1.0)
        if not dead:
            age_s = max(0, now_ns - heard_ns) / 1e9
            yield Observation(now_ns, "benchkit_heartbeat_age_seconds", labels, age_s)

    def _broker_state(self) -> str:
        """As psutil calls it; empty where it is gone."""
        try:
            status = self._broker.status() if self._broker is not None else ""
        except psutil.Error:
            return ""
        return "" if status in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD) else status

    def _broker_alive(self, now_ns: int, late_ns: int) -> list[Observation]:
        """A broker is asked nothing: its process is looked at, and one that is stopped gives no sign of life."""
        if self._broker is None:
            return []
        status = self._broker_state()
        self._broker_heard_ns = now_ns if status != psutil.STATUS_STOPPED else self._broker_heard_ns + late_ns
        return list(self._alive(BROKER, now_ns, "" if status else "gone", self._broker_heard_ns))

    def _names(self) -> list[str]:
        """What the queue before each hop is called: as its stage."""
        return [
            self._ends.labels[level[0]].rpartition("-")[0] if len(level) else "stage"
            for level in self._ends.levels
        ]

    def _answering(self, level: range) -> list[str]:
        """Who tells what is handled; of a stage of somebody else's, nobody but the producers."""
        return [self._ends.labels[at] for at in level] or ["stage"]

    def _depths(
        self, producers: Sequence[_Member], workers: Sequence[_Member], now_ns: int
    ) -> Iterator[Observation]:
        if not producers or not all(member.told for member in (*producers, *workers)):
            return
        sent = sum(member.done for member in producers)
        awaited = sum(member.handed for member in producers)
        for hop, (name, level) in enumerate(zip(self._names(), self._ends.levels, strict=True)):
            own = [workers[at] for at in level if at < len(workers)]
            done = sum(member.done for member in own) if own else sent - awaited
            if not own and producers[0].fresh:
                handled = {**self._queue(name), "party": "stage"}
                yield Observation(now_ns, "benchkit_handled_total", handled, float(done))
            for member in own:
                if member.fresh:
                    labels = {**self._queue(name), "party": member.label}
                    yield Observation(now_ns, "benchkit_handled_total", labels, float(member.done))
            after = self._afters[hop]
            came = sent if after < 0 else sum(workers[at].handed for at in self._ends.levels[after])
            # What is answered is known to the producers alone, and what is lost or refused is not waited for.
            depth = awaited if after < 0 and self._replies else came - done
            sources = [*producers] if after < 0 else [workers[at] for at in self._ends.levels[after]]
            sources += [] if after < 0 and self._replies else own
            # What somebody said who has been silent since says nothing of now.
            if all(now_ns - member.heard_ns < 1.5 * self._interval_ns for member in sources):
                yield Observation(now_ns, "benchkit_queue_depth", self._queue(name), float(max(0, depth)))
