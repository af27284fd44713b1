"""The Universal Scalability Law: planted coefficients are found again, and nothing is said that is not known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_runs import workers
from searched import SimulatedStage, searched

from benchkit.analysis.document import document
from benchkit.analysis.usl import Law, Point, fit
from benchkit.load.search import Capacity

COUNTS = (1, 2, 4, 8, 12)


def points(law: Law, noise: float, blocks: int, seed: int, counts: tuple[int, ...] = COUNTS) -> list[Point]:
    rng = np.random.default_rng(seed)
    return [
        Point(n, tuple((law.per_s(n) * np.exp(noise * rng.standard_normal(blocks))).tolist())) for n in counts
    ]


@settings(deadline=None)  # the first fit imports a library
@given(
    st.floats(1, 1e5), st.floats(0, 1), st.floats(0, 0.2),
    st.sets(st.integers(1, 64), min_size=3, max_size=6).map(lambda found: tuple(sorted(found))),
)  # fmt: skip
def test_without_noise_the_law_is_found_exactly(
    one: float, sigma: float, kappa: float, counts: tuple[int, ...]
) -> None:
    planted = Law(one, sigma, kappa)
    found = fit(points(planted, 0.0, 1, 0, counts))
    for n in counts:
        assert found.law.per_s(n) == pytest.approx(planted.per_s(n), rel=1e-6)
    assert found.misfit < 1e-6
    assert found.sigma_ci is None  # one block each tells nothing of the noise


@settings(deadline=None, max_examples=40)  # each draws a thousand times
@given(st.lists(st.floats(1, 1e4), min_size=4, max_size=4))
def test_coefficients_stay_within_their_bounds_whatever_was_measured(reached: list[float]) -> None:
    try:
        found = fit([Point(n, (per_s, per_s * 1.1)) for n, per_s in zip((1, 2, 4, 8), reached, strict=True)])
    except ValueError:
        return
    assert 0 <= found.law.sigma <= 1
    assert found.law.kappa >= 0
    assert found.law.lambda_per_s > 0
    for interval, value in ((found.sigma_ci, 1.0), (found.kappa_ci, math.inf)):
        assert interval is not None or found.superlinear
        assert interval is None or 0 <= interval[0] <= interval[1] <= value


@pytest.mark.parametrize("planted", [Law(100.0, 0.05, 0.004), Law(2000.0, 0.3, 0.01), Law(10.0, 0.02, 0.0)])
def test_intervals_hold_what_was_planted_in_nine_of_ten(planted: Law) -> None:
    trials = 40
    held = dict.fromkeys(("lambda", "sigma", "kappa"), 0)
    for seed in range(trials):
        found = fit(points(planted, 0.03, 3, seed))
        for name, value, interval in (
            ("lambda", planted.lambda_per_s, found.lambda_ci), ("sigma", planted.sigma, found.sigma_ci),
            ("kappa", planted.kappa, found.kappa_ci),
        ):  # fmt: skip
            assert interval is not None
            held[name] += interval[0] - 1e-12 <= value <= interval[1] + 1e-12
    assert min(held.values()) >= 0.9 * trials, held


def test_the_best_number_of_workers_is_told_only_where_it_is_bounded() -> None:
    falls = fit(points(Law(100.0, 0.05, 0.02), 0.02, 4, 1))
    assert falls.best_ci is not None
    assert falls.best_ci[0] <= math.sqrt(0.95 / 0.02) <= falls.best_ci[1]
    grows = fit(points(Law(100.0, 0.02, 0.0), 0.02, 4, 1))
    assert grows.best_ci is None


def test_the_band_holds_the_curve_and_a_point_off_the_law_is_told() -> None:
    found = fit(points(Law(100.0, 0.05, 0.01), 0.02, 4, 2))
    for each in found.curve:
        assert each.band is not None
        assert each.band[0] <= each.per_s * 1.01
        assert each.band[1] >= each.per_s * 0.99
    stepped = [Point(n, (per_s,)) for n, per_s in ((1, 100.0), (2, 200.0), (4, 50.0), (8, 400.0))]
    assert fit(stepped).misfit > 0.3


def test_more_than_linear_growth_is_told_and_bounds_nothing() -> None:
    found = fit([Point(n, (n**1.2 * 99.0, n**1.2 * 100.0, n**1.2 * 101.0)) for n in (1, 2, 4)])
    assert (found.law.sigma, found.sigma_ci, found.superlinear) == (0.0, None, True)
    assert not fit(points(Law(100.0, 0.0, 0.0), 0.02, 4, 3)).superlinear


def test_two_worker_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="3 worker counts"):
        fit([Point(1, (100.0,)), Point(2, (180.0,)), Point(2, (181.0,))])


def entry(run: Any) -> dict[str, Any]:
    (found,) = document(run)["scaling"]
    return dict(found)


def test_a_run_that_differs_by_its_workers_tells_its_law() -> None:
    run = workers()
    found = entry(run)
    assert [each["workers"] for each in found["points"]] == [1, 2, 4, 8]
    assert found["sigma_ci95"][0] <= 0.04 <= found["sigma_ci95"][1]
    assert found["kappa_ci95"][0] <= 0.01 <= found["kappa_ci95"][1]
    assert found["best_workers"] == pytest.approx(math.sqrt(0.96 / 0.01), rel=0.1)
    assert found["sentence"] in document(run)["answer"]
    for each in found["points"]:
        assert each["interval"][0] < each["per_s"] < each["interval"][1]


def test_two_counts_get_a_reason_and_no_sentence_in_the_answer() -> None:
    run = workers((1, 2))
    found = entry(run)
    assert "three coefficients" in found["refused"]
    assert found["sigma"] is None
    assert not any("scalability" in said for said in document(run)["answer"])
    assert document(workers((1,)))["scaling"] == []


def test_a_load_that_was_kept_up_with_says_nothing_of_capacity() -> None:
    run = workers()
    run.blocks = [replace(block, offered_per_s=90.0) for block in run.blocks]
    found = entry(run)
    assert found["points"] == []
    assert {each["why"] for each in found["left_out"]} == {"kept-up"}
    assert "1, 2, 4, 8 workers kept up" in found["refused"]
    assert found["sentence"] in document(run)["answer"]


def test_an_overloaded_open_loop_shows_what_its_workers_can_do() -> None:
    run = workers()
    run.blocks = [replace(block, offered_per_s=1000.0) for block in run.blocks]
    assert len(entry(run)["points"]) == 4


def test_cells_that_differ_in_more_than_their_workers_are_sets_of_their_own() -> None:
    run, other = workers((1, 2, 4)), workers((1, 2, 4))
    for number, cell in enumerate(other.cells):
        new = replace(cell, id=cell.id.replace("http", "shm"), transport="shm")
        other.samples[new.id] = other.samples.pop(cell.id)
        other.cells[number] = new
        other.blocks = [
            replace(block, cell=new.id, index=block.index) if block.cell == cell.id else block
            for block in other.blocks
        ]
    run.cells += other.cells
    shift = len(run.blocks)
    run.blocks += [replace(block, index=block.index + shift) for block in other.blocks]
    for samples in other.samples.values():
        samples["block"] += shift
    run.samples |= other.samples
    titles = [each["title"] for each in document(run)["scaling"]]
    assert titles == ["http raw, images, closed", "shm raw, images, closed"]


def test_a_searched_capacity_is_drawn_from_its_own_interval() -> None:
    law = Law(100.0, 0.05, 0.01)
    exact = [Point(n, (law.per_s(n),), (law.per_s(n) * 0.98, law.per_s(n) * 1.02)) for n in COUNTS]
    found = fit(exact)
    assert found.sigma_ci is not None
    assert found.sigma_ci[0] < 0.05 < found.sigma_ci[1]
    run = searched(SimulatedStage(0.005), load=Capacity(slo={"p99": 0.1, "loss": 0}, arrival="constant"))
    assert document(run)["scaling"] == []
