"""The last while of one series, in few points."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

MOST = 256
"""Points kept: of a longer history every n-th."""


class History:
    """Values of the last `keep_ns`, no more than about `points` of them, and the last one at or before that."""

    def __init__(self, keep_ns: int, points: int = MOST) -> None:
        self._keep_ns = keep_ns
        self._step_ns = keep_ns // points
        self._points: deque[tuple[int, float]] = deque()

    def add(self, at_ns: int, value: float) -> None:
        """The newest value; one that comes soon after another takes the place of the last one."""
        points = self._points
        if len(points) > 1 and at_ns - points[-2][0] < self._step_ns:
            points.pop()
        points.append((at_ns, value))
        while len(points) > 1 and points[1][0] <= at_ns - self._keep_ns:
            points.popleft()

    def __len__(self) -> int:
        return len(self._points)

    @property
    def points(self) -> list[tuple[int, float]]:
        """Oldest first."""
        return list(self._points)

    def at(self, moment_ns: int) -> tuple[int, float] | None:
        """The last point at or before a moment, else the oldest one; None where there is none."""
        if not self._points:
            return None
        points = list(self._points)
        return points[max(0, bisect_right(points, moment_ns, key=lambda point: point[0]) - 1)]
