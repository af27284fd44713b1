"""Rates from counters: differences over the last few seconds, on the monotonic clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Final

WINDOW_S: Final = 5.0
"""Long enough that one message more or less is not the rate, short enough to see a stop."""


class Rates:
    """The rate of each of several counters."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_ns = int(window_s * 1e9)
        self._seen: dict[Hashable, deque[tuple[int, int]]] = {}

    def feed(self, counter: Hashable, count: int, at_ns: int, *, falls: bool = False) -> float | None:
        """Counts per second over the window; None at the first sight, and after the counter began anew.

        `falls`: it may go down without beginning anew, as a depth does.
        """
        seen = self._seen.setdefault(counter, deque())
        if seen and count < seen[-1][1] and not falls:
            seen.clear()
        if not seen or at_ns > seen[-1][0]:
            seen.append((at_ns, count))
        # The last one at or before the window's beginning stays.
        while len(seen) > 2 and seen[1][0] <= at_ns - self._window_ns:
            seen.popleft()
        (first_ns, first), (last_ns, last) = seen[0], seen[-1]
        return (last - first) * 1e9 / (last_ns - first_ns) if last_ns > first_ns else None

    def forget(self, counter: Hashable) -> None:
        """Its past says nothing of what comes."""
        self._seen.pop(counter, None)
