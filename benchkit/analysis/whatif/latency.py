"""Latency at the present rate after a change: the phases' own times changed, their queues estimated anew.

Waiting for a station of m servers is taken from the approximation of Allen and Cunneen for GI/G/m (A. O. Allen,
"Probability, Statistics, and Queueing Theory" (1990), 5.3; for one server it is Kingman's of 1961)::

    W = S/m * rho^(sqrt(2(m+1)) - 1) / (1 - rho) * (ca^2 + cs^2) / 2

The variabilities ca and cs are not known and are thought not to change, so that only the ratio of W after and before
is used, on the wait that was measured: no wait stays no wait. In a closed loop it is Little's law, R = N/X - Z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

FULL: Final = 0.95
"""From this utilisation on a wait depends on the block's length more than on anything else."""


@dataclass(frozen=True, slots=True)
class Station:
    """Where messages wait for each other."""

    demand_us: float
    servers: int

    def utilisation(self, rate_per_s: float) -> float:
        """The share of the time in which it works."""
        return self.demand_us * 1e-6 * rate_per_s / self.servers

    def wait(self, rate_per_s: float) -> float | None:
        """The part of W above that a change of S or m changes; None where it is as good as saturated."""
        rho = self.utilisation(rate_per_s)
        if rho >= FULL:
            return None
        power = math.sqrt(2 * (self.servers + 1)) - 1
        return float(self.demand_us / self.servers * rho**power / (1 - rho))


def wait_ratio(before: Station, after: Station, rate_per_s: float) -> float | None:
    """The wait after over the wait before; None where either station is as good as saturated."""
    was, becomes = before.wait(rate_per_s), after.wait(rate_per_s)
    if was is None or becomes is None:
        return None
    return becomes / was if was > 0 else 1.0
