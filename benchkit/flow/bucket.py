"""A token bucket: at most `rate * t + burst` messages in any stretch of t.

Kept as the moment at which the next message conforms (the virtual scheduling form of the generic cell rate
algorithm, ITU-T I.371): one integer, no drift, nothing to fill up.
"""

from __future__ import annotations


class TokenBucket:
    """Full at the beginning."""

    def __init__(self, rate_per_s: float, burst: int = 1) -> None:
        # Rounded up: a nanosecond too much each time is a lower rate, never a higher one.
        self._gap_ns = -int(-1e9 // rate_per_s)
        self._ahead_ns = self._gap_ns * (burst - 1)
        self._next_ns: int | None = None
        """When the next message would be sent by one that keeps the rate exactly."""

    def ready_ns(self, now_ns: int) -> int:
        """The earliest moment, not before now, at which a message may be sent."""
        return now_ns if self._next_ns is None else max(now_ns, self._next_ns - self._ahead_ns)

    def take(self, now_ns: int) -> bool:
        """Take a token, if there is one."""
        if self.ready_ns(now_ns) > now_ns:
            return False
        self._next_ns = max(now_ns, self._next_ns or now_ns) + self._gap_ns
        return True
