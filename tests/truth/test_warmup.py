"""When warm-up ends: seldom where there is none, mostly where one was planted, never where load is the cause."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.random import Generator
from scipy.stats import binom
from simulated_queues import Floats, Queue, lindley
from simulated_rows import rows

from benchkit.analysis.warmup import LEAST_MESSAGES, Warmup, find_warmup
from benchkit.records.samples import Samples, Status

TRIALS = 200


def judged(
    arrivals: Floats, waits: Floats, service: Floats, *, open_loop: bool = True
) -> list[tuple[Samples, Warmup]]:
    """Each row as a block of its own, the bound a third of it."""
    found = []
    for block in np.split(rows(arrivals, waits, service), len(arrivals)):
        bound_ns = int(block["due"][-1] - block["due"][0]) // 3
        found.append((block, find_warmup(block, 0, bound_ns, open_loop=open_loop)))
    return found


def outcomes(found: list[tuple[Samples, Warmup]]) -> Counter[str]:
    return Counter(
        "growing"
        if each.growing
        else "unsettled"
        if not each.settled
        else "cut"
        if each.messages
        else "steady"
        for _, each in found
    )


def most(share: float) -> int:
    """More than this happens once in a thousand if the share is so large."""
    return int(binom.ppf(0.999, TRIALS, share))


def noise(rng: Generator, messages: int, memory: float = 0.0) -> Floats:
    """Lognormal service of 15% spread, its logarithm a first-order autoregression."""
    shocks = rng.standard_normal((TRIALS, messages + 200)) * np.sqrt(1 - memory**2)
    chain = np.zeros_like(shocks)
    for at in range(1, shocks.shape[1]):
        chain[:, at] = memory * chain[:, at - 1] + shocks[:, at]
    return np.exp(0.15 * chain[:, 200:])


def alone(service: Floats, *, open_loop: bool) -> list[tuple[Samples, Warmup]]:
    """No message waits for another: at a quarter of the capacity, or one in flight."""
    arrivals = np.cumsum(np.full_like(service, 4.0), axis=1)
    if not open_loop:
        arrivals = np.cumsum(service, axis=1) - service
    return judged(arrivals, np.zeros_like(service), service, open_loop=open_loop)


@pytest.mark.parametrize("name", ["M/M/1", "M/D/1"])
@pytest.mark.parametrize(
    ("rho", "messages", "share"), [(0.5, 1000, 0.02), (0.7, 1000, 0.02), (0.9, 4000, 0.03)]
)
def test_a_stationary_queue_is_left_as_it_is(name: str, rho: float, messages: int, share: float) -> None:
    found = judged(*Queue(name, rho).simulate(np.random.default_rng(1), TRIALS, messages))
    counted = outcomes(found)
    latency = [block["returned"] - block["due"] for block, _ in found]
    cut = [own[each.messages :] for own, (_, each) in zip(latency, found, strict=True)]
    moved = np.mean([own.mean() for own in cut]) / np.mean([own.mean() for own in latency]) - 1
    print(f"{name} {rho}, {messages} messages: {dict(counted)}, the mean moves by {100 * moved:.2f}%")
    assert TRIALS - counted["steady"] <= most(share)
    assert abs(moved) < 0.01


@pytest.mark.parametrize("memory", [0.5, 0.9, 0.98])
@pytest.mark.parametrize("open_loop", [True, False])
def test_autocorrelated_noise_is_no_warm_up(memory: float, open_loop: bool) -> None:
    found = alone(noise(np.random.default_rng(2), 2000, memory), open_loop=open_loop)
    assert TRIALS - outcomes(found)["steady"] <= most(0.02)


@pytest.mark.parametrize("open_loop", [True, False])
@pytest.mark.parametrize(("messages", "slower"), [(200, 1.0), (1000, 0.3)])
def test_a_slow_first_tenth_is_cut_and_little_more(messages: int, slower: float, open_loop: bool) -> None:
    shape = np.where(np.arange(messages) < messages // 10, 1 + slower, 1.0)
    found = alone(noise(np.random.default_rng(3), messages) * shape, open_loop=open_loop)
    cuts = np.array([each.messages for _, each in found]) / messages
    print(f"{messages} messages, the first tenth {100 * slower:.0f}% slower: {dict(outcomes(found))}")
    assert outcomes(found)["cut"] >= TRIALS * 0.85
    assert 0.08 <= np.median(cuts) <= 0.14


@pytest.mark.parametrize(("messages", "slower"), [(200, 2.0), (1000, 1.0)])
def test_an_exponential_decay_is_cut_to_where_it_no_longer_shows(messages: int, slower: float) -> None:
    decay = slower * np.exp(-np.arange(messages) / messages / 0.06)
    found = alone(noise(np.random.default_rng(4), messages) * (1 + decay), open_loop=True)
    ends = [each.messages for _, each in found if each.messages]
    print(f"{messages} messages, decaying from +{100 * slower:.0f}%: {dict(outcomes(found))}")
    assert len(ends) >= TRIALS * 0.8
    assert decay[int(np.median(ends))] < 0.35 * slower


def test_a_decay_as_long_as_the_block_is_not_settled() -> None:
    decay = 2 * np.exp(-np.arange(1000) / 500)
    found = alone(noise(np.random.default_rng(5), 1000) * (1 + decay), open_loop=True)
    assert outcomes(found)["unsettled"] >= TRIALS * 0.85


@pytest.mark.parametrize("messages", [300, 2000])
def test_load_beyond_the_capacity_is_no_warm_up(messages: int) -> None:
    service = noise(np.random.default_rng(6), messages)
    gaps = np.full_like(service, 0.8)
    found = judged(np.cumsum(gaps, axis=1), lindley(gaps, service, np.zeros(TRIALS)), service)
    assert outcomes(found)["growing"] >= TRIALS * 0.75
    assert outcomes(found)["cut"] == 0


def test_a_schedule_that_changes_by_itself_is_not_judged() -> None:
    service = noise(np.random.default_rng(7), 1000)
    gaps = np.linspace(4, 1.3, 1000) * np.ones((TRIALS, 1))
    found = judged(np.cumsum(gaps, axis=1), lindley(gaps, service, np.zeros(TRIALS)), service)
    assert outcomes(found)["steady"] == TRIALS


def slow_start(messages: int) -> Samples:
    service = np.where(np.arange(messages) < messages // 10, 3.0, 1.0)
    service = service * (1 + 0.01 * np.sin(np.arange(messages) * 2.4))
    return rows(np.cumsum(np.full((1, messages), 4.0), axis=1), np.zeros((1, messages)), service[None, :])


def test_small_blocks_keep_the_fixed_cut() -> None:
    few = slow_start(LEAST_MESSAGES + 4)
    assert find_warmup(few, 0, 10**12, open_loop=True).messages > 0
    assert find_warmup(few, 5, 10**12, open_loop=True) == Warmup(5)


def test_nothing_beyond_the_bound_is_cut() -> None:
    block = slow_start(1000)
    whole_ns = int(block["due"][-1] - block["due"][0])
    cut = find_warmup(block, 20, whole_ns // 3, open_loop=True)
    assert 95 <= cut.messages <= 135
    assert find_warmup(block, 20, whole_ns // 20, open_loop=True) == Warmup(20, settled=False)
    assert find_warmup(block, 20, int(block["due"][20] - block["due"][0]), open_loop=True) == Warmup(20)


def test_messages_that_never_arrived_are_cut_with_their_neighbours() -> None:
    block = slow_start(1000)
    block["status"][:50] = Status.LOST
    assert 95 <= find_warmup(block, 20, 10**12, open_loop=True).messages <= 140
