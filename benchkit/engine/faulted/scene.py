"""What a fault may do to the cell under load: `benchkit.faults.base.Scene`, over the supervisor."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchkit.engine.faulted import board, clock, processes, reading
from benchkit.engine.faulted.incarnation import Incarnation
from benchkit.engine.faulted.journal import What
from benchkit.engine.faulted.supervisor import Supervisor
from benchkit.errors import PartyError
from benchkit.faults.base import PARTIES, Died, Party
from benchkit.link.process import OpenLink
from benchkit.transports.base import Address, Setup, Transport

_STOPPED_S: Final = 2.0
_AHEAD: Final = 3
"""Between asking for a number that is not taken yet and its being taken."""


@dataclass
class LiveScene:
    """The scene of one trial; one thread."""

    transport: Transport
    address: Address
    setup: Setup
    folder: Path
    seed: int
    supervisor: Supervisor
    undo: ExitStack
    links: Mapping[str, OpenLink] = field(default_factory=dict)
    memory: dict[Any, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    at_hand: Incarnation | None = None
    """The worker that the trial's moment is about."""
    stopped: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311  (a draw that must be repeatable)

    @property
    def log(self) -> Sequence[Died]:
        """See the seam."""
        return self.supervisor.log

    def now_ns(self) -> int:
        """See the seam."""
        return time.monotonic_ns()

    def wait(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """See the seam."""
        return self.supervisor.wait(seconds, until)

    def note(self, text: str) -> None:
        """See the seam."""
        self.notes.append(text)

    # Processes ------------------------------------------------------------------------------------------

    def pids(self, party: Party) -> tuple[int, ...]:
        """See the seam."""
        if party == "broker":
            pid = self.supervisor.broker_pid
            return () if pid is None or processes.ended(pid) is not None else (pid,)
        return tuple(life.pid for life in self._lives(party))

    def _lives(self, party: Party) -> list[Incarnation]:
        own = set(self.supervisor.labels(party))
        return [life for life in self.supervisor.now() if life.role.label in own and life.lives]

    def _chosen(self, party: Party, which: int | None) -> list[Incarnation]:
        """The one that is meant: the one with a message at hand, else one that is drawn."""
        lives = self._lives(party)
        if not lives:
            raise PartyError(f"no {party} lives to do something to", where="faults")
        if which is None and self.at_hand in lives:
            return [life for life in lives if life is self.at_hand]
        return [lives[(self._chance.randrange(len(lives)) if which is None else which) % len(lives)]]

    def kill(self, party: Party, which: int | None = None) -> tuple[Died, ...]:
        """See the seam."""
        died = self._kill_broker() if party == "broker" else self.supervisor.kill(self._chosen(party, which))
        self._struck()
        return died

    def _kill_broker(self) -> tuple[Died, ...]:
        supervisor = self.supervisor
        if supervisor.broker_pid is None:
            raise PartyError("no broker lives to do something to", where="faults")
        pid = supervisor.broker_pid
        processes.send(pid, signal.SIGKILL)
        supervisor.wait(_STOPPED_S, supervisor.broker_ended)
        return tuple(died for died in supervisor.log if died.party == "broker" and died.pid == pid)

    def stop(self, party: Party, which: int | None = None) -> tuple[int, ...]:
        """See the seam."""
        if party == "broker":
            pids: tuple[int, ...] = self.pids(party)
        else:
            lives = self._chosen(party, which)
            pids = tuple(life.pid for life in lives)
            for life in lives:
                life.stopped = True
        for pid in pids:
            processes.send(pid, signal.SIGSTOP)
            self.stopped.append(pid)
        deadline = time.monotonic() + _STOPPED_S
        while not all(map(processes.stopped, pids)) and time.monotonic() < deadline:
            continue
        self._struck()
        return tuple(pid for pid in pids if processes.stopped(pid))

    def cont(self, party: Party) -> None:
        """See the seam."""
        own = set(self.pids(party))
        for pid in [pid for pid in self.stopped if pid in own]:
            processes.send(pid, signal.SIGCONT)
            self.stopped.remove(pid)
        for life in self.supervisor.now():
            if life.pid in own:
                life.stopped = False

    def cont_all(self) -> None:
        """At the trial's end: nobody stays stopped."""
        for party in PARTIES:
            self.cont(party)

    def _struck(self) -> None:
        """It has happened: what was held back for its moment goes on."""
        words = self.supervisor.board.words
        words[board.HELD] = 0
        if words[board.PAUSED]:
            words[board.SHIFT_NS] += time.monotonic_ns() - words[board.PAUSED_NS]
            words[board.PAUSED] = 0

    def release(self) -> None:
        """Likewise where a fault struck no process."""
        self._struck()

    def hold_restarts(self, party: Party) -> None:
        """See the seam."""
        self.supervisor.held.update(self.supervisor.labels(party) if party != "broker" else ["broker"])

    def restart(self, party: Party) -> None:
        """See the seam."""
        supervisor = self.supervisor
        if party == "broker":
            if supervisor.broker_pid is None:
                self.revive_broker(keep_data=True)
            return
        supervisor.held.difference_update(supervisor.labels(party))
        supervisor.restart_now(party)

    def revive_broker(self, *, keep_data: bool) -> None:
        """See the seam."""
        at_ns = self.now_ns()
        revived = self.transport.revive(self.address, self.setup, keep_data)
        self.supervisor.revived(revived.broker_pid, at_ns)

    # What the parties do --------------------------------------------------------------------------------

    def count(self, *what: str) -> int:
        """See the seam."""
        counts = self.supervisor.counts()
        return sum(counts[What[name]] for name in what)

    def ready(self, party: Party) -> bool:
        """See the seam."""
        if party == "broker":
            return bool(self.pids(party))
        return all(map(self.supervisor.ready, self.supervisor.labels(party)))

    def done_by(self, pids: Sequence[int]) -> str:
        """See the seam."""
        lives = self.supervisor.by_pid()
        return processes.did(tuple(pids), lambda pid: lives[pid].done() if pid in lives else "")

    def next_seq(self) -> int:
        """See the seam."""
        producers = [life for life in self.supervisor.now() if life.role.party == "producer"]
        for life in producers:
            life.follow()
        first = producers[0]
        return max(first.taken, first.role.first - first.role.producers) + _AHEAD * first.role.producers

    def of(self, seq: int) -> Mapping[str, int]:
        """See the seam."""
        return reading.of(self.supervisor.all_lives(), seq)

    def service_ns(self, from_ns: int = 0, until_ns: int = 1 << 62) -> Sequence[int]:
        """See the seam."""
        return reading.service_ns(self.supervisor.all_lives(), from_ns, until_ns)

    def step_clock(self, party: Party, seconds: float) -> None:
        """See the seam."""
        place = board.CLOCK_PRODUCER_NS if party == "producer" else board.CLOCK_STAGE_NS
        self.supervisor.board.words[place] = int(seconds * 1e9)

    def clocks(self, party: Party) -> Sequence[Mapping[str, Any]]:
        """See the seam."""
        return clock.reports(self.folder, party)

    def slow_stage(self, seconds: float) -> None:
        """See the seam."""
        self.supervisor.board.words[board.SLOW_NS] = int(seconds * 1e9)

    def poison(self, seq: int, *, fatal: bool = False) -> None:
        """See the seam."""
        words = self.supervisor.board.words
        words[board.POISON_FATAL] = int(fatal)
        words[board.POISON] = seq
