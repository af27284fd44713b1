"""A difference that the ruler or the machine can explain is a tie, however narrow its interval."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from synthetic import PHASE_US, a_cell, a_run

from benchkit.analysis import noise
from benchkit.analysis.document import document
from benchkit.analysis.ranking import Entrant, rank_group
from benchkit.records.run import Floor, Run
from benchkit.records.seen import Disturbance

A, B = "shm/raw/camera/100ps", "unix/raw/camera/100ps"


def pair(slower: float = 1.05) -> Run:
    return a_run([a_cell(A), a_cell(B)], rounds=8, count=500, noise=0.02, scale={B: slower})


def place(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """The slower cell's place and its reasons by code."""
    found = document(run)
    (cell,) = [each for each in found["cells"] if each["id"] == B]
    (ranked,) = [each for each in found["ranking"] if each["cell"] == B]
    return ranked, {reason["code"]: reason for reason in cell["validity"]["reasons"]}


def drifting(run: Run, by: float) -> None:
    """The fixed spin is slower by this factor around B's blocks, as if the machine were."""
    run.blocks = [
        dataclasses.replace(
            block,
            disturbance=Disturbance(
                (int(250e3 * (by if block.cell == B else 1)),) * 2, (90_000, 90_000), 1.0
            ),
        )
        for block in run.blocks
    ]


def test_a_clear_difference_on_a_good_ruler_is_one() -> None:
    ranked, reasons = place(pair())
    assert not ranked["tied_with_best"]
    assert "effect-below-noise" not in reasons


def test_a_difference_below_the_null_spread_is_a_tie_and_says_so() -> None:
    run = pair()
    more_us = 0.05 * sum(PHASE_US.values())
    assert run.floor is not None
    run.floor = dataclasses.replace(run.floor, null_spread_us=1.5 * more_us)
    ranked, reasons = place(run)
    assert ranked["tied_with_best"]
    assert ranked["ratio_ci95"][0] > 1
    assert ranked["noise_us"] == pytest.approx(1.5 * more_us)
    assert reasons["effect-below-noise"]["severity"] == "note"
    assert A in reasons["effect-below-noise"]["message"]
    assert reasons["effect-below-noise"]["remedy"]


@pytest.mark.parametrize(("by", "tied"), [(1.02, False), (1.08, True), (1 / 1.08, True)])
def test_a_difference_below_the_canarys_own_drift_is_a_tie(by: float, tied: bool) -> None:
    run = pair()
    drifting(run, by)
    ranked, reasons = place(run)
    assert (ranked["tied_with_best"], "effect-below-noise" in reasons) == (tied, tied)


def test_what_is_no_claim_anyway_needs_no_note() -> None:
    run = pair(1.0)
    drifting(run, 1.5)
    _, reasons = place(run)
    assert "effect-below-noise" not in reasons


def test_the_clocks_granularity_is_part_of_the_ruler() -> None:
    coarse = Floor(30.0, 1e10, {}, {}, clock_granularity_ns=15_625_000.0, null_spread_us=3.0)
    assert noise.ruler_ns(coarse) == 15_625_000
    assert noise.ruler_ns(dataclasses.replace(coarse, clock_granularity_ns=1.0)) == 3000
    assert noise.ruler_ns(None) == 0


def test_the_drift_is_of_the_rounds_that_both_have() -> None:
    assert noise.drift({0: 1.0, 1: 2.0, 5: 9.0}, {0: 0.5, 1: 1.0, 7: 3.0}) == 0.75
    assert noise.drift({0: 1.0}, {1: 1.0}) == 0
    assert noise.noise_ns(1000, -math.log(1.1), 10) == pytest.approx(100)


def test_records_of_before_have_no_noise_floor() -> None:
    """Without spins and without a ruler every claim stands as it did."""
    places = rank_group(
        [Entrant("a", 100, {0: 100, 1: 101, 2: 99}), Entrant("b", 120, {0: 120, 1: 121, 2: 119})]
    )
    assert [each.noise_ns for each in places] == [0, 0]
    assert not places[1].tied
