"""One end of a segment: its mapping, its lock, its presence, and how it waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchkit.errors import BrokerError
from benchkit.transports._shm.layout import LOCK_BYTE, SENDER_PARTY, Layout
from benchkit.transports._shm.lock import FileLock, Lock, RobustMutex, robust_mutexes
from benchkit.transports._shm.presence import Presence, presence_path
from benchkit.transports._shm.segment import Segment, lock_path
from benchkit.transports._shm.table import Table
from benchkit.transports._shm.wake import Fifo, Futex, Wake
from benchkit.transports.base import Address

_SLICE_S: Final = 0.05
"""A sleeper looks around this often: for a wake-up that died with its messenger, and for dead workers."""
_ALL: Final = 0xFFFF
"""The last sixteen waits, a bit each: 1 where it was short enough for spinning to catch its end."""
_PAYS: Final = 4
"""Spin while so many of them were: a hit saves about half of what a whole spin in vain costs."""
_WAKE_S: Final = 50e-6
"""Of a wait that was slept through, so much may have been the wake-up (10 to 50 us; more on a busy machine)."""


class Party:
    """Party 0 is the sender, party w + 1 worker w; raises BrokerError when that party is there already."""

    __slots__ = (
        "_clock", "_looked_s", "_number", "_peers", "_short", "_sleep_words", "_spin_s", "_undo", "_worker_words",
        "closed", "lock", "segment", "spun_s", "table", "wake",
    )  # fmt: skip

    def __init__(self, address: Address, number: int, spin_s: float) -> None:
        where = address.where
        layout = Layout(*(int(where[key]) for key in ("depth", "slot_bytes", "reply_bytes", "workers")))
        stem = Path(str(where["stem"]))
        self.closed = False
        self._number = number
        self._spin_s = spin_s
        self._clock = time.monotonic
        self._looked_s = 0.0
        self._short = _ALL
        self.spun_s = 0.0
        """Spent on spinning, by the clock."""
        self._sleep_words = [layout.sleep_byte(party) // 4 for party in range(1 + layout.workers)]
        self._worker_words = tuple(enumerate(self._sleep_words))[1:]
        with ExitStack() as undo:
            self.segment = segment = Segment(Path(str(where["path"])), layout)
            undo.callback(segment.close)
            segment.check()
            self.table = Table(segment.words, layout)
            undo.callback(self.table.close)
            self.lock = self._make_lock(stem, undo)
            self.wake: Wake = (
                Futex(layout, segment.base) if where["wake"] == "futex" else Fifo(stem, 1 + layout.workers)
            )
            undo.callback(self.wake.close)
            self._peers = [Presence(presence_path(stem, party)) for party in range(1 + layout.workers)]
            for peer in self._peers:
                undo.callback(peer.close)
            self._enter()
            self._undo = undo.pop_all()

    def _make_lock(self, stem: Path, undo: ExitStack) -> Lock:
        segment, repair = self.segment, self.table.rebuild
        if robust_mutexes():
            return RobustMutex(segment.base + LOCK_BYTE, repair)
        lock = FileLock(lock_path(stem), segment.data, LOCK_BYTE, repair)
        undo.callback(lock.close)
        return lock

    def _enter(self) -> None:
        # Under the lock, as `bury` is: so a lock that is not to be had belongs to somebody alive.
        with self.lock:
            if not self._peers[self._number].take():
                name = "a sender" if self._number == SENDER_PARTY else f"worker {self._number - 1}"
                raise BrokerError(f"{name} is connected to this segment already")
            self._adopt(self._number)

    def _adopt(self, party: int) -> bool:
        if party == SENDER_PARTY:
            self.table.adopt_sender()
            return False
        return self.table.adopt_worker(party - 1)

    def close(self) -> None:
        """What this party held is there for the next; then unmap."""
        self.closed = True
        with self._undo:
            with self.lock:
                left = self._adopt(self._number)
            if left:
                self.rouse_all()

    def path(self) -> dict[str, str]:
        """What is really mapped, by the kernel's list where it keeps one, and what wakes this party."""
        return {
            "family": "memory",
            **self.segment.mapped(),
            "wake": type(self.wake).__name__.lower(),
        }

    # Waking others

    def sleeper(self) -> int:
        """A worker's party that said it sleeps, no longer marked so; 0 for none. Under the lock."""
        sleeps = self.segment.sleeps
        for party, word in self._worker_words:
            if sleeps[word]:
                sleeps[word] = 0
                return party
        return 0

    def rouse(self, party: int) -> None:
        """Wake this sleeping worker, or the next one if this one has died in its sleep."""
        while party and not self.wake.wake(party):
            with self.lock:
                party = self.sleeper()

    def rouse_all(self) -> None:
        """Wake every sleeper, the sender too."""
        sleeps = self.segment.sleeps
        for party, word in enumerate(self._sleep_words):
            if sleeps[word]:
                sleeps[word] = 0
                self.wake.wake(party)

    def sender_sleeps(self) -> bool:
        """Whether the sender said so; no longer marked so. Under the lock."""
        sleeps, word = self.segment.sleeps, self._sleep_words[SENDER_PARTY]
        if sleeps[word]:
            sleeps[word] = 0
            return True
        return False

    # Waiting

    def wait(self, ready: Callable[[], bool], until_s: float) -> bool:
        """Whether `ready()` before the monotonic clock shows `until_s`: spin where that pays, then sleep."""
        clock = self._clock
        began_s = now_s = clock()
        if self._short.bit_count() >= _PAYS:
            spin_until_s = min(until_s, began_s + self._spin_s)
            while now_s < spin_until_s:
                if ready():
                    self.spun_s += now_s - began_s
                    if self._short != _ALL:
                        self._short = self._short << 1 & _ALL | 1
                    return True
                now_s = clock()
            self.spun_s += now_s - began_s
        found = self._sleep(ready, until_s)
        waited_s = clock() - began_s
        # What was awaited for less than the budget says nothing of how long waits are.
        if found or waited_s > self._spin_s:
            spun = now_s > began_s
            self._short = self._short << 1 & _ALL | (found and not spun and waited_s < self._spin_s + _WAKE_S)
        return found

    def _sleep(self, ready: Callable[[], bool], until_s: float) -> bool:
        sleeps, word = self.segment.sleeps, self._sleep_words[self._number]
        while True:
            now_s = self._clock()
            left_s = until_s - now_s
            if self._number != SENDER_PARTY and now_s - self._looked_s >= _SLICE_S:
                self._looked_s = now_s
                self._bury()
            with self.lock:
                found = ready()
                sleeps[word] = int(not found and left_s > 0)
            if found or left_s <= 0:
                return found
            self.wake.sleep(self._number, min(left_s, _SLICE_S))

    def _bury(self) -> None:
        """Take over from workers that died."""
        found = False
        for party, peer in enumerate(self._peers):
            if party in (SENDER_PARTY, self._number):
                continue
            with self.lock:
                if peer.take():
                    try:
                        found |= self._adopt(party)
                    finally:
                        peer.drop()
        if found:
            self.rouse_all()
