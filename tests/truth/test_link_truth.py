"""A link does what it was asked, seen from outside, with bounds for a busy machine; `measure_link.py` has none."""

from math import sqrt

import pytest
from links import delays, loss, rate

from benchkit.link.plan import Impairment
from benchkit.link.process import link_process

MS = 1_000_000


@pytest.fixture(scope="module")
def process():
    with link_process() as running:
        yield running


def test_the_delay_that_both_ends_see_is_the_one_asked_for(process):
    found = delays(process, Impairment(20 * MS, 3 * MS, 10 * MS, "gamma"), count=60, gap_s=0.004)
    # What is late is the machine; nothing arrives before its time, and half of the messages are on time.
    assert found.seen["p50"] / found.asked["p50"] == pytest.approx(1.0, abs=0.3)
    assert found.told["p50"] / found.asked["p50"] == pytest.approx(1.0, abs=0.3)
    assert found.seen["p50"] > 0.9 * found.asked["p50"]


def test_what_arrives_has_the_rate_asked_for_and_the_link_knows(process):
    seen, told = rate(process, 2e6, 0.7)
    assert 0.7 < seen < 1.06
    assert 0.7 < told < 1.06


def test_what_does_not_arrive_is_what_was_to_be_lost(process):
    count, share, burst = 4000, 0.1, 4.0
    lost, run = loss(process, Impairment(loss=share, loss_burst=burst), count)
    assert abs(lost - share) < 5 * share * sqrt(2 * burst / (count * share))
    assert 2.5 < run < 6.5
