"""Starts the parties of a trial, notices when they die, hang or lose the other side, and starts them again.

One thread. It waits on the nursery, which hears of a death from the kernel, and looks at journals in between; what it
sees it notes with the moment at which it saw it.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchkit.engine.faulted import processes
from benchkit.engine.faulted.board import LEAVING, STATE, Board
from benchkit.engine.faulted.incarnation import Incarnation
from benchkit.engine.faulted.journal import BEAT_S, What
from benchkit.engine.faulted.nursery import Nursery
from benchkit.engine.faulted.roles import Role
from benchkit.errors import PartyError
from benchkit.faults.base import Died
from benchkit.hiding import hide

HUNG_S: Final = 4 * BEAT_S
"""Without a heartbeat for so long a party counts as hung."""
RESTART_S: Final = 0.02
"""From a death to the fork of who takes its place, where no fault says otherwise."""
_LATEST_S: Final = 1.0
_LOOK_S: Final = 0.002
_GONE_S: Final = 5.0


class Supervisor:
    """The parties of one trial by their labels (`producer`, `stage-0`, ...) and the run's broker."""

    def __init__(
        self, nursery: Nursery, folder: Path, roles: Sequence[Role], board: Board, broker_pid: int | None
    ) -> None:
        self._nursery = nursery
        self._folder = folder
        self._roles = {role.label: role for role in roles}
        self.board = board
        self.broker_pid = broker_pid
        self.lives: dict[str, list[Incarnation]] = {label: [] for label in self._roles}
        self.held: set[str] = set()
        """Labels that are not started again when they die; `broker` never is by itself."""
        self.log: list[Died] = []
        self.detections: list[dict[str, Any]] = []
        self.restarts: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.watcher: Callable[[int], None] | None = None
        """Called with the moment of each look, while somebody wants to know."""
        self._due: dict[str, int] = {}
        self._hung: set[str] = set()
        self._forks = 0

    # Starting -------------------------------------------------------------------------------------------

    def labels(self, party: str) -> list[str]:
        """All of `producer` or of `stage`."""
        return [label for label, role in self._roles.items() if role.party == party]

    def start(self, label: str) -> Incarnation:
        """Fork it now. A producer goes on behind the last number that was taken."""
        role = self._roles[label]
        before = self.lives[label]
        first = max([life.taken for life in before], default=-1)
        self._forks += 1
        journal = self._folder / f"{self._forks}-{label}.journal"
        if first >= 0:
            role = replace(role, first=first + role.producers)
        role = replace(role, journal=str(journal), again=bool(before))
        pid = self._nursery.fork(role, self._folder / f"{label}.log")
        life = Incarnation(role, pid, time.monotonic_ns())
        before.append(life)
        if len(before) > 1:
            self.restarts.append({"party": label, "at_ns": life.started_ns, "ready_ns": 0})
        return life

    def start_all(self, patience_s: float) -> None:
        """Workers first, then producers; all are ready when this returns. Raises PartyError."""
        for party in ("stage", "producer"):
            labels = self.labels(party)
            for label in labels:
                self.start(label)
            ready = self.wait(patience_s, lambda labels=labels: all(map(self.ready, labels)))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            if not ready:
                late = next(label for label in labels if not self.ready(label))
                raise PartyError(
                    f"not ready within {patience_s:.0f} s: {self.last_words(late) or 'it says nothing'}", where=late
                )  # fmt: skip

    def ready(self, label: str) -> bool:
        """Its present life is, and its end open."""
        return bool(self.lives[label]) and self.lives[label][-1].ready

    def last_words(self, label: str) -> str:
        """The last line that it printed."""
        log = self._folder / f"{label}.log"
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        return hide(lines[-1])[:300] if lines else ""

    # Watching -------------------------------------------------------------------------------------------

    def all_lives(self) -> Iterator[Incarnation]:
        """Every incarnation of every party."""
        for lives in self.lives.values():
            yield from lives

    def now(self) -> Iterator[Incarnation]:
        """The present ones."""
        for lives in self.lives.values():
            if lives:
                yield lives[-1]

    def wait(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Watch for so long, or until that holds; whether it did."""
        deadline = time.monotonic() + seconds
        while True:
            self.look()
            if until is not None and until():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._hear(min(left, _LOOK_S))

    def look(self) -> None:
        """Take in what the journals say, see who hangs, start who is due."""
        for life in self.now():
            life.follow()
        now_ns = time.monotonic_ns()
        self.broker_ended()
        for life in self.now():
            self._ponder(life, now_ns)
        if self.watcher is not None:
            self.watcher(now_ns)
        for restart in self.restarts:
            if not restart["ready_ns"]:
                self._mark_ready(restart)
        for label, due_ns in list(self._due.items()):
            if now_ns >= due_ns and label not in self.held:
                del self._due[label]
                self.start(label)

    def _ponder(self, life: Incarnation, now_ns: int) -> None:
        """Is it silent?"""
        label = life.role.label
        silent = life.lives and now_ns - life.beat_ns > HUNG_S * 1e9
        if silent and label not in self._hung:
            self._hung.add(label)
            self.detections.append({"by": "supervisor", "how": "heartbeat", "party": label, "at_ns": now_ns})
        elif not silent:
            self._hung.discard(label)

    def _mark_ready(self, restart: dict[str, Any]) -> None:
        for life in self.lives[restart["party"]]:
            if life.started_ns == restart["at_ns"] and life.counts[What.READY]:
                events = life.events()
                restart["ready_ns"] = int(events["at_ns"][events["what"] == What.READY][0])

    def _hear(self, timeout_s: float) -> None:
        for told in self._nursery.ended(timeout_s):
            for label, lives in self.lives.items():
                life = next((life for life in lives if life.pid == told.pid and life.lives), None)
                if life is not None:
                    self._bury(label, life, told.code, told.at_ns)

    def _bury(self, label: str, life: Incarnation, code: int, at_ns: int) -> None:
        life.follow()
        how = processes.in_words(code, "waitpid")
        life.died = Died(label, life.pid, at_ns, max(0, -code), how)
        if self.board.words[STATE] == LEAVING:
            return
        self.log.append(life.died)
        self.detections.append({"by": "supervisor", "how": "exit", "party": label, "at_ns": at_ns})
        if code > 0 and (words := self.last_words(label)):
            self.errors.append(f"{label}: {words}")
        # One that dies before it is ready dies again: not faster and faster.
        early = sum(not each.counts[What.READY] for each in self.lives[label])
        self._due[label] = at_ns + int(min(RESTART_S * 2**early, _LATEST_S) * 1e9)

    def broker_ended(self) -> bool:
        """Whether the run's broker is gone; noted the first time."""
        if self.broker_pid is None:
            return True
        code = processes.ended(self.broker_pid)
        if code is None:
            return False
        died = Died(
            "broker", self.broker_pid, time.monotonic_ns(), max(0, -code), processes.in_words(code, "waitid")
        )
        self.log.append(died)
        self.detections.append({"by": "supervisor", "how": "exit", "party": "broker", "at_ns": died.at_ns})
        self.broker_pid = None
        return True

    def revived(self, pid: int | None, at_ns: int) -> None:
        """The broker was started anew."""
        self.broker_pid = pid
        self.restarts.append({"party": "broker", "at_ns": at_ns, "ready_ns": time.monotonic_ns()})

    def restart_now(self, party: str) -> None:
        """Those of this party that are dead are due."""
        for label in self.labels(party):
            if label in self._due:
                self._due[label] = 0
        self.look()

    # What is done to them -------------------------------------------------------------------------------

    def kill(self, lives: Sequence[Incarnation]) -> tuple[Died, ...]:
        """SIGKILL; they are gone when this returns. Raises PartyError where one is not."""
        for life in lives:
            processes.send(life.pid, signal.SIGKILL)
        deadline = time.monotonic() + _GONE_S
        while any(life.lives for life in lives) and time.monotonic() < deadline:
            self._hear(_LOOK_S)
        return tuple(life.died for life in lives if life.died is not None)

    def leave(self, patience_s: float) -> None:
        """End them all: politely, then for certain. None is left when this returns."""
        self.board.words[STATE] = LEAVING
        if self._nursery.gone:
            # It took them along, and cannot tell.
            return
        try:
            self._leave(patience_s)
        except PartyError:
            if not self._nursery.gone:
                raise

    def _leave(self, patience_s: float) -> None:
        for life in self.now():
            if life.stopped and life.lives:
                processes.send(life.pid, signal.SIGCONT)
        deadline = time.monotonic() + patience_s
        while any(life.lives for life in self.now()) and time.monotonic() < deadline:
            self._hear(_LOOK_S)
        left = [life for life in self.all_lives() if life.lives]
        if left:
            self.kill(left)
        for life in self.all_lives():
            life.follow()

    def close(self) -> None:
        """Their journals are not looked at any more."""
        for life in self.all_lives():
            life.close()

    # What they did --------------------------------------------------------------------------------------

    def counts(self) -> Counter[int]:
        """Events of all lives by what they are."""
        found: Counter[int] = Counter()
        for life in self.all_lives():
            found.update(life.counts)
        return found

    def by_pid(self) -> Mapping[int, Incarnation]:
        """Every incarnation that still lives."""
        return {life.pid: life for life in self.all_lives() if life.lives}
