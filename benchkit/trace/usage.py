"""What a process has used so far, as cheaply as the kernel tells it."""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchkit.trace.layout import UNKNOWN

LEAST_PAUSE_NS: Final = 100_000
"""Shorter collections are counted and not kept one by one."""
_RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024
_PAGE_BYTES: Final = resource.getpagesize()


class Collections:
    """Pauses for collecting garbage; `seen` is called with start and values of each that is long enough."""

    def __init__(self, seen: Callable[[int, int, int, int], None]) -> None:
        self.pause_ns = 0
        self.pauses = 0
        self._seen = seen
        self._began_ns = 0
        gc.callbacks.append(self._note)

    def close(self) -> None:
        """Watch no longer."""
        if self._note in gc.callbacks:
            gc.callbacks.remove(self._note)

    def _note(self, phase: str, info: dict[str, Any]) -> None:
        now = time.monotonic_ns()
        if phase == "start":
            self._began_ns = now
        elif self._began_ns:
            took = now - self._began_ns
            self.pause_ns += took
            self.pauses += 1
            if took >= LEAST_PAUSE_NS:
                self._seen(self._began_ns, took, info.get("generation", 0), info.get("collected", 0))


def used(collections: Collections) -> tuple[int, ...]:
    """Values in the order of `layout.USAGE`."""
    told = resource.getrusage(resource.RUSAGE_SELF)
    threads, runnable_ns = _threads()
    return (
        time.process_time_ns(),
        told.ru_maxrss * _RSS_UNIT,
        runnable_ns,
        told.ru_nvcsw,
        told.ru_nivcsw,
        told.ru_minflt,
        told.ru_majflt,
        collections.pause_ns,
        collections.pauses,
        _rss_bytes(),
        threads,
    )


def _threads() -> tuple[int, int]:
    """How many there are, and how long they were ready to run without a core; UNKNOWN where the kernel does not say.

    The kernel tells it of each thread; a program has few, and this is once a second.
    """
    try:
        tasks = list(Path("/proc/self/task").iterdir())
        return len(tasks), sum(int((task / "schedstat").read_bytes().split()[1]) for task in tasks)
    except (OSError, ValueError, IndexError):
        return UNKNOWN, UNKNOWN


def _rss_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return UNKNOWN
