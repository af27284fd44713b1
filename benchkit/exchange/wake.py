"""Floors of sleeping: how long it takes until a process that the kernel put to sleep runs again (Linux)."""

from __future__ import annotations

import ctypes
import os
import select
import socket

from benchkit.exchange.base import PATIENCE_S, Far, Near, Spot, gone
from benchkit.exchange.memory import Mapped
from benchkit.exchange.sockets import accepted, connected_unix, listening_unix
from benchkit.transports._shm.layout import SENDER_PARTY, Layout
from benchkit.transports._shm.wake import Futex

_NEAR, _FAR = SENDER_PARTY, SENDER_PARTY + 1
_SLICE_S = 0.05


class _Sleeper:
    """One side: a turn that it waits for, a word that it sleeps on; the calls are those of the shm transport."""

    def __init__(self, spot: Spot, *, make: bool) -> None:
        layout = Layout(1, 64, 64, 1)
        self.mapped = Mapped(spot, make=make)
        self._words = self.mapped.view[: 2 * 2048].cast("I")
        self._turns = self.mapped.view[2048:4096]
        self._word = [layout.sleep_byte(party) // 4 for party in (_NEAR, _FAR)]
        self._futex = Futex(layout, ctypes.addressof(ctypes.c_char.from_buffer(self.mapped.map)))

    def tell(self, party: int, turn: int) -> None:
        """It is `party`'s turn: wake it."""
        self._turns[party] = turn
        self._words[self._word[party]] = 0
        self._futex.wake(party)

    def sleep(self, party: int, turn: int) -> None:
        """Until it is."""
        turns, words, word = self._turns, self._words, self._word[party]
        for _ in range(int(PATIENCE_S / _SLICE_S)):
            words[word] = 1
            if turns[party] == turn:
                return
            self._futex.sleep(party, _SLICE_S)
            if turns[party] == turn:
                return
        raise gone("nobody woke this end")

    def close(self) -> None:
        self._words.release()
        self._turns.release()
        self.mapped.close()


class FutexNear(Near):
    """Wakes the other by futex and sleeps until it is woken."""

    def __init__(self, spot: Spot) -> None:
        self._sleeper = _Sleeper(spot, make=False)
        self._turn = 0

    def exchange(self, payload: bytes) -> None:  # noqa: ARG002  (nothing is carried)
        """Over and back."""
        self._turn = turn = (self._turn + 1) & 0xFF
        self._sleeper.tell(_FAR, turn)
        self._sleeper.sleep(_NEAR, turn)

    def close(self) -> None:
        """Unmap."""
        self._sleeper.close()


class FutexFar(Far):
    """Likewise."""

    def __init__(self, spot: Spot) -> None:
        self._sleeper = _Sleeper(spot, make=True)
        self._turn = 0

    def take(self) -> bytes:
        """Nothing is carried."""
        self._turn = turn = (self._turn + 1) & 0xFF
        self._sleeper.sleep(_FAR, turn)
        return b""

    def give(self) -> None:
        """Wake the other."""
        self._sleeper.tell(_NEAR, self._turn)

    def close(self) -> None:
        """Unmap and take away."""
        self._sleeper.close()


def _await(fd: int) -> None:
    if not select.select((fd,), (), (), PATIENCE_S)[0]:
        raise gone("nobody woke this end")


class EventfdNear(Near):
    """Wakes the other through an eventfd, which it was handed over a socket."""

    def __init__(self, spot: Spot) -> None:
        self._over, self._back = os.eventfd(0), os.eventfd(0)
        with connected_unix(spot) as sock:
            socket.send_fds(sock, [b"."], [self._over, self._back])

    def exchange(self, payload: bytes) -> None:  # noqa: ARG002  (nothing is carried)
        """Over and back; the read sleeps."""
        os.eventfd_write(self._over, 1)
        os.eventfd_read(self._back)

    def close(self) -> None:
        """Close both."""
        os.close(self._over)
        os.close(self._back)


class EventfdFar(Far):
    """Likewise."""

    def __init__(self, spot: Spot) -> None:
        self._listener = listening_unix(spot)
        self._over = self._back = -1

    def take(self) -> bytes:
        """Nothing is carried."""
        if self._over < 0:
            with accepted(self._listener) as sock:
                self._over, self._back = socket.recv_fds(sock, 1, 2)[1]
            _await(self._over)
        os.eventfd_read(self._over)
        return b""

    def give(self) -> None:
        """Wake the other."""
        os.eventfd_write(self._back, 1)

    def close(self) -> None:
        """Close what came."""
        self._listener.close()
        for fd in (self._over, self._back):
            if fd >= 0:
                os.close(fd)
