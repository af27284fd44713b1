"""The search for a capacity, on stages whose capacity is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searched import SimulatedStage, search, searched

from benchkit.analysis.capacity import CONFIRMED, MOST_BLOCKS, SEARCHING, Asked, CapacitySearch, Evidence
from benchkit.analysis.document import document
from benchkit.load.search import Capacity

CLOCKED = Capacity(slo={"p99": 0.1, "loss": 0}, arrival="constant")
SWEEP = 10 * 3
"""Blocks of a linear sweep of ten levels, each measured as often as a confirmation asks."""


def a_block(
    late: int = 0, *, messages: int = 200, growth: float = 0.0, gone: int = 0, smallest_s: float = 0.006
):
    return Evidence(messages, messages - gone, gone, {"p99": late}, growth, 0.001, smallest_s, 0.03)


def machine(**changes) -> CapacitySearch:
    options = {
        "slo": {"p99": 0.1},
        "precision": 0.03,
        "random": False,
        "start_per_s": 100.0,
        "max_per_s": 1e6,
    }
    return CapacitySearch(Asked(**{**options, **changes}))


@pytest.mark.parametrize("stalls_per_s", [0.0, 1.0])
def test_the_capacity_is_found_within_three_percent_in_fewer_blocks_than_a_sweep(stalls_per_s):
    stage = SimulatedStage(0.005, stalls_per_s)
    found, blocks = [], []
    for seed in range(200):
        state, measured = search(stage, CLOCKED, seed)
        kept, _ = state.bracket()
        found.append(kept.rate_per_s if kept else 0.0)
        blocks.append(len(measured))
    ratios = np.array(found) / stage.capacity_per_s
    within = float(np.mean(np.abs(ratios - 1) <= 0.03))
    said = f"{within:.1%} within 3%, {ratios.min():.3f} to {ratios.max():.3f}, {np.mean(blocks):.1f} blocks"
    assert within >= 0.95, said
    assert np.mean(blocks) < SWEEP, said


def lindley_capacity(service_s: float, limit_s: float, share: float) -> float:
    """Poisson rate at which `share` of the messages of M/D/1 stay longer than `limit_s`, by simulation."""
    gaps = np.random.default_rng(0).exponential(1, 1_000_000)
    done = np.arange(1, len(gaps) + 1) * service_s
    low, high = 0.3, 0.999
    for _ in range(12):
        middle = (low + high) / 2
        due = np.cumsum(gaps * service_s / middle)
        stayed = np.maximum.accumulate(due - (done - service_s)) + done - due
        low, high = (low, middle) if np.mean(stayed > limit_s) > share else (middle, high)
    return low / service_s


def test_under_random_arrivals_the_interval_holds_the_capacity_that_theory_gives():
    load = Capacity(slo={"p99": 0.02, "loss": 0}, longest=120)
    truth = lindley_capacity(0.001 + 1.6e-5, 0.02, 0.01)
    holds = 0
    for seed in range(20):
        state, _ = search(SimulatedStage(0.001), load, seed, longest_s=120)
        sure = {rate: level.decided(CONFIRMED) for rate, level in state.levels.items()}
        low = max((rate for rate, said in sure.items() if said == "kept"), default=0.0)
        high = min((rate for rate, said in sure.items() if said == "broken"), default=math.inf)
        holds += low <= truth <= high
    assert holds >= 17


def test_no_single_block_decides_and_two_that_agree_do():
    state = machine()
    state.record(100, a_block(late=200))
    assert state.levels[100].decided(SEARCHING) is None
    assert state.next_level() == 100
    state.record(100, a_block(late=200))
    assert state.levels[100].decided(SEARCHING) == "broken"
    assert state.next_level() == 50


def test_a_disturbed_block_is_outvoted():
    state = machine()
    for late in (0, 150, 0, 0):
        assert state.next_level() == 100
        state.record(100, a_block(late=late))
    assert state.levels[100].decided(SEARCHING) == "kept"


def test_a_queue_that_grows_breaks_a_level_in_which_no_message_is_late():
    state = machine()
    for _ in range(2):
        state.record(100, a_block(growth=0.02))
    assert state.levels[100].unsustained
    assert state.levels[100].broken_by == ["growth"]


def test_one_lost_message_breaks_a_promise_of_none():
    state = machine(slo={"p99": 0.1, "loss": 0.0})
    state.record(100, a_block(gone=1))
    assert state.levels[100].decided(CONFIRMED) == "broken"
    assert state.levels[100].broken_by == ["loss"]


def test_where_nothing_can_keep_it_the_search_ends_after_one_level():
    state, blocks = search(SimulatedStage(0.005), Capacity(slo={"p99": 0.004}, arrival="constant"), 0)
    assert state.hopeless
    assert len(blocks) <= 3
    assert state.bracket()[0] is None


def test_the_highest_rate_of_interest_ends_it():
    state = machine(max_per_s=300.0)
    tried = []
    while (rate := state.next_level()) is not None:
        tried.append(rate)
        state.record(rate, a_block())
    assert max(tried) == 300
    assert state.bracket()[1] is None
    assert state.levels[300].sure


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_it_ends_whatever_it_is_told(random, poisson):
    state = machine(random=poisson)
    blocks = 0
    while (rate := state.next_level()) is not None:
        late = random.choice((0, 0, 1, 2, 5, 200))
        state.record(rate, a_block(late, growth=random.choice((0.0, 0.0, 0.02, -0.5))))
        blocks += 1
        assert len(state.levels[rate].blocks) <= MOST_BLOCKS
        assert len(state.levels) < 60
    kept, broken = state.bracket()
    assert kept is None or broken is None or kept.rate_per_s < broken.rate_per_s


def test_the_document_says_the_rate_the_edge_and_what_limits_it():
    run = searched(SimulatedStage(0.005), SimulatedStage(0.007), load=CLOCKED)
    made = document(run)
    fast, slow = made["cells"]
    found = fast["capacity"]
    assert fast["validity"]["valid"], fast["validity"]
    assert found["edge"]["kind"] == "cliff"
    assert found["limited_by"] == "stage"
    assert found["reached"] and found["interval"][0] == found["rate_per_s"] < found["interval"][1]
    # The cell's figures are those of the level that was found, not of the broken ones.
    assert fast["latency_us"]["max"] < 100e3
    assert fast["load"]["offered_per_s"] == found["rate_per_s"]
    first, second = made["ranking"]
    assert (first["cell"], second["cell"]) == (fast["id"], slow["id"])
    assert not second["tied_with_best"]
    assert 1.3 < second["ratio_to_best"] < 1.5
    assert any(
        "shm raw holds" in sentence and "a cliff; limited by the stage" in sentence
        for sentence in made["answer"]
    )


def test_failures_stand_in_the_denominator_of_goodput():
    run = searched(SimulatedStage(0.005), load=CLOCKED)
    for level in document(run)["cells"][0]["capacity"]["levels"]:
        if level["failed"]:
            assert level["goodput"] <= 1 - level["failed"] / level["scheduled"]
            assert level["verdict"] == "broken"


def test_a_promise_that_no_level_keeps_is_told_with_the_smallest_latency():
    run = searched(SimulatedStage(0.005), load=Capacity(slo={"p99": 0.004}, arrival="constant"))
    made = document(run)
    (cell,) = made["cells"]
    assert cell["capacity"]["rate_per_s"] is None
    assert "no-level-keeps" in [reason["code"] for reason in cell["validity"]["reasons"]]
    assert "the smallest latency seen is 5.0 ms" in made["answer"][0]
    assert [promise["kept"] for promise in made["promises"]] == [False]


def test_a_slope_is_told_from_a_cliff():
    """Random arrivals and a limit of four service times: latency is too long while the stage is far from full."""
    run = searched(SimulatedStage(0.002), load=Capacity(slo={"p90": 0.008}))
    (cell,) = document(run)["cells"]
    assert cell["capacity"]["edge"]["kind"] == "slope"
    assert cell["capacity"]["rate_per_s"] < 0.95 / 0.002


@pytest.mark.parametrize(
    ("ended", "code", "valid"), [("time", "search-unfinished", True), ("given-up", "search-given-up", False)]
)
def test_a_search_that_did_not_come_to_its_end_says_why(ended, code, valid):
    (cell,) = document(searched(SimulatedStage(0.005), load=CLOCKED, ended=ended))["cells"]
    assert code in [reason["code"] for reason in cell["validity"]["reasons"]]
    assert cell["validity"]["valid"] is valid
