"""Heartbeats of real parties that are really stopped, judged by a clock of the test's own.

The rules see time in steps of a quarter of a heartbeat, whatever this machine does meanwhile: what is asserted is how
many heartbeats pass on their clock between the stop and the notice.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from alert_cases import S

from benchkit.alerts import Evaluator
from benchkit.alerts.rules.dead import Dead
from benchkit.alerts.rules.stalled import Stalled
from benchkit.engine.alerted.pulse import LOOKS, Pulse
from benchkit.engine.alerted.trials import observations_of
from benchkit.engine.crew import Crew, Party, crew
from benchkit.engine.faulted.incarnation import Incarnation
from benchkit.engine.faulted.journal import BEAT_S, Journal
from benchkit.engine.faulted.roles import Role
from benchkit.engine.underway import Ends

HEARTBEAT_S = 1.0
LOOK_NS = int(HEARTBEAT_S * S) // LOOKS


class Watched:
    """Two parties without work, a pulse over them, and a clock that stands until it is moved."""

    def __init__(self, members: Crew) -> None:
        self.members = members
        self.producer, self.worker = members.get("producer"), members.get("stage-0")
        ends = Ends([self.producer], [(self.worker, 901)], [(self.producer, 900)])
        ends.labels, ends.levels = ["stage-0"], [range(1)]
        self.now = 100 * S
        self.pulse = Pulse(ends, "p", HEARTBEAT_S, self.now, broker=None, queues=True)
        self.evaluator = Evaluator([Dead(heartbeat=HEARTBEAT_S), Stalled(window=3)])

    def look(self, quarters: int = 1, *, silent: tuple[Party, ...] = ()):
        """A step of the clock; who is not silent has answered by then, however long that really takes."""
        self.now += quarters * LOOK_NS
        asked = [
            member for member in self.pulse._members.values() if member.asked and member.party not in silent
        ]
        assert self.members.wait(
            lambda: all(each.party.dead or each.party.event(each.asked, "done") for each in asked), 60
        )
        return self.evaluator.feed(self.pulse.look(self.now), self.now)


@pytest.fixture
def watched(tmp_path: Path):
    with crew(tmp_path) as members:
        made = Watched(members)
        yield made
        with suppress(ProcessLookupError):
            os.kill(made.worker.process.pid, signal.SIGCONT)


def test_who_answers_is_never_dead(watched: Watched) -> None:
    assert [notice for _ in range(40) for notice in watched.look()] == []


@pytest.mark.parametrize("phase", range(LOOKS))
def test_a_stopped_worker_is_told_within_two_heartbeats_and_well_when_it_goes_on(
    watched: Watched, phase: int
) -> None:
    for _ in range(8 + phase):
        assert watched.look() == []
    os.kill(watched.worker.process.pid, signal.SIGSTOP)
    stopped, told = watched.now, []
    while not told and watched.now - stopped <= 4 * HEARTBEAT_S * S:
        told = watched.look(silent=(watched.worker,))
    (notice,) = told
    assert (notice.rule, notice.state, notice.labels["party"]) == ("dead", "firing", "stage-0")
    assert 0.5 * HEARTBEAT_S * S < notice.at_ns - stopped <= 2 * HEARTBEAT_S * S
    # What it answered just before the stop is read at the look after it.
    assert notice.since_ns <= stopped + LOOK_NS
    # It is not asked over and over.
    waiting = {number for number, events in watched.worker.events.items() if not events}
    for _ in range(20):
        assert watched.look(silent=(watched.worker,)) == []
    assert {number for number, events in watched.worker.events.items() if not events} == waiting
    os.kill(watched.worker.process.pid, signal.SIGCONT)
    assert [(each.state, each.rule) for each in watched.look()] == [("resolved", "dead")]


def test_a_killed_worker_is_told_at_the_next_look_and_stays_so_after_the_block(watched: Watched) -> None:
    watched.look()
    watched.worker.process.kill()
    assert watched.members.wait(lambda: bool(watched.worker.dead), 60)
    (notice,) = watched.look()
    assert notice.summary == "stage-0 is gone"
    assert watched.evaluator.feed(watched.pulse.over(watched.now), watched.now) == []
    assert [labels["party"] for labels in watched.pulse.gone()] == ["stage-0"]


def test_who_looks_late_blames_nobody(watched: Watched) -> None:
    """Nothing was looked at for an hour, and what the parties said meanwhile lies there unread."""
    for _ in range(4):
        watched.look()
    watched.now += 3600 * S
    notices = watched.evaluator.feed(watched.pulse.look(watched.now), watched.now)
    assert notices == []


def test_a_block_that_is_over_leaves_nothing_behind(watched: Watched) -> None:
    for _ in range(6):
        watched.look()
    seen = watched.pulse.over(watched.now)
    assert watched.evaluator.feed(seen, watched.now) == []
    assert watched.evaluator.feed([], watched.now + 3600 * S) == []
    assert watched.pulse.gone() == []


def role(journal: Path, party: str) -> Role:
    return Role(
        party=party, number=0, journal=str(journal), room=100, board="", source={}, codec={}, transport={}, stage={},
        load={}, where={}, seed=0, schedule_seed=0, stage_seed=0, duration_s=1.0, replies=True, batch_size=1,
        batch_delay_s=0.0,
    )  # fmt: skip


def beating(path: Path) -> int:
    """A process that keeps a journal and beats; its number when the first beats are there."""
    pid = os.fork()
    if not pid:
        try:
            journal = Journal(path, 100)
            journal.beat()
            signal.pause()
        finally:
            os._exit(0)
    return pid


def test_a_stopped_party_of_a_trial_is_told_within_two_heartbeats_by_its_journal(tmp_path: Path) -> None:
    heartbeat_s = 4 * BEAT_S
    path = tmp_path / "journal"
    pid = beating(path)
    try:
        life = Incarnation(role(path, "stage"), pid, time.monotonic_ns())
        until = time.monotonic() + 60
        while (life.reader is None or life.reader.beats < 3) and time.monotonic() < until:
            os.sched_yield()
        os.kill(pid, signal.SIGSTOP)
        stopped = time.monotonic_ns()
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
        rule = Evaluator([Dead(heartbeat=heartbeat_s)])
        now, told = stopped, []
        while not told and now < stopped + 10 * S:
            now += int(heartbeat_s * S) // LOOKS
            told = rule.feed(observations_of({"stage-0": [life]}, "p", now), now)
        (notice,) = told
        assert notice.at_ns - stopped <= 2 * heartbeat_s * S
        assert notice.at_ns - life.beat_ns > 1.5 * heartbeat_s * S
        assert abs(notice.since_ns - life.beat_ns) < 1000
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        life.close()
