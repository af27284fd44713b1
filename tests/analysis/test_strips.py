"""Strip by strip or all at once, mapped or in memory: the same figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import a_cell, a_run, block_samples

from benchkit.analysis import strips
from benchkit.analysis.account import fates, open_blocks
from benchkit.analysis.document import document
from benchkit.analysis.measure import measure
from benchkit.records import reading
from benchkit.records.folder import load, save
from benchkit.records.samples import Samples, Status


def cell() -> Samples:
    rng = np.random.default_rng(5)
    sizes = (40, 3, 700, 1, 90)
    made = np.concatenate(
        [
            block_samples(
                rng, index, count=size, warmup=1, phase_us={"queue": 900.0, "compute": 300.0}, noise=0.4
            )
            for index, size in enumerate(sizes)
        ]
    )
    made["worker"] = np.arange(len(made)) % 2
    made["seq"] = np.arange(len(made))
    # Batches of four across any cut, and some that never came back.
    for name in ("started", "finished", "replied"):
        made[name] = np.repeat(made[name][3::4], 4)[: len(made)] if len(made) % 4 == 0 else made[name]
    lost = np.arange(len(made)) % 11 == 0
    made["status"][lost] = Status.LOST
    made["returned"][lost] = 0
    return made


@pytest.mark.parametrize("rows", [1, 7, 64, 10_000])
def test_the_cut_changes_no_figure(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = cell()
    whole, kept = measure(samples), fates(samples)
    monkeypatch.setattr(strips, "STRIP", rows)
    assert measure(samples) == whole
    assert fates(samples) == kept


def test_blocks_in_any_order_are_the_same_blocks() -> None:
    samples = cell()
    mixed = samples[np.argsort(samples["block"] % 3, kind="stable")]
    assert measure(mixed) == measure(samples)
    assert fates(mixed) == fates(samples)


def test_no_samples_have_a_layout_too() -> None:
    found = strips.layout(cell()[:0])
    assert (len(found.numbers), list(found.parts())) == (0, [])


@pytest.mark.parametrize("rows", [3, 10_000])
def test_a_message_that_is_there_twice_is_found_across_strips(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run([a_cell()], count=12, rounds=2)
    samples = run.samples[a_cell().id]
    samples["seq"][7] = samples["seq"][2]
    monkeypatch.setattr(strips, "STRIP", rows)
    assert open_blocks(fates(samples), run.blocks) == [samples["block"][7]]


def test_a_mapped_run_says_what_a_run_in_memory_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run([a_cell(), a_cell("unix/raw/camera/100ps")], count=200, rounds=4)
    folder = save(run, document(run), tmp_path)
    monkeypatch.setattr(reading, "_MAPPED_BYTES", 1)
    monkeypatch.setattr(strips, "STRIP", 100)
    mapped = load(folder)
    assert all(strips._mapping(samples) is not None for samples in mapped.samples.values())
    assert document(mapped) == document(run)
