"""Floors of memory: copying, telling another process by a flag that it spins upon, and both together."""

from __future__ import annotations

import mmap
import os
import time
from contextlib import suppress
from pathlib import Path

from benchkit.exchange.base import PATIENCE_S, Far, Near, Spot, gone
from benchkit.runtime.folders import SEGMENTS
from benchkit.tensors.wire import Buffer
from benchkit.transports.buffers import fresh

_OVER, _BACK = 0, 64
"""Bytes of the two flags, on cache lines of their own; the message begins on the page after them."""
_SPINS = 10_000
"""Looks before a spinner gives way to others, about a millisecond: both cores may be wanted by somebody else."""


class Memcpy(Near):
    """Copies within one process, into memory that is mapped and touched."""

    def __init__(self, spot: Spot) -> None:
        self._target = fresh(spot.nbytes)
        self._nbytes = spot.nbytes

    def exchange(self, payload: bytes) -> None:
        """One copy."""
        self._target[: self._nbytes] = payload


class Mapped:
    """One file in shared memory, mapped by both ends; the consumer makes it and takes it away."""

    def __init__(self, spot: Spot, *, make: bool) -> None:
        folder = SEGMENTS if SEGMENTS.is_dir() else spot.folder
        self._path = Path(folder / f"{spot.name}-floor")
        self._made = make
        fd = os.open(self._path, os.O_RDWR | (os.O_CREAT | os.O_EXCL if make else 0), 0o600)
        try:
            if make:
                os.posix_fallocate(fd, 0, mmap.PAGESIZE + spot.nbytes)
            self.map = mmap.mmap(fd, mmap.PAGESIZE + spot.nbytes)
        finally:
            os.close(fd)
        self.view = memoryview(self.map)
        self.payload = self.view[mmap.PAGESIZE :]
        self.readonly = self.payload.toreadonly()
        # The first touch of a page is no part of a copy.
        sum(self.readonly[:: mmap.PAGESIZE])

    def close(self) -> None:
        """Unmap; the maker takes the file away."""
        for view in (self.readonly, self.payload, self.view):
            view.release()
        with suppress(BufferError):  # an address of it is still known to ctypes: it ends with the process
            self.map.close()
        if self._made:
            self._path.unlink(missing_ok=True)


def await_flag(flags: memoryview, at: int, value: int) -> None:
    """Spin until the byte at `at` is `value`; raises PartyError when it does not become so."""
    until_s = 0.0
    while True:
        for _ in range(_SPINS):
            if flags[at] == value:
                return
        os.sched_yield()
        until_s = until_s or time.monotonic() + PATIENCE_S
        if time.monotonic() > until_s:
            raise gone("no flag was set")


class SpinNear(Near):
    """Sets a flag and spins until the other one is set."""

    copies = False

    def __init__(self, spot: Spot) -> None:
        self._mapped = Mapped(spot, make=False)
        self._flags, self._payload = self._mapped.view, self._mapped.payload
        self._turn = 0

    def exchange(self, payload: bytes) -> None:
        """Over and back."""
        self._turn = turn = (self._turn + 1) & 0xFF
        if self.copies:
            self._payload[:] = payload
        flags = self._flags
        flags[_OVER] = turn
        await_flag(flags, _BACK, turn)

    def close(self) -> None:
        """Unmap."""
        self._flags = self._payload = memoryview(b"")
        self._mapped.close()


class SpinFar(Far):
    """Spins until a flag is set and sets the other one."""

    copies = False

    def __init__(self, spot: Spot) -> None:
        self._mapped = Mapped(spot, make=True)
        self._flags = self._mapped.view
        self._message: Buffer = self._mapped.readonly if self.copies else b""
        self._turn = 0

    def take(self) -> Buffer:
        """The message in place; nothing where none is copied."""
        self._turn = turn = (self._turn + 1) & 0xFF
        await_flag(self._flags, _OVER, turn)
        return self._message

    def give(self) -> None:
        """The flag back."""
        self._flags[_BACK] = self._turn

    def close(self) -> None:
        """Unmap and take away."""
        self._flags, self._message = memoryview(b""), b""
        self._mapped.close()


class CopyNear(SpinNear):
    """Copies the message into the shared memory first."""

    copies = True


class CopyFar(SpinFar):
    """Reads it where it lies."""

    copies = True
