"""Putting a party to sleep and waking it, across processes that share nothing but a segment and a folder.

A party's sleep word is 1 while it sleeps or is about to; who wakes it sets it to 0 first, so a sleeper that
is late finds its word changed (futex) or its byte waiting (FIFO) and does not sleep.
"""

from __future__ import annotations

import ctypes
import os
import platform
import select
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from benchkit.transports._shm.layout import Layout

_WAIT: Final = 0  # without FUTEX_PRIVATE_FLAG: the word is shared between processes
_WAKE: Final = 1
_FUTEX_NUMBER: Final = {"x86_64": 202, "aarch64": 98, "riscv64": 98}
"""Linux: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h."""


class Wake(Protocol):
    """`sleep` may return early; the caller looks again."""

    def sleep(self, party: int, timeout_s: float) -> None:
        """Until woken, or for `timeout_s` seconds."""

    def wake(self, party: int) -> bool:
        """Whether a sleeper may have been there; False is certain: nobody slept."""

    def close(self) -> None:
        """Give back what was opened."""


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def futex_works() -> bool:
    """Whether this system lets us call futex (Linux, 64 bits, no filter in the way)."""
    number = _FUTEX_NUMBER.get(platform.machine())
    if sys.platform != "linux" or number is None or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    word = ctypes.c_uint32(0)
    return bool(
        ctypes.CDLL(None).syscall(ctypes.c_long(number), ctypes.byref(word), _WAKE, 1, None, None, 0) == 0
    )


class Futex:
    """futex(2) on the sleep words of the segment mapped at `base`."""

    def __init__(self, layout: Layout, base: int) -> None:
        self._addresses = [base + layout.sleep_byte(party) for party in range(1 + layout.workers)]
        self._number = _FUTEX_NUMBER[platform.machine()]
        self._call = ctypes.CDLL(None).syscall
        pointer = ctypes.c_void_p
        self._call.argtypes = (
            ctypes.c_long,
            pointer,
            ctypes.c_int,
            ctypes.c_uint32,
            pointer,
            pointer,
            ctypes.c_uint32,
        )
        self._call.restype = ctypes.c_long

    def sleep(self, party: int, timeout_s: float) -> None:
        """Returns at once when the word is no longer 1."""
        moment = _Timespec(int(timeout_s), int(timeout_s % 1 * 1e9))
        self._call(self._number, self._addresses[party], _WAIT, 1, ctypes.addressof(moment), None, 0)

    def wake(self, party: int) -> bool:
        """False when nobody slept: the party died, or it will find its word changed."""
        return bool(self._call(self._number, self._addresses[party], _WAKE, 1, None, None, 0) > 0)

    def close(self) -> None:
        """Nothing was opened."""


class Fifo:
    """One FIFO per party in the cell's folder, for systems without futex."""

    def __init__(self, stem: Path, parties: int) -> None:
        # Opened for both directions so that neither end waits for the other, nor sees an end of file.
        self._fds = [os.open(fifo_path(stem, party), os.O_RDWR | os.O_NONBLOCK) for party in range(parties)]

    def sleep(self, party: int, timeout_s: float) -> None:
        """Takes all bytes that are waiting."""
        poll = select.poll()
        poll.register(self._fds[party], select.POLLIN)
        if poll.poll(timeout_s * 1000):
            with suppress(BlockingIOError):
                os.read(self._fds[party], 4096)

    def wake(self, party: int) -> bool:
        """Always True: a FIFO does not tell."""
        with suppress(BlockingIOError):
            os.write(self._fds[party], b"\0")
        return True

    def close(self) -> None:
        """Close the FIFOs."""
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()


def fifo_path(stem: Path, party: int) -> Path:
    """Where the FIFO of `party` is."""
    return stem.with_name(f"{stem.name}.wake-{party}")
