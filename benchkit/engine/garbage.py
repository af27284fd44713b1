"""Pauses of Python's garbage collector, as `gc.callbacks` tells of them.

A collection runs in whichever thread made one object too many, and stops all of its interpreter. Where two
parties share a process, each counts those that it began itself, and the producer what no party began.
"""

from __future__ import annotations

import gc
import heapq
import threading
import time
from dataclasses import dataclass
from typing import Any, ClassVar, Final

_KEPT: Final = 32
"""The longest pauses that are kept with their moments."""
_TOLD_FROM_NS: Final = 1_000_000
_TOLD_ANYWAY: Final = 5
"""Shorter ones than a millisecond are told when they are among the longest."""


@dataclass(frozen=True, slots=True)
class Pause:
    """One collection."""

    duration_ns: int
    at_ns: int
    generation: int
    collected: int

    @property
    def what(self) -> str:
        """In words."""
        return f"generation {self.generation}, {self.collected} objects collected"


class Garbage:
    """Counts from `start` or the last `mark` on, in the thread that called `start`."""

    _owners: ClassVar[dict[int, Garbage]] = {}
    """Who counts the collections of a thread."""

    def __init__(self, *, rest: bool) -> None:
        """`rest`: count those of threads that nobody else counts, too."""
        self._rest = rest
        self._thread = 0
        self._clock = time.monotonic_ns
        self._began_ns = 0
        self._longest: list[tuple[int, int, int, int]] = []
        self.total_ns = self.count = self.longest_ns = 0

    def start(self) -> None:
        """From now on, in this thread."""
        self._thread = threading.get_ident()
        self._owners[self._thread] = self
        gc.callbacks.append(self._seen)

    def mark(self) -> None:
        """Forget what was."""
        self._longest = []
        self.total_ns = self.count = self.longest_ns = 0

    def _seen(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began_ns = self._clock()
            return
        took_ns = self._clock() - self._began_ns
        owner = self._owners.get(threading.get_ident())
        if owner is not self and (owner is not None or not self._rest):
            return
        self.total_ns += took_ns
        self.count += 1
        self.longest_ns = max(self.longest_ns, took_ns)
        kept = self._longest
        if len(kept) < _KEPT:
            heapq.heappush(kept, (took_ns, self._began_ns, info["generation"], info["collected"]))
        elif took_ns > kept[0][0]:
            heapq.heapreplace(kept, (took_ns, self._began_ns, info["generation"], info["collected"]))

    def stop(self) -> None:
        """No more."""
        gc.callbacks.remove(self._seen)
        self._owners.pop(self._thread, None)

    def pauses(self) -> list[Pause]:
        """Those of a millisecond and more (of many the longest), and the longest few in any case, by moment."""
        kept = [Pause(*each) for each in sorted(self._longest, reverse=True)]
        told = [
            pause for at, pause in enumerate(kept) if at < _TOLD_ANYWAY or pause.duration_ns >= _TOLD_FROM_NS
        ]
        return sorted(told, key=lambda pause: pause.at_ns)


class Collecting:
    """Full collections of the runner's own, between blocks and never in one, at most twice a minute.

    Python's come when a quarter of all objects is new, which in a process that has imported numpy is after an hour of
    blocks. Until then closed connections that lie in cycles are kept with their buffers, and look like a leak.
    """

    def __init__(self, every_s: float = 30.0) -> None:
        self._every_s = every_s
        self._next_s = time.monotonic() + every_s

    def between(self) -> None:
        """A block is over and the next one has not begun."""
        if time.monotonic() >= self._next_s:
            gc.collect()
            self._next_s = time.monotonic() + self._every_s
