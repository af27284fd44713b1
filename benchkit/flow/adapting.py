"""Limits of messages in flight that find themselves.

`Aimd` is how TCP shares a path (D.-M. Chiu and R. Jain, "Analysis of the increase and decrease algorithms for
congestion avoidance in computer networks", 1989; RFC 5681): one more for each limit's worth of replies, half of it
when something is lost, once for all that was under way then. `Gradient` is the limit called Gradient2 in Netflix's
concurrency-limits (E. Landau, W. Thurston, T. Bozarth, "Performance Under Load", 2018): the limit shrinks by the
ratio of the usual round trip to the latest one, which tells of queueing before anything is lost. Like there it is
set anew for a window of replies and not for each: what a new limit does shows in the round trips after it alone.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Final

from benchkit.flow.options import Adapt

START: Final = 20
"""Where a limit begins, or at its bound."""
_SMOOTHING: Final = 0.2
_TOLERANCE: Final = 1.5
"""A round trip that is so many times the usual one is no queueing yet."""
_QUEUE: Final = 4.0
"""By how much the limit grows where there is none: what may queue at the other side."""
_LONG: Final = 600
"""Windows over which the usual round trip is averaged."""
_WARM: Final = 10
"""The first windows: their plain mean is the usual one."""
_WINDOW: Final = 10
"""Replies in a window at the least; else as many as the limit."""
_FORGET: Final = 0.95


class Limit(ABC):
    """How many messages may be in flight: between 1 and `most`."""

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self._value = min(float(START), self._most)
        self.least = self._value
        self._sum = 0.0
        self._count = 0

    @property
    def value(self) -> int:
        """The limit, a whole number."""
        return int(self._value)

    @property
    def mean(self) -> float:
        """Over what was told of it."""
        return self._sum / self._count if self._count else self._value

    @abstractmethod
    def replied(self, sent_ns: int, now_ns: int, in_flight: int) -> None:
        """A reply came; `in_flight` counts its message."""

    def missed(self, sent_ns: int, now_ns: int) -> None:
        """A message that was sent then was refused, came too late, or was not answered in time."""

    def _set(self, value: float) -> None:
        self._value = min(max(1.0, value), self._most)
        self.least = min(self.least, self._value)
        self._sum += self._value
        self._count += 1

    def _used(self, in_flight: int) -> bool:
        """It is the limit that holds back; one that nobody reaches tells nothing and must not grow."""
        return in_flight * 2 >= self.value


class Aimd(Limit):
    """Additive increase, multiplicative decrease."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self._halved_ns = -1

    def replied(self, sent_ns: int, now_ns: int, in_flight: int) -> None:  # noqa: ARG002  (the seam's signature)
        """See Limit.replied."""
        self._set(self._value + 1 / self._value if self._used(in_flight) else self._value)

    def missed(self, sent_ns: int, now_ns: int) -> None:
        """See Limit.missed; what was sent before the last halving is part of what it was halved for."""
        if sent_ns > self._halved_ns:
            self._halved_ns = now_ns
            self._set(self._value / 2)


class Gradient(Limit):
    """By the slope of the round trip. Usual is what it has seen: one that begins in an overload takes that for it."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self._usual_ns = 0.0
        self._windows = 0
        self._trips_ns = 0
        self._trips = 0
        self._most_in_flight = 0
        """Of the window under way."""

    def replied(self, sent_ns: int, now_ns: int, in_flight: int) -> None:
        """See Limit.replied."""
        self._trips_ns += max(1, now_ns - sent_ns)
        self._trips += 1
        self._most_in_flight = max(self._most_in_flight, in_flight)
        if self._trips >= max(_WINDOW, self.value):
            self._window(self._trips_ns / self._trips, self._most_in_flight)
            self._trips_ns = self._trips = self._most_in_flight = 0

    def _window(self, latest_ns: float, in_flight: int) -> None:
        usual_ns = self._average(latest_ns)
        if usual_ns > 2 * latest_ns:
            # After a long overload the usual round trip is the overload's: it is unlearnt faster than it was learnt.
            self._usual_ns *= _FORGET
        if not self._used(in_flight):
            self._set(self._value)
            return
        slope = min(1.0, max(0.5, _TOLERANCE * usual_ns / latest_ns))
        wanted = self._value * slope + _QUEUE
        self._set(self._value * (1 - _SMOOTHING) + wanted * _SMOOTHING)

    def missed(self, sent_ns: int, now_ns: int) -> None:
        """A round trip as long as it was waited for, at the least."""
        self.replied(sent_ns, now_ns, math.ceil(self._value))

    def _average(self, latest_ns: float) -> float:
        self._windows += 1
        weight = 1 / self._windows if self._windows <= _WARM else 2 / (_LONG + 1)
        self._usual_ns += (latest_ns - self._usual_ns) * weight
        return self._usual_ns


def limit(kind: Adapt, most: int) -> Limit:
    """A limit of this kind."""
    return Aimd(most) if kind == "aimd" else Gradient(most)
