"""One direction of a link in numbers, as the proxy is told: plain data, every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

Distribution = Literal["constant", "uniform", "normal", "gamma", "lognormal", "table"]

MOST_HELD_BYTES: Final = 64 << 20
"""No direction of a link holds more than this, whatever is asked: what comes faster is held back."""
LEAST_HELD_BYTES: Final = 256 << 10
_LATE_NS: Final = 10_000_000
"""For so long the proxy may have no core, and the link still has something to send."""
_TAIL: Final = 6
"""So many standard deviations beyond the mean delay are still no reason to hold a sender back."""


@dataclass(frozen=True, slots=True)
class Blackout:
    """A stretch without any delivery, counted from the first byte that the link carries."""

    at_ns: int
    lasts_ns: int
    every_ns: int = 0
    """Again after each such time; 0: once."""


@dataclass(frozen=True, slots=True)
class Impairment:
    """What happens to what passes in one direction; the defaults do nothing."""

    delay_ns: int = 0
    """Mean of the added delay."""
    jitter_ns: int = 0
    """Its standard deviation."""
    floor_ns: int = 0
    """No delay is shorter; it is part of the mean."""
    distribution: Distribution = "constant"
    table_ns: tuple[int, ...] = ()
    """Quantiles of the delay at equal steps from 0 to 1; between them it is linear."""
    rate_bytes_per_s: float = 0.0
    """0: without limit."""
    burst_bytes: int = 0
    """What an idle link lets pass at once."""
    queue_bytes: int = 0
    """What may wait in it; 0: enough to keep it busy (`held_bytes`)."""
    loss: float = 0.0
    """Share of the packets that are lost in the long run."""
    loss_burst: float = 1.0
    """Mean length of a bad stretch, in packets."""
    loss_in_bad: float = 1.0
    """Share of the packets of a bad stretch that are lost."""
    reorder: float = 0.0
    """Share of the packets that are held back, so that later ones overtake them."""
    reorder_by_ns: int = 0
    duplicate: float = 0.0
    in_order: bool = False
    """Packets never overtake each other by their delays alone. A stream never lets them."""
    blackouts: tuple[Blackout, ...] = ()

    @property
    def nothing(self) -> bool:
        """It lets everything pass at once."""
        return replace(self, queue_bytes=0, burst_bytes=0, in_order=False) == Impairment()

    @property
    def held_bytes(self) -> int:
        """The most that is held at a time: `queue_bytes`, else what keeps the link busy over its delay."""
        if self.queue_bytes:
            return min(self.queue_bytes, MOST_HELD_BYTES)
        if not self.rate_bytes_per_s:
            return MOST_HELD_BYTES
        longest_ns = max(self.delay_ns + _TAIL * self.jitter_ns, *self.table_ns, 0)
        busy_bytes = int(1.25e-9 * self.rate_bytes_per_s * (longest_ns + _LATE_NS))
        return min(LEAST_HELD_BYTES + busy_bytes, MOST_HELD_BYTES)

    def plain(self) -> dict[str, Any]:
        """For the control channel and the record."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Impairment:
        """The inverse of `plain`."""
        given = dict(plain)
        given["table_ns"] = tuple(given.get("table_ns", ()))
        given["blackouts"] = tuple(Blackout(**each) for each in given.get("blackouts", ()))
        return cls(**given)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server listens: a port, or a file that will hold its number once the server listens."""

    host: str
    port: int = 0
    port_file: str = ""
    protocol: Literal["tcp", "udp"] = "tcp"
