"""Which blocks count as disturbed: outliers of the run's own level, and not the noise that is usual in it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from synthetic import a_cell, a_run

from benchkit.analysis.disturbance import calm, disturbed
from benchkit.analysis.document import document
from benchkit.records.run import Block
from benchkit.records.seen import Disturbance


def block(index: int, **seen: Any) -> Block:
    plain = {"spin_ns": (250_000, 250_000), "memcpy_ns": (90_000, 90_000), "elapsed_s": 1.0}
    return Block("c", index, 0, 0, 0, 1, None, disturbance=Disturbance(**{**plain, **seen}))


def noisy(rng: np.random.Generator, sigma: float, count: int = 30) -> list[Block]:
    def pair(level: float) -> tuple[int, int]:
        return tuple(int(level * factor) for factor in np.exp(sigma * rng.standard_normal(2)))

    return [block(index, spin_ns=pair(250e3), memcpy_ns=pair(90e3)) for index in range(count)]


@pytest.mark.parametrize("sigma", [0.01, 0.1, 0.3])
def test_usual_noise_however_large_is_no_disturbance(sigma: float) -> None:
    said = sum(len(disturbed(noisy(np.random.default_rng(seed), sigma))) for seed in range(30))
    assert said <= 2  # of 900 blocks


@pytest.mark.parametrize("seen", [{"spin_ns": (250_000, 900_000)}, {"memcpy_ns": (400_000, 90_000)}])
def test_a_canary_far_beyond_the_usual_names_its_block(seen: dict[str, Any]) -> None:
    blocks = noisy(np.random.default_rng(1), 0.03)
    blocks[7] = block(7, **seen)
    assert list(disturbed(blocks)) == [7]
    assert "times as long as usual" in disturbed(blocks)[7]


def test_a_third_of_disturbed_blocks_does_not_hide_itself() -> None:
    blocks = noisy(np.random.default_rng(2), 0.03)
    slow = set(range(0, 30, 3))
    blocks = [block(b.index, spin_ns=(700_000, 710_000)) if b.index in slow else b for b in blocks]
    assert set(disturbed(blocks)) == slow


def test_a_quiet_machine_does_not_cry_wolf_over_a_few_percent() -> None:
    blocks = [block(index) for index in range(20)]
    blocks[3] = block(3, spin_ns=(250_000, 330_000))
    assert disturbed(blocks) == {}


def test_with_few_readings_there_is_no_level_to_judge_by() -> None:
    assert calm([1] * 7) is None
    assert disturbed([block(0), block(1), block(2, spin_ns=(250_000, 2_500_000))]) == {}


def test_steal_is_judged_by_the_runs_own_and_at_most_by_a_fifth() -> None:
    usual = [block(index, steal_share=0.02) for index in range(10)]
    assert disturbed([*usual, block(10, steal_share=0.04)]) == {}
    assert list(disturbed([*usual, block(10, steal_share=0.09)])) == [10]
    often = [block(index, steal_share=0.06) for index in range(10)]
    assert disturbed([*often, block(10, steal_share=0.09)]) == {}
    always = [block(index, steal_share=0.3) for index in range(10)]
    assert len(disturbed(always)) == 10


def test_steal_of_a_block_shorter_than_a_few_ticks_is_not_judged() -> None:
    assert disturbed([block(0, steal_share=0.5, elapsed_s=0.05)]) == {}


def test_the_quota_and_heat_need_no_level() -> None:
    found = disturbed([block(0, throttled_s=0.005), block(1, throttled_s=0.02), block(2, thermal_events=1)])
    assert set(found) == {1, 2}
    assert "quota" in found[1]


def test_what_the_kernel_does_not_say_disturbs_nothing() -> None:
    assert disturbed([block(index) for index in range(12)]) == {}
    assert disturbed([dataclasses.replace(block(0), disturbance=None)]) == {}


def test_the_cell_with_the_disturbed_blocks_is_the_one_that_is_blamed() -> None:
    """Two cells, six rounds: three disturbed blocks of one are too many, one of the other is a note."""
    run = a_run([a_cell(), a_cell("unix/raw/camera/100ps")], rounds=6, count=300)
    slow = {0, 4, 6, 3}  # even: the first cell's
    run.blocks = [
        dataclasses.replace(
            b, disturbance=block(0, spin_ns=(250_000, 800_000 if b.index in slow else 252_000)).disturbance
        )
        for b in run.blocks
    ]
    first, second = ({r["code"]: r for r in cell["validity"]["reasons"]} for cell in document(run)["cells"])
    assert first["machine-disturbed"]["severity"] == "invalid"
    assert "block 0, 4, 6 (3 of 6)" in first["machine-disturbed"]["message"]
    assert second["machine-disturbed"]["severity"] == "note"
    assert "block 3 (1 of 6)" in second["machine-disturbed"]["message"]


def test_one_disturbed_block_of_two_is_bad_luck_and_named() -> None:
    run = a_run(rounds=2)
    run.blocks[1] = dataclasses.replace(run.blocks[1], disturbance=block(1, thermal_events=1).disturbance)
    (cell,) = document(run)["cells"]
    (reason,) = [r for r in cell["validity"]["reasons"] if r["code"] == "machine-disturbed"]
    assert reason["severity"] == "note"
    assert cell["blocks_detail"][1]["disturbance"]["thermal_events"] == 1
