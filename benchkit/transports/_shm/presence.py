"""Whether a party lives: it holds a lock on a file of its own for as long as it does.

flock belongs to an open file, not to a process: two parties may be threads of one process, and the kernel
drops it when the process ends, however it ends. A child forked from a party would share it, so it lets go of
it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from weakref import WeakSet

_held: WeakSet[Presence] = WeakSet()


class Presence:
    """The file of one party; opened without taking its lock."""

    __slots__ = ("__weakref__", "_fd")

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)

    def take(self) -> bool:
        """Whether the lock was free: then it is ours until `drop` or `close`."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        _held.add(self)
        return True

    def drop(self) -> None:
        """Let go of the lock."""
        _held.discard(self)
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go and close."""
        _held.discard(self)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _forget() -> None:
    # In a forked child: closing its copy does not touch the parent's lock; unlocking would.
    for presence in list(_held):
        presence.close()


os.register_at_fork(after_in_child=_forget)


def presence_path(stem: Path, party: int) -> Path:
    """The file of `party`."""
    return stem.with_name(f"{stem.name}.party-{party}")
