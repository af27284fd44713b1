"""The one lock of a segment: held for about a microsecond, and free again when its holder is killed.

On Linux a robust process-shared pthread mutex: 0.2 us for an uncontended pair through ctypes where flock
takes 0.8 us. Its owner is a thread, so it works between processes and between threads alike, and the kernel
hands it on when its owner dies. Elsewhere (macOS has no robust mutexes) flock on a file opened by each end
for itself.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

from benchkit.errors import BrokerError, StorageError

_TRIES: Final = 200
"""About 40 us of trying, many times what the lock is held for, before sleeping on it."""
_BUSY: Final = errno.EBUSY
_PATIENCE_S: Final = 10.0
_PROCESS_SHARED: Final = 1  # PTHREAD_PROCESS_SHARED and PTHREAD_MUTEX_ROBUST of glibc and musl
_ROBUST: Final = 1


class Lock(Protocol):
    """Used with `with`; `repair` runs under the lock when a holder died or raised inside it."""

    def __enter__(self) -> None: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def _stuck() -> BrokerError:
    return BrokerError(
        f"another party has held the lock of the segment for {_PATIENCE_S:.0f} s",
        remedy="is a process of this run stopped (SIGSTOP, a debugger)?",
    )


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


@cache
def _pthread() -> tuple[Callable[[int], int], Callable[[int], int], Callable[..., int]]:
    # trylock and unlock never wait, so the GIL may be kept (PyDLL); timedlock waits, so it must not be.
    quick, slow = ctypes.PyDLL(None), ctypes.CDLL(None)
    trylock, unlock, timedlock = (
        quick.pthread_mutex_trylock,
        quick.pthread_mutex_unlock,
        slow.pthread_mutex_timedlock,
    )
    trylock.argtypes = unlock.argtypes = (ctypes.c_void_p,)
    timedlock.argtypes = (ctypes.c_void_p, ctypes.POINTER(_Timespec))
    return trylock, unlock, timedlock


class RobustMutex:
    """A robust mutex at `address` of the mapping; see `make`."""

    __slots__ = ("_address", "_repair", "_timedlock", "_trylock", "_unlock")

    def __init__(self, address: int, repair: Callable[[], None]) -> None:
        self._address = address
        self._repair = repair
        self._trylock, self._unlock, self._timedlock = _pthread()

    @staticmethod
    def make(address: int) -> None:
        """Lay a new mutex out at `address`; raises StorageError where the C library refuses."""
        library = ctypes.CDLL(None)
        attributes = (ctypes.c_char * 64)()
        failed = (
            library.pthread_mutexattr_init(attributes)
            or library.pthread_mutexattr_setpshared(attributes, _PROCESS_SHARED)
            or library.pthread_mutexattr_setrobust(attributes, _ROBUST)
            or library.pthread_mutex_init(ctypes.c_void_p(address), attributes)
        )
        if failed:
            raise StorageError(f"cannot make a shared lock: {os.strerror(failed)}")

    def __enter__(self) -> None:
        trylock, address = self._trylock, self._address
        tries = _TRIES
        try:
            # Who looks for messages sees one just before its sender lets go: the second try mostly gets it.
            while (status := trylock(address)) == _BUSY and tries:
                tries -= 1
            if status:
                self._settle(status)
        except BaseException:
            # Also an interrupt after the lock was got; a robust mutex is unlocked by its owner only (EPERM).
            self._unlock(self._address)
            raise

    def _settle(self, status: int) -> None:
        if status == errno.EBUSY:
            # timedlock counts in the wall clock.
            until = time.time() + _PATIENCE_S
            moment = _Timespec(int(until), int(until % 1 * 1e9))
            status = self._timedlock(self._address, ctypes.byref(moment))
        if status == errno.EOWNERDEAD:
            # Index first, then "consistent": who dies in between leaves it to the next.
            self._repair()
            ctypes.CDLL(None).pthread_mutex_consistent(ctypes.c_void_p(self._address))
        elif status == errno.ETIMEDOUT:
            raise _stuck()
        elif status:
            raise BrokerError(f"the lock of the segment is broken: {os.strerror(status)}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None:
                self._repair()
        finally:
            self._unlock(self._address)


class FileLock:
    """flock on `path`; one byte at `offset` of `control` says that a holder has not left properly."""

    __slots__ = ("_control", "_file", "_offset", "_repair")

    def __init__(self, path: Path, control: memoryview, offset: int, repair: Callable[[], None]) -> None:
        self._file = path.open("rb")
        self._control = control
        self._offset = offset
        self._repair = repair

    def __enter__(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            if self._control[self._offset]:
                self._repair()
            self._control[self._offset] = 1
        except BaseException:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None:
                self._repair()
            self._control[self._offset] = 0
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def robust_mutexes() -> bool:
    """Whether this system has them."""
    return sys.platform == "linux"
