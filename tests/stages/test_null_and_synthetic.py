"""Stages of known cost."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
from pydantic import ValidationError

from benchkit.stages import synthetic
from benchkit.stages.null import Null
from benchkit.stages.synthetic import Synthetic, service_times_ns
from benchkit.tensors.message import Message

DRAWN = 40_000


def times_s(seed=1, **options):
    return np.array(list(islice(service_times_ns(Synthetic(**options), seed), DRAWN))) / 1e9


def messages(count):
    return [Message(index, {"x": np.zeros(index, "f4")}) for index in range(count)]


class Clock:
    """A monotonic clock that moves on by `step_ns` at each look, and by whatever is slept."""

    def __init__(self, step_ns=100):
        self.now_ns, self.step_ns, self.slept = 5_000, step_ns, []

    def monotonic_ns(self):
        self.now_ns += self.step_ns
        return self.now_ns

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now_ns += int(seconds * 1e9 * 0.6)  # wakes too early, as a sleep may


@pytest.fixture
def clock(monkeypatch):
    fake = Clock()
    monkeypatch.setattr(synthetic, "time", fake)
    return fake


def test_null_replies_with_nothing_to_each():
    assert Null().open(0).run(messages(3)) == [{}, {}, {}]
    assert Null().open(0).facts() == {}


@pytest.mark.parametrize("busy", ["spin", "sleep"])
@pytest.mark.parametrize("count", [1, 4])
def test_a_batch_takes_the_sum_of_its_messages(clock, busy, count):
    stage = Synthetic(service="2ms", busy=busy).open(0)
    began_ns = clock.now_ns
    stage.run(messages(count))
    taken_ns = clock.now_ns - began_ns
    assert 2_000_000 * count <= taken_ns <= 2_000_000 * count + 2000
    assert bool(clock.slept) == (busy == "sleep")


def test_a_service_time_of_nothing(clock):
    stage = Synthetic(service=0).open(0)
    assert len(stage.run(messages(2))) == 2


def test_the_reply_says_how_much_came(clock):
    replies = Synthetic(service="1us").open(0).run(messages(3))
    assert [reply["payload_bytes"].tolist() for reply in replies] == [[0], [4], [8]]
    assert replies[0]["payload_bytes"].dtype == np.int64


@pytest.mark.parametrize(
    ("options", "cv"),
    [
        ({"distribution": "constant"}, 0.0),
        ({"distribution": "exponential"}, 1.0),
        ({"distribution": "gamma", "cv": 0.5}, 0.5),
        ({"distribution": "gamma", "cv": 2.0}, 2.0),
        ({"distribution": "lognormal", "cv": 0.5}, 0.5),
    ],
)
def test_mean_and_variation_are_as_asked_for(options, cv):
    drawn_s = times_s(service="5ms", **options)
    # Four standard errors of the mean, cv / sqrt(n); the deviation's depend on the fourth moment.
    assert drawn_s.mean() == pytest.approx(0.005, rel=4 * cv / math.sqrt(DRAWN) + 1e-6)
    assert drawn_s.std() / drawn_s.mean() == pytest.approx(cv, rel=0.06, abs=1e-6)
    assert drawn_s.min() >= 0


def test_exponential_times_have_no_memory():
    drawn_s = times_s(service="5ms", distribution="exponential")
    assert (drawn_s > 0.005).mean() == pytest.approx(math.exp(-1), abs=0.01)


def test_equal_seeds_make_equal_times_and_others_do_not():
    options = {"service": "5ms", "distribution": "gamma", "cv": 1.0}
    assert np.array_equal(times_s(seed=7, **options), times_s(seed=7, **options))
    assert not np.array_equal(times_s(seed=7, **options), times_s(seed=8, **options))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({}, "service"),
        ({"service": -1}, "greater than or equal to 0"),
        ({"service": "1ms", "distribution": "gamma"}, "gamma needs cv"),
        ({"service": "1ms", "distribution": "lognormal"}, "lognormal needs cv"),
        ({"service": "1ms", "cv": 0.5}, "constant has no cv"),
        ({"service": "1ms", "distribution": "exponential", "cv": 1}, "exponential has no cv"),
        ({"service": "1ms", "distribution": "gamma", "cv": 0}, "greater than 0"),
        ({"service": "1ms", "distribution": "normal"}, "lognormal"),
        ({"service": "1ms", "busy": "idle"}, "spin"),
    ],
)
def test_options_that_mean_nothing(options, what):
    with pytest.raises(ValidationError, match=what):
        Synthetic(**options)


@pytest.mark.parametrize("busy", ["spin", "sleep"])
def test_on_the_real_clock_it_never_ends_early(busy):
    import time

    stage = Synthetic(service="2ms", busy=busy).open(0)
    began_ns = time.monotonic_ns()
    stage.run(messages(2))
    assert time.monotonic_ns() - began_ns >= 4_000_000
