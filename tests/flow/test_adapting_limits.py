"""Rates, second tries and limits in flight keep their bounds whatever happens."""

from __future__ import annotations

import heapq
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.flow.adapting import START, Aimd, Gradient, limit
from benchkit.flow.bucket import TokenBucket
from benchkit.flow.options import Retry
from benchkit.flow.retrying import RESERVE, Retries

RATES = st.floats(0.1, 1e6, allow_nan=False)
GAPS = st.lists(st.integers(0, 2_000_000_000), max_size=80)


@given(RATES, st.integers(1, 50), GAPS)
def test_no_stretch_of_time_holds_more_than_rate_times_it_and_the_burst(rate, burst, gaps):
    bucket = TokenBucket(rate, burst)
    now, taken = 7, []
    for gap in gaps:
        now += gap
        ready = bucket.ready_ns(now)
        assert bucket.take(now) == (ready <= now)
        if ready <= now:
            taken.append(now)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            most = rate * (taken[last] - taken[first]) / 1e9 + burst
            assert last - first + 1 <= most + 1e-6 * most


@given(RATES, st.integers(1, 50), st.integers(1, 60))
def test_who_waits_until_it_is_ready_gets_all_of_the_rate(rate, burst, count):
    bucket = TokenBucket(rate, burst)
    now = 0
    for _ in range(count):
        now = bucket.ready_ns(now)
        assert bucket.take(now)
    # A gap is rounded up to a whole nanosecond.
    assert now <= max(0, count - burst) * (1e9 / rate + 1)


def test_a_pause_fills_the_bucket_to_its_burst_and_no_further():
    bucket = TokenBucket(10, 3)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    later = 100 * 10**9
    assert [bucket.take(later) for _ in range(4)] == [True, True, True, False]


@given(
    st.floats(0, 3, allow_nan=False) | st.none(), st.integers(2, 6), st.integers(0, 2**32),
    st.lists(st.integers(0, 5), max_size=60),
)  # fmt: skip
def test_retries_keep_their_budget_their_attempts_and_their_longest_wait(budget, attempts, seed, tries):
    options = Retry(attempts=attempts, backoff=0.01, backoff_most=0.05, budget=budget)
    retries, same = Retries(options, seed), Retries(options, seed)
    granted = 0
    for made in tries:
        if not made:
            retries.first()
            same.first()
            continue
        wait_ns = retries.wait_ns(made, asked_ns=1000)
        assert wait_ns == same.wait_ns(made, asked_ns=1000)
        if wait_ns is not None:
            granted += 1
            assert made < attempts
            assert 1000 <= wait_ns <= 1000 + 1e9 * min(0.05, 0.01 * 2 ** (made - 1))
        if budget is not None:
            assert granted <= RESERVE + budget * retries.firsts
        elif made < attempts:
            assert wait_ns is not None


def test_without_jitter_waits_double_up_to_the_longest():
    retries = Retries(Retry(attempts=6, backoff=0.01, backoff_most=0.05, jitter="none", budget=None), 0)
    waits = [retries.wait_ns(made) for made in range(1, 6)]
    assert waits == [10_000_000, 20_000_000, 40_000_000, 50_000_000, 50_000_000]
    assert retries.wait_ns(6) is None


REPLIES = st.lists(st.tuples(st.booleans(), st.integers(1, 10**9), st.integers(0, 300)), max_size=200)


@given(st.sampled_from(("aimd", "gradient")), st.integers(1, 500), REPLIES)
def test_a_limit_stays_between_one_and_its_bound(kind, most, replies):
    found = limit(kind, most)
    now = 0
    for good, trip_ns, in_flight in replies:
        now += trip_ns
        tell = found.replied if good else None
        if tell:
            tell(now - trip_ns, now, in_flight)
        else:
            found.missed(now - trip_ns, now)
        assert 1 <= found.value <= most
    assert 1 <= found.least <= found.mean <= most or math.isclose(found.least, found.mean)


def test_aimd_grows_by_one_for_each_limit_of_replies_and_halves_once_for_what_was_under_way():
    found = Aimd(1000)
    for now in range(START):
        found.replied(now, now + 1, found.value)
    assert found.value == START
    for now in range(START, START + 2):
        found.replied(now, now + 1, found.value)
    assert found.value == START + 1
    for _ in range(10):
        found.missed(50, 100)
    assert found.value == (START + 1) // 2
    found.missed(101, 200)
    assert found.value == (START + 1) // 4


@pytest.mark.parametrize("kind", ["aimd", "gradient"])
def test_a_limit_that_nobody_reaches_does_not_grow(kind):
    found = limit(kind, 1000)
    for now in range(100):
        found.replied(now, now + 5, 1)
    assert found.value == START


def test_a_gradient_shrinks_when_replies_take_longer_and_grows_when_they_do_not():
    found = Gradient(1000)
    for now in range(400):
        found.replied(now, now + 1000, found.value)
    grown = found.value
    assert grown > START
    for now in range(400):
        found.replied(now, now + 100_000, found.value)
    assert found.value < grown / 2


def simulated(kind, at_once, most, replies=6000):
    """A server that works on `at_once` requests for 10 ms each, and always as many in flight as the limit allows."""
    found = limit(kind, most)
    free, away, now = [0] * at_once, [], 0
    for _ in range(replies):
        while len(away) < found.value:
            done = max(now, heapq.heappop(free)) + 10_000_000
            heapq.heappush(free, done)
            heapq.heappush(away, (done, now))
        now, sent = heapq.heappop(away)
        found.replied(sent, now, len(away) + 1)
    return found.value


@pytest.mark.parametrize("at_once", [40, 80])
def test_a_gradient_finds_what_a_server_works_on_at_once_without_a_loss(at_once):
    """It settles above it, by what it tolerates as no queueing and lets queue; aimd, which nothing stops, does not."""
    assert at_once <= simulated("gradient", at_once, 1000) <= 3 * at_once
    assert simulated("aimd", at_once, 100, replies=20_000) == 100
