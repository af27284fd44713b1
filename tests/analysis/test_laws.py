"""The laws against a machine whose truth is known: stations in a row, simulated message by message."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.analysis.laws import Station, bottleneck, least_latency_s, most_per_s, utilisation

DEMANDS = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=4)


def stations(demands: list[float]) -> list[Station]:
    return [Station(str(at), demand) for at, demand in enumerate(demands)]


def closed(demands: list[float], population: int, think_s: float, messages: int) -> tuple[float, float]:
    """Throughput and mean latency of a closed loop through single servers in a row, each first come first served."""
    free_at = [0.0] * len(demands)
    places = [0.0] * population
    latencies = []
    for _ in range(messages):
        at = arrived = places.pop(0)
        for station, demand in enumerate(demands):
            at = free_at[station] = max(at, free_at[station]) + demand
        latencies.append(at - arrived)
        places.append(at + think_s)
    return messages / free_at[-1], sum(latencies) / messages


@settings(deadline=None, max_examples=60)
@given(DEMANDS, st.integers(1, 12), st.floats(0.0, 2.0))
def test_no_closed_loop_is_faster_or_sooner_than_the_bounds(
    demands: list[float], population: int, think_s: float
) -> None:
    messages = 40 * population
    rate, latency_s = closed(demands, population, think_s, messages)
    alone_s = sum(demands)
    bound = most_per_s(stations(demands), population, alone_s + think_s)
    # Behind the last message of each place no pause follows any more.
    assert messages / rate >= messages / bound - think_s - 1e-9
    least = least_latency_s(stations(demands), alone_s, population, think_s)
    assert latency_s >= least * (1 - 2 * population / messages) - 1e-9
    assert latency_s >= alone_s - 1e-9


@settings(deadline=None, max_examples=60)
@given(DEMANDS, st.integers(13, 40))
def test_a_full_loop_reaches_the_bottlenecks_bound(demands: list[float], population: int) -> None:
    rate, latency_s = closed(demands, population, 0.0, 60 * population)
    slowest = max(demands)
    if population * slowest < 2 * sum(demands):
        return  # not full
    assert rate == pytest.approx(1 / slowest, rel=0.1)
    assert latency_s == pytest.approx(population * slowest, rel=0.1)
    assert utilisation(rate, slowest) == pytest.approx(1, rel=0.1)


@settings(deadline=None, max_examples=60)
@given(DEMANDS, st.integers(1, 8))
def test_more_servers_move_the_bottleneck_and_nothing_else(demands: list[float], servers: int) -> None:
    many = [Station(each.name, each.demand_s, servers) for each in stations(demands)]
    first, again = bottleneck(stations(demands)), bottleneck(many)
    assert first is not None
    assert again is not None
    assert again.demand_s == first.demand_s
    assert most_per_s(many) == pytest.approx(servers * most_per_s(stations(demands)))


def test_without_stations_nothing_is_bound() -> None:
    assert bottleneck([]) is None
    assert most_per_s([]) == float("inf")
    assert least_latency_s([], 0.25, 4) == 0.25
