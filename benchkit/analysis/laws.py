"""The operational laws: what measured demands say about capacity, and whether the counts agree with the stamps.

They hold for any observed stretch, whatever the distributions, because they relate counts and not models:
Denning and Buzen, "The Operational Analysis of Queueing Network Models", ACM Computing Surveys 10 (1978)
225-261; Lazowska, Zahorjan, Graham and Sevcik, "Quantitative System Performance" (1984), chapters 3 (laws)
and 5 (asymptotic bounds).

* utilisation law: U = X D / m of m like servers that are asked for D seconds of service a message;
* bottleneck bound: X <= min over stations of m / D. With N messages in a closed loop that pauses for Z, each of
  which takes at least S when it meets no other, X <= N / (S + Z) as well, and the mean latency is at least
  max(S, N / X_max - Z);
* Little's law: the mean number in a system is its throughput times the mean time in it; over a stretch that
  begins and ends empty exactly so, with nothing cut off at its edges (Little, "Little's Law as Viewed on Its
  50th Anniversary", Operations Research 59 (2011) 536-549).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


def utilisation(throughput_per_s: float, demand_s: float, servers: int = 1) -> float:
    """Share of the time for which each of the servers works; above 1 says that the demand is not one of work."""
    return throughput_per_s * demand_s / servers


@dataclass(frozen=True, slots=True)
class Station:
    """A resource that serves messages, one at a time on each of its servers."""

    name: str
    demand_s: float
    """Service that one message asks of it, above 0."""
    servers: int = 1

    @property
    def saturates_per_s(self) -> float:
        """The throughput at which all of its servers work all the time."""
        return self.servers / self.demand_s


def bottleneck(stations: Sequence[Station]) -> Station | None:
    """The station that saturates first; None where there is none."""
    return min(stations, key=lambda station: station.saturates_per_s, default=None)


def most_per_s(stations: Sequence[Station], population: int | None = None, cycle_s: float = 0.0) -> float:
    """The asymptotic bound of the throughput; infinite where nothing bounds it.

    `population` messages in a closed loop (None: an open one), each of which takes `cycle_s` with its pause.
    """
    first = bottleneck(stations)
    bound = first.saturates_per_s if first else float("inf")
    return bound if population is None or not cycle_s else min(bound, population / cycle_s)


def least_latency_s(
    stations: Sequence[Station], alone_s: float, population: int | None = None, think_s: float = 0.0
) -> float:
    """The asymptotic bound of the mean latency: nobody waits, or, in a full closed loop, all wait for one."""
    first = bottleneck(stations)
    if population is None or first is None:
        return alone_s
    return max(alone_s, population / first.saturates_per_s - think_s)
