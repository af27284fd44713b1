"""Slopes of memory: what is flat, what leaks, what only looks like it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import a_cell, a_run

from benchkit.analysis import growth as growing
from benchkit.analysis.document import document
from benchkit.analysis.growth import FLAT_BYTES_PER_H, as_document, growth, sentences, theil_sen
from benchkit.records.run import Block, Resumption, Run
from benchkit.records.seen import Holding

BLOCKS, SPACED_S = 360, 10.0
MB = 1_000_000


def soaked(rss: Any, *, name: str = "runner", descriptors: Any = 11, **changes: Any) -> Run:
    """An hour of blocks without messages, of which a process held so much; `rss` by the block's number."""
    cell = a_cell("shm/raw/x/1")
    blocks = [
        Block(
            cell.id,
            index,
            index,
            started_ns=int(index * SPACED_S * 1e9),
            ended_ns=int((index + 1) * SPACED_S * 1e9),
            scheduled=0,
            offered_per_s=100.0,
            held={name: Holding(int(rss(index)), int(rss(index)) // 2, None, fds(descriptors, index), 3)},
        )
        for index in range(BLOCKS)
    ]
    run = a_run([cell], rounds=1)
    return replace(run, blocks=blocks, samples={}, **changes)


def fds(descriptors: Any, index: int) -> int:
    return int(descriptors(index)) if callable(descriptors) else int(descriptors)


def leaking(mb_per_h: float, noise: Any = lambda _: 0.0) -> Any:
    return lambda index: 70 * MB + mb_per_h * MB * index * SPACED_S / 3600 + noise(index)


def sawtooth(index: int) -> float:
    """Garbage that is collected every fourth block."""
    return 300_000 * (index % 4)


def test_a_leak_of_3_mb_an_hour_is_found_below_a_sawtooth_ten_times_as_high() -> None:
    found = growth(soaked(leaking(3.0, lambda index: 10 * sawtooth(index))))["runner"]
    slope = found.memory["rss_bytes"]
    assert not slope.flat
    assert found.flat is False
    assert slope.per_hour_ci95[0] <= 3 * MB <= slope.per_hour_ci95[1]


@pytest.mark.parametrize(
    "rss",
    [
        leaking(0.0, sawtooth),
        leaking(0.5),
        leaking(-5.0),
        lambda index: 70 * MB + (20 * MB if index >= 40 else 0),  # a cache that fills within seven minutes
        lambda index: 70 * MB + (50 * MB if index == 200 else 0),
    ],
    ids=["sawtooth", "less than a megabyte", "shrinks", "a step at the beginning", "a peak"],
)
def test_what_is_flat(rss: Any) -> None:
    assert growth(soaked(rss))["runner"].flat is True


@given(st.floats(-50 * MB, 50 * MB), st.integers(0, 2**31))
def test_a_slope_that_is_added_is_found_whole(per_hour: float, seed: int) -> None:
    hours = np.linspace(0, 1, 40)
    noise = np.random.default_rng(seed).normal(0, MB, 40)
    slope, (low, high) = theil_sen(hours, noise)
    more, ends = theil_sen(hours, noise + per_hour * hours)
    assert more == pytest.approx(slope + per_hour, abs=1.0)
    assert ends == pytest.approx((low + per_hour, high + per_hour), abs=1.0)


def test_intervals_allow_for_windows_that_depend_on_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    held = covered()
    monkeypatch.setattr(growing, "_dependence", lambda _: 1.0)
    assert covered() + 20 <= held
    assert held >= 160


def covered() -> int:
    """How many of 200 intervals hold the truth, no trend, where each value takes over 0.6 of the one before."""
    found = 0
    for seed in range(200):
        rng, values = np.random.default_rng(seed), np.zeros(60)
        for at in range(1, 60):
            values[at] = 0.6 * values[at - 1] + rng.normal()
        low, high = theil_sen(np.arange(60.0), values)[1]
        found += low <= 0 <= high
    return found


def test_descriptors_that_grow_are_found_and_one_that_is_opened_once_is_none() -> None:
    once = growth(soaked(leaking(0.0), descriptors=lambda index: 11 + (index > 0)))["runner"]
    more = growth(soaked(leaking(0.0), descriptors=lambda index: 11 + index // 100))["runner"]
    assert (once.grown, more.grown) == ((), ("descriptors",))
    assert "runner has more and more descriptors: 11, then 14" in list(sentences({"runner": more}))


def test_a_short_run_says_nothing_of_an_hour() -> None:
    run = soaked(leaking(100.0))
    assert growth(replace(run, blocks=run.blocks[:50])) == {}
    assert document(replace(run, blocks=run.blocks[:50]))["growth"] == {}


def test_processes_before_a_resume_are_others() -> None:
    run = soaked(lambda index: 70 * MB if index < 100 else 50 * MB)
    run.resumed.append(Resumption(100, "", ""))
    kept = growth(run)["runner"]
    assert kept.looks == BLOCKS - 100
    assert kept.memory["rss_bytes"].per_hour == 0


def test_brokers_of_two_cells_are_two_and_one_is_one() -> None:
    run = soaked(leaking(0.0), name="broker")
    assert list(growth(run)) == ["broker"]
    blocks = [replace(block, cell=f"cell-{block.index % 2}") for block in run.blocks]
    assert sorted(growth(replace(run, blocks=blocks))) == ["broker of cell-0", "broker of cell-1"]


def test_the_document_and_its_answer_say_it() -> None:
    told = document(soaked(leaking(5.0)))
    assert told["growth"]["runner"]["flat"] is False
    assert told["growth"]["runner"]["memory"]["rss_bytes"]["per_hour"] == pytest.approx(5 * MB, rel=0.01)
    assert "pss_bytes" not in told["growth"]["runner"]["memory"]
    assert any(line.startswith("memory of runner grows: +5.00 MB/h") for line in told["answer"])
    flat = as_document(growth(soaked(leaking(0.2))))
    assert flat["runner"]["memory"]["rss_bytes"]["per_hour_ci95"][1] < FLAT_BYTES_PER_H
