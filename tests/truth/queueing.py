"""Queues whose waits are known: the recursion for one sample, the closed forms for the long run.

Times are in whatever unit goes in. Servers are alike and take messages first come, first served.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Service = Literal["exponential", "constant"]
_STRAIGHT = (6.0, 9.0)
"""Between these multiples of the mean gap the tail of M/D/1 is a straight line on paper with a log scale."""
_DIGITS = 1e-6


def starts(arrivals: Floats, services: Floats, servers: int = 1) -> Floats:
    """When each message's service starts; shapes (n,) or (n, replications), arrivals ascending.

    Kiefer and Wolfowitz, On the theory of queues with many servers (1955); with one server Lindley's recursion.
    """
    replications = arrivals.shape[1:] or (1,)
    free = np.full((servers, *replications), -np.inf)
    found = np.empty((len(arrivals), *replications))
    for at, (arrival, service) in enumerate(zip(arrivals, services, strict=True)):
        first = free[0]
        np.maximum(first, arrival, out=found[at])
        np.add(found[at], service, out=first)
        if servers > 1:
            free.sort(axis=0)
    return found.reshape(arrivals.shape)


def mean_wait(rate: float, mean: float, variance: float, servers: int = 1) -> float:
    """Mean wait in the long run.

    One server: Pollaczek and Khinchine, exact for every service time. More: Erlang's C formula, exact for
    exponential ones.
    """
    if servers == 1:
        return rate * (mean**2 + variance) / (2 * (1 - rate * mean))
    return erlang_c(rate * mean, servers) * mean / (servers - rate * mean)


def erlang_c(load: float, servers: int) -> float:
    """Probability that a message waits in M/M/c with `load` = rate x mean service time."""
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(load**k / math.factorial(k) for k in range(servers)) + last)


def wait_quantile(p: float, rate: float, mean: float, service: Service, servers: int = 1) -> float:
    """Quantile of the wait in the long run: exponential beyond 0 for M/M/c, Erlang's sum (1909) for M/D/1."""
    if service == "exponential":
        waits = erlang_c(rate * mean, servers)
        return max(0.0, math.log(waits / (1 - p)) * mean / (servers - rate * mean))
    low, high = 0.0, 40 * mean / (1 - rate * mean)
    while high - low > 1e-6 * mean:
        middle = (low + high) / 2
        low, high = (low, middle) if _md1_beyond(middle, rate, mean) < 1 - p else (middle, high)
    return high


def _md1_beyond(wait: float, rate: float, mean: float) -> float:
    """Probability of a longer wait in M/D/1; far out, where the sum loses its digits, along its straight tail."""
    if rate * wait <= _STRAIGHT[1]:
        return 1 - _md1_sum(wait, rate, mean)
    near, far = (1 - _md1_sum(at / rate, rate, mean) for at in _STRAIGHT)
    if min(near, far) < _DIGITS:
        return 0.0
    return far * (far / near) ** ((rate * wait - _STRAIGHT[1]) / (_STRAIGHT[1] - _STRAIGHT[0]))


def _md1_sum(wait: float, rate: float, mean: float) -> float:
    terms = ((rate * (k * mean - wait), k) for k in range(int(wait / mean) + 1))
    return (1 - rate * mean) * math.fsum(x**k / math.factorial(k) * math.exp(-x) for x, k in terms)


def mm1_standard_error(load: float, mean: float, count: int) -> float:
    """Standard deviation of the mean of `count` successive waits in M/M/1, neighbours alike as they are.

    Asymptotic variance rho (2 + 5 rho - 4 rho^2 + rho^3) / (1 - rho)^4 of a server with mean service time 1:
    Whitt, Planning queueing simulations, Management Science 35 (1989), from Daley (1968).
    """
    return mean * math.sqrt(load * (2 + 5 * load - 4 * load**2 + load**3) / (1 - load) ** 4 / count)
