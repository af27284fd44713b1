"""A run while it is measured: what is on the disk at any moment, and what of it counts."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import a_cell, a_run

from benchkit.analysis.document import document
from benchkit.errors import RecordError, StorageError, UsageError
from benchkit.records import recording as module
from benchkit.records import writing
from benchkit.records.folder import load, save
from benchkit.records.recording import Recording
from benchkit.records.run import Block, Run
from benchkit.records.samples import SAMPLE, Samples
from benchkit.records.unfinished import unfinished


def measured(rounds: int = 6) -> tuple[Run, list[tuple[Block, Samples]]]:
    """A header without blocks, and the blocks with their samples in the order of measurement."""
    run = a_run([a_cell(), a_cell("unix/raw/camera/100ps")], count=20, warmup=2, rounds=rounds)
    parts = [(block, run.samples[block.cell]) for block in run.blocks]
    own = [(block, samples[samples["block"] == block.index]) for block, samples in parts]
    return dataclasses.replace(run, blocks=[], samples={}), own


def kept(out: Path, count: int, **more: Any) -> tuple[Recording, Run, list[tuple[Block, Samples]]]:
    header, blocks = measured()
    recording = Recording(out, **more)
    for block, samples in blocks[:count]:
        recording.keep(header, block, samples)
    return recording, header, blocks


def same(run: Run, blocks: list[tuple[Block, Samples]]) -> bool:
    cells = {block.cell for block, _ in blocks}
    return run.blocks == [block for block, _ in blocks] and all(
        np.array_equal(
            run.samples[cell], np.concatenate([own for block, own in blocks if block.cell == cell])
        )
        for cell in cells | run.samples.keys()
    )


def test_the_run_directory_is_the_one_that_a_run_in_memory_makes(tmp_path: Path) -> None:
    recording, header, blocks = kept(tmp_path / "grown", 12)
    whole = recording.whole(header)
    assert same(whole, blocks)
    grown = recording.finish(whole, document(whole))
    saved = save(whole, document(whole), tmp_path / "saved")
    for file in saved.rglob("*"):
        if file.is_file():
            assert (grown / file.relative_to(saved)).read_bytes() == file.read_bytes()
    assert {p.name for p in grown.rglob("*")} == {p.name for p in saved.rglob("*")}
    assert not list(grown.parent.glob(".*"))


def test_until_its_end_it_is_hidden_and_private_and_then_as_open_as_any_folder(tmp_path: Path) -> None:
    recording, header, _ = kept(tmp_path, 2)
    (partial,) = tmp_path.iterdir()
    assert partial.name.startswith(".dam-") and partial.name.endswith(".partial")
    assert stat.S_IMODE(partial.stat().st_mode) == 0o700
    final = recording.finish(recording.whole(header), {})
    (tmp_path / "any").mkdir()
    assert final.stat().st_mode == (tmp_path / "any").stat().st_mode


def test_a_partial_run_can_be_read_at_any_time_and_says_what_it_is(tmp_path: Path) -> None:
    recording, _, blocks = kept(tmp_path, 7, checkpoint_s=0)
    assert recording.path is not None
    run = load(recording.path)
    assert run.interrupted
    assert same(run, blocks[:7])
    assert document(run)["interrupted"]
    recording.close()


def test_what_came_after_the_last_checkpoint_does_not_count(tmp_path: Path) -> None:
    recording, header, blocks = kept(tmp_path, 5, checkpoint_s=3600)
    assert recording.path is not None
    assert same(load(recording.path), blocks[:1]), "the first block is a checkpoint"
    recording.checkpoint(header)
    assert same(load(recording.path), blocks[:5])
    recording.close()


def test_a_torn_tail_is_dropped_and_written_over(tmp_path: Path) -> None:
    recording, _, blocks = kept(tmp_path, 5, checkpoint_s=0)
    path = recording.path
    assert path is not None
    recording.close()
    for file in [*path.glob("samples/*.npy"), path / "blocks.jsonl"]:
        with file.open("ab") as opened:
            opened.write(b'\x07{"torn')
    assert same(load(path), blocks[:5])
    again, before = Recording.resume(path)
    assert (again.next_block, before.interrupted) == (5, True)
    for block, samples in blocks[5:]:
        again.keep(before, block, samples)
    final = again.finish(again.whole(before), {"schema": "benchkit.run/1"})
    assert same(load(final), blocks)


@pytest.mark.parametrize("name", ["blocks.jsonl", "samples/shm--raw--camera--100ps.npy", "record.json"])
def test_what_is_shorter_than_the_record_says_is_damaged(name: str, tmp_path: Path) -> None:
    recording, _, _ = kept(tmp_path, 5, checkpoint_s=0)
    path = recording.path
    assert path is not None
    recording.close()
    os.truncate(path / name, (path / name).stat().st_size - 3)
    with pytest.raises(RecordError):
        load(path)


def test_a_run_whose_runner_lives_is_neither_resumed_nor_called_unfinished(tmp_path: Path) -> None:
    recording, _, _ = kept(tmp_path, 2)
    assert recording.path is not None
    assert unfinished(tmp_path) == []
    with pytest.raises(UsageError, match="lives"):
        Recording.resume(recording.path)
    recording.close()
    assert unfinished(tmp_path) == [recording.path]


def refuse(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """The disk is full from the given write on."""
    writes = iter(range(10**6))
    real = writing.append

    def append(path: Path, whole: int, content: bytes | memoryview) -> None:
        if next(writes) >= after:
            real(path, whole, bytes(content)[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, whole, content)

    monkeypatch.setattr(writing, "append", append)


@pytest.mark.parametrize(
    "after", [0, 1, 4, 5], ids=["at once", "half a block", "later", "half a later block"]
)
def test_where_the_disk_is_full_the_run_still_has_its_answer(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, after)
    recording, header, blocks = kept(tmp_path, 12, checkpoint_s=0)
    whole = recording.whole(header)
    assert same(whole, blocks)
    assert recording.rows == dict.fromkeys(whole.samples, 120)
    with pytest.raises(StorageError, match="No space left"):
        recording.finish(whole, document(whole))
    written = after // 2
    assert [len(load(path).blocks) for path in unfinished(tmp_path)] == ([written] if written else [])
    assert len(list(tmp_path.iterdir())) == bool(written), "a folder without a block is of no use"


def test_what_the_disk_refuses_is_held_within_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, 0)
    monkeypatch.setattr(module, "_HELD_BYTES", 3 * 20 * SAMPLE.itemsize)
    with pytest.raises(StorageError):
        kept(tmp_path, 4)


def test_a_record_that_holds_its_blocks_itself_still_loads(tmp_path: Path) -> None:
    run = a_run(count=8)
    folder = save(run, document(run), tmp_path)
    record = json.loads((folder / "record.json").read_text())
    record["blocks"] = [json.loads(line) for line in (folder / "blocks.jsonl").read_text().splitlines()]
    for later in ("blocks_bytes", "measured_s", "written_utc", "resumed"):
        del record[later]
    (folder / "record.json").write_text(json.dumps(record))
    (folder / "blocks.jsonl").unlink()
    assert load(folder).blocks == run.blocks
    assert document(load(folder)) == document(run)


def test_a_reader_never_sees_half_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording, header, blocks = kept(tmp_path, 3, checkpoint_s=0)
    assert recording.path is not None

    def full(_handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        recording.keep(header, *blocks[3])
    assert same(load(recording.path), blocks[:3])
    recording.close()


class Death(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", ["write_json", "sync", "rename"])
def test_a_runner_that_dies_while_it_ends_leaves_what_a_resume_needs(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording, header, _ = kept(tmp_path, 4, checkpoint_s=0)
    whole = recording.whole(header)

    def dies(*_: object) -> None:
        raise Death

    with monkeypatch.context() as killed:
        killed.setattr(Path if step == "rename" else writing, step, dies)
        with pytest.raises(Death):
            recording.finish(whole, {})
    recording.close()
    (left,) = unfinished(tmp_path)
    assert (left / "asked.json").exists()
    again, header = Recording.resume(left)
    final = again.finish(again.whole(header), {})
    assert not (final / "asked.json").exists()
