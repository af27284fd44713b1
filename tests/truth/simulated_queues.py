"""Queues whose truth is known, simulated without a clock: waits by Lindley's and Kiefer and Wolfowitz's recursions.

Every array has one row per independent replication and one column per message; times are in units of the mean
service time. Each row begins in the stationary state: M/M/1 is drawn from its stationary law, the others run
`burn_in` messages first, which is many times the queue's memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from scipy.optimize import brentq

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Queue:
    """A single station: Poisson arrivals, `servers` of mean service time 1, utilisation `rho`."""

    name: str
    """M/M/1, M/D/1 or M/M/2."""
    rho: float

    @property
    def servers(self) -> int:
        return 2 if self.name == "M/M/2" else 1

    @property
    def arrivals_per_service(self) -> float:
        return self.rho * self.servers

    @property
    def memory(self) -> float:
        """Messages over which waits are correlated, (1 + rho) / (1 - rho)^2 (Whitt, Management Science 35, 1989)."""
        return (1 + self.rho) / (1 - self.rho) ** 2

    def mean_wait(self) -> float:
        """Before service begins: Pollaczek-Khinchine, for two servers Erlang's C."""
        if self.name == "M/M/1":
            return self.rho / (1 - self.rho)
        if self.name == "M/D/1":
            return self.rho / (2 * (1 - self.rho))
        return erlang_c(2, 2 * self.rho) / (2 * (1 - self.rho))

    def response_quantile(self, share: float) -> float:
        """The wait and the service together."""
        if self.name == "M/M/1":
            return -math.log(1 - share) / (1 - self.rho)
        beyond = self._md1_beyond if self.name == "M/D/1" else self._mm2_beyond
        return float(brentq(lambda t: beyond(t) - (1 - share), 0.0, 200.0 / (1 - self.rho)))

    def _mm2_beyond(self, t: float) -> float:
        """P(response > t): with chance C a wait of rate 2(1 - rho) precedes the service of rate 1."""
        wait, rate = erlang_c(2, 2 * self.rho), 2 * (1 - self.rho)
        if abs(rate - 1) < 1e-9:
            return math.exp(-t) * (1 + wait * t)
        together = (rate * math.exp(-t) - math.exp(-rate * t)) / (rate - 1)
        return (1 - wait) * math.exp(-t) + wait * together

    def _md1_beyond(self, t: float) -> float:
        """P(wait > t - 1) by Erlang's sum, P(wait <= x) = (1 - rho) sum_j (-rho (x - j))^j e^(rho (x - j)) / j!.

        Its terms alternate and cancel, so beyond where doubles carry it the wait's exponential tail is used:
        P(wait > x) ~ (1 - rho) / (rho s - (1 - rho)) ... e^(-(s - 1) rho x) with s the root of s e^-(rho (s - 1)) = 1.
        """
        x = t - 1
        if x < 0:
            return 1.0
        if x <= _ERLANG_LIMIT:
            return 1 - self._erlang(x)
        decay = brentq(lambda s: math.log(s) - self.rho * (s - 1), 1 + 1e-9, 1e3) - 1
        return (1 - self._erlang(_ERLANG_LIMIT)) * math.exp(-decay * self.rho * (x - _ERLANG_LIMIT))

    def _erlang(self, x: float) -> float:
        terms = [
            math.exp(self.rho * (x - j)) * (-self.rho * (x - j)) ** j / math.factorial(j)
            for j in range(math.floor(x) + 1)
        ]
        return (1 - self.rho) * math.fsum(terms)

    def simulate(self, rng: Generator, rows: int, messages: int) -> tuple[Floats, Floats, Floats]:
        """Arrival moments, waits and service times, shape (rows, messages) each."""
        burn_in = 0 if self.name == "M/M/1" else round(12 * self.memory)
        total = messages + burn_in
        gaps = rng.exponential(1 / self.arrivals_per_service, (rows, total))
        service = np.ones((rows, total)) if self.name == "M/D/1" else rng.exponential(1.0, (rows, total))
        if self.servers == 1:
            waits = lindley(gaps, service, self._first_wait(rng, rows))
        else:
            waits = kiefer_wolfowitz(gaps, service, self.servers)
        keep = slice(burn_in, None)
        return np.cumsum(gaps, axis=1)[:, keep], waits[:, keep], service[:, keep]

    def _first_wait(self, rng: Generator, rows: int) -> Floats:
        if self.name != "M/M/1":
            return np.zeros(rows)
        return np.where(rng.random(rows) < self.rho, rng.exponential(1 / (1 - self.rho), rows), 0.0)


_ERLANG_LIMIT = 12.0


def erlang_c(servers: int, offered: float) -> float:
    """The chance that an arrival has to wait (Erlang 1917)."""
    terms = [offered**n / math.factorial(n) for n in range(servers)]
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (sum(terms) + last)


def lindley(gaps: Floats, service: Floats, first: Floats) -> Floats:
    """W(n+1) = max(0, W(n) + S(n) - T(n+1)), as a random walk above its running minimum."""
    steps = np.empty_like(gaps)
    steps[:, 0] = first
    steps[:, 1:] = service[:, :-1] - gaps[:, 1:]
    walk = np.cumsum(steps, axis=1)
    return walk - np.minimum(np.minimum.accumulate(walk, axis=1), 0.0)


def kiefer_wolfowitz(gaps: Floats, service: Floats, servers: int) -> Floats:
    """Each server's remaining work, the smallest first; an arrival joins the smallest."""
    work = np.zeros((len(gaps), servers))
    waits = np.empty_like(gaps)
    for at in range(gaps.shape[1]):
        work = np.maximum(work - gaps[:, at, None], 0.0)
        waits[:, at] = work[:, 0]
        work[:, 0] += service[:, at]
        work.sort(axis=1)
    return waits
