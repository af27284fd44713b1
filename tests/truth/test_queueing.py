"""The yardstick itself: the recursion that real runs are compared with meets the closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from queueing import _md1_beyond, _md1_sum, erlang_c, mean_wait, mm1_standard_error, starts, wait_quantile

COUNT, CUT, REPLICATIONS = 6000, 1000, 200


def waits(load: float, service: str, servers: int) -> np.ndarray:
    """Of REPLICATIONS independent queues with mean service time 1, the empty start cut off."""
    rng = np.random.default_rng(7)
    shape = (COUNT, REPLICATIONS)
    arrivals = np.cumsum(rng.exponential(1 / (load * servers), shape), axis=0)
    services = rng.exponential(1.0, shape) if service == "exponential" else np.ones(shape)
    return (starts(arrivals, services, servers) - arrivals)[CUT:]


@pytest.mark.parametrize(
    ("service", "servers"),
    [("exponential", 1), ("constant", 1), ("exponential", 2)],
    ids=["mm1", "md1", "mm2"],
)
@pytest.mark.parametrize("load", [0.5, 0.7])
def test_the_recursion_meets_theory(load, service, servers):
    simulated = waits(load, service, servers)
    by_queue = simulated.mean(axis=0)
    theory = mean_wait(load * servers, 1.0, float(service == "exponential"), servers)
    error = by_queue.std(ddof=1) / np.sqrt(REPLICATIONS)
    assert abs(by_queue.mean() - theory) < 4 * error
    assert error < 0.02 * theory
    p99 = wait_quantile(0.99, load * servers, 1.0, service, servers)
    assert (simulated <= p99).mean() == pytest.approx(0.99, abs=0.0015)


def test_the_standard_error_of_a_mean_wait_knows_that_neighbours_are_alike():
    by_queue = waits(0.7, "exponential", 1).mean(axis=0)
    assert by_queue.std(ddof=1) == pytest.approx(mm1_standard_error(0.7, 1.0, COUNT - CUT), rel=0.2)


def test_known_values():
    assert erlang_c(0.7, 1) == pytest.approx(0.7)
    assert erlang_c(1.0, 2) == pytest.approx(1 / 3)
    assert mean_wait(0.5, 1.0, 1.0) == pytest.approx(1.0)
    assert mean_wait(0.5, 1.0, 0.0) == pytest.approx(0.5)
    assert wait_quantile(0.4, 0.5, 1.0, "exponential") == 0.0
    assert starts(np.array([0.0, 1.0, 1.5, 9.0]), np.array([2.0, 2.0, 2.0, 1.0])).tolist() == [0, 2, 4, 9]
    assert starts(np.array([0.0, 1.0, 1.5, 9.0]), np.array([2.0, 2.0, 2.0, 1.0]), 2).tolist() == [0, 1, 2, 9]


@pytest.mark.parametrize("load", [0.5, 0.7, 0.9, 0.95])
def test_the_straight_tail_of_md1_goes_on_where_the_sum_loses_its_digits(load):
    for wait in np.linspace(9.1, 12.0, 5) / load:
        exact = 1 - _md1_sum(wait, load, 1.0)
        assert _md1_beyond(wait, load, 1.0) == pytest.approx(exact, rel=1e-3, abs=1e-6)
    p99 = wait_quantile(0.99, load, 1.0, "constant")
    assert _md1_beyond(p99, load, 1.0) == pytest.approx(0.01, rel=1e-3)
