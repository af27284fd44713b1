"""A rate as arithmetic: when what enters a link of so many bytes per second has left it.

Virtual scheduling, the GCRA of ITU-T I.371: the link keeps the moment at which it has caught up with what it was
given. Departures are counted from there and not from when a timer woke, so a late timer costs no throughput.
"""

from __future__ import annotations

from typing import Final

_CATCH_UP_NS: Final = 100_000_000


class Shaper:
    """One direction's rate; `burst_bytes` pass an idle link at once."""

    __slots__ = ("_burst_ns", "_free_ns", "_ns_per_byte")

    def __init__(self, rate_bytes_per_s: float, burst_bytes: int = 0) -> None:
        """`rate_bytes_per_s` 0: no limit."""
        self._ns_per_byte = 1e9 / rate_bytes_per_s if rate_bytes_per_s else 0.0
        self._burst_ns = burst_bytes * self._ns_per_byte
        self._free_ns = 0.0

    def leaves_ns(self, now_ns: int, nbytes: int) -> int:
        """When the last of `nbytes` that enter now is through; not before `now_ns`."""
        if not self._ns_per_byte:
            return now_ns
        self._free_ns = max(self._free_ns, now_ns - self._burst_ns) + nbytes * self._ns_per_byte
        return max(now_ns, int(self._free_ns))

    def caught_up_ns(self, now_ns: int) -> int:
        """When it had sent all that it was given, if that is past; a tenth of a second ago at the most."""
        return max(min(now_ns, int(self._free_ns)), now_ns - _CATCH_UP_NS)

    def backlog_bytes(self, now_ns: int) -> float:
        """What entered before and has not left; 0 without a limit."""
        return max(0.0, self._free_ns - now_ns) / self._ns_per_byte if self._ns_per_byte else 0.0
