import dataclasses
import errno
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import a_cell, a_run, dam

from benchkit.analysis.document import document
from benchkit.errors import RecordError, StorageError
from benchkit.records.folder import load, read_document, sample_file, save
from benchkit.records.run import Failure, Run
from benchkit.records.samples import SAMPLE


def small() -> Run:
    run = a_run([a_cell(), a_cell("unix/raw/camera/100ps")], count=8, warmup=1, rounds=2)
    run.failures.append(Failure("runner", "OSError", "é \u2713 \x1b[31m", traceback="Traceback\n  ..."))
    return run


def same(one: Run, other: Run) -> bool:
    plain = [dataclasses.replace(each, samples={}) for each in (one, other)]
    return plain[0] == plain[1] and all(
        np.array_equal(one.samples[cell], other.samples[cell]) for cell in one.samples | other.samples
    )


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    run = small()
    folder = save(run, document(run), tmp_path / "new" / "results")
    assert re.fullmatch(r"dam-20261122T201753Z-[0-9a-f]{6}", folder.name)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) == [
        "blocks.jsonl", "record.json", "run.json", "samples", "samples/shm--raw--camera--100ps.npy",
        "samples/unix--raw--camera--100ps.npy",
    ]  # fmt: skip
    for path in (folder, folder / "run.json"):
        back = load(path)
        assert same(run, back)
        assert document(back) == document(run) == read_document(path)
    assert back.blocks[0].failures == ()
    assert isinstance(back.blocks[0].usage["stage"].cpu_ns, int)


def test_sample_files_are_plain_numpy(tmp_path: Path) -> None:
    run = small()
    folder = save(run, document(run), tmp_path)
    for cell in json.loads((folder / "run.json").read_text())["cells"]:
        rows = np.load(folder / cell["samples"])
        assert rows.dtype == SAMPLE
        assert np.array_equal(rows, run.samples[cell["id"]])


def test_a_partial_run_comes_back(tmp_path: Path) -> None:
    run = small()
    run.interrupted = True
    del run.samples["unix/raw/camera/100ps"]
    run.blocks = [block for block in run.blocks if block.cell.startswith("shm")]
    back = load(save(run, document(run), tmp_path))
    assert back.interrupted
    assert same(run, back)


def test_an_empty_run_comes_back(tmp_path: Path) -> None:
    run = a_run([], rounds=0)
    run.floor = None
    assert same(run, load(save(run, document(run), tmp_path)))


def test_foreign_values_do_not_lose_a_measured_run(tmp_path: Path) -> None:
    run = small()
    run.scenario = {
        "name": "../../etc/\x00 passwd", "nan": float("nan"), "np": np.float32(0.5), "path": Path("x"),
        "tuple": (1, 2), "broken": "\udc80", "bytes": b"\xff",
    }  # fmt: skip
    run.started_utc = "not a time"
    folder = save(run, document(run), tmp_path)
    assert folder.parent == tmp_path
    assert re.fullmatch(r"etc-passwd-\d{8}T\d{6}Z-[0-9a-f]{6}", folder.name)
    scenario = load(folder).scenario
    assert (scenario["nan"], scenario["np"], scenario["tuple"]) == (None, 0.5, [1, 2])


HOSTILE = (
    "../../../../tmp/evil", "/etc/passwd", "..", ".", "", "a/../b", "a//b", "a\x00b", "a\nb", "~root/x",
    "-rf",
    "é/✓",
    "a--b", "a" * 5000, "C:\\x", "con", "\udc80", ".hidden/x", "a/b/",
)  # fmt: skip


@pytest.mark.parametrize("cell_id", HOSTILE)
def test_a_hostile_cell_id_stays_in_its_folder(cell_id: str, tmp_path: Path) -> None:
    out = tmp_path / "results"
    run = a_run([dataclasses.replace(a_cell(), id=cell_id)], count=8)
    before = {path for path in tmp_path.rglob("*") if out not in path.parents}
    folder = save(run, document(run), out)
    assert [path.parent for path in folder.rglob("*.npy")] == [folder / "samples"]
    assert {path for path in tmp_path.rglob("*") if out not in path.parents} - {out} == before
    if cell_id != "\udc80":  # UTF-8 cannot carry it; it comes back replaced
        assert same(run, load(folder))


@given(st.text(max_size=300))
def test_a_sample_file_is_always_one_safe_name(cell_id: str) -> None:
    assert re.fullmatch(r"samples/[A-Za-z0-9_+=,@-][A-Za-z0-9_+=,@.-]{0,220}\.npy", sample_file(cell_id))


@given(st.lists(st.text("ab/-.", max_size=6), unique=True, min_size=2, max_size=6))
def test_two_cells_never_share_a_file(ids: list[str]) -> None:
    assert len({sample_file(each) for each in ids}) == len(ids)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught:
        save(small(), {}, tmp_path / "file")
    assert caught.value.remedy


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        save(small(), {}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_a_write_that_the_kernel_refuses_half_way(tmp_path: Path) -> None:
    """A real short write: the file-size limit of a process of its own."""
    program = """
import sys
from pathlib import Path
from synthetic import a_run
from benchkit.errors import StorageError
from benchkit.records.folder import save
try:
    save(a_run(count=500), {}, Path(sys.argv[1]))
except StorageError as error:
    print("refused", error.remedy)
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], preexec_fn=_limit, capture_output=True, text=True,
        env=env, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("refused free some space"), done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = a_run(count=8, warmup=1, rounds=1)
    return save(run, document(run), tmp_path_factory.mktemp("saved"))


@pytest.mark.parametrize(
    "name", ["run.json", "record.json", "blocks.jsonl", "samples/shm--raw--camera--100ps.npy"]
)
def test_a_file_cut_anywhere_is_a_record_error(name: str, saved: Path) -> None:
    file = saved / name
    whole = file.read_bytes()
    stride = 1 if len(whole) < 3000 else 23
    try:
        for length in [*range(0, len(whole) - 2, stride), len(whole) - 2]:
            file.write_bytes(whole[:length])
            with pytest.raises(RecordError) as caught:
                load(saved)
            assert caught.value.where == str(file)
            assert caught.value.remedy
    finally:
        file.write_bytes(whole)
    load(saved)


@pytest.mark.parametrize(
    "name", ["run.json", "record.json", "blocks.jsonl", "samples/shm--raw--camera--100ps.npy"]
)
def test_a_missing_file_is_a_record_error(name: str, saved: Path) -> None:
    file = saved / name
    whole = file.read_bytes()
    file.unlink()
    try:
        with pytest.raises(RecordError, match="cannot be read"):
            load(saved)
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize(
    "name", ["run.json", "record.json", "blocks.jsonl", "samples/shm--raw--camera--100ps.npy"]
)
def test_bytes_changed_at_random_raise_nothing_but_record_errors(name: str, saved: Path) -> None:
    file, rng = saved / name, np.random.default_rng(0)
    whole = file.read_bytes()
    try:
        for _ in range(300):
            spoilt = bytearray(whole)
            spoilt[rng.integers(min(len(whole), 2000))] = rng.integers(256)
            file.write_bytes(spoilt)
            try:
                load(saved)
            except RecordError as error:
                # A changed cell's name in the record means a sample file that is not there.
                assert Path(error.where).is_relative_to(saved)
    finally:
        file.write_bytes(whole)


def test_a_file_grown_or_of_other_columns_is_refused(saved: Path) -> None:
    file = saved / "samples/shm--raw--camera--100ps.npy"
    whole = file.read_bytes()
    rows = np.load(file)
    try:
        file.write_bytes(whole + b"x")
        with pytest.raises(RecordError, match="should hold"):
            load(saved)
        for other in (rows["due"], rows.reshape(2, 4), np.array([object()]), np.zeros(0, SAMPLE)):
            with file.open("wb") as opened:
                np.lib.format.write_array(opened, other)
            with pytest.raises(RecordError):
                load(saved)
    finally:
        file.write_bytes(whole)


def rewritten(folder: Path, name: str, **changes: Any) -> None:
    file = folder / name
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_a_newer_schema_is_refused_politely_and_unknown_fields_are_not(tmp_path: Path) -> None:
    run = small()
    for name in ("run.json", "record.json"):
        folder = save(run, document(run), tmp_path)
        rewritten(folder, name, added_later={"x": 1})
        assert same(run, load(folder))
        rewritten(folder, name, schema="benchkit.run/2")
        with pytest.raises(RecordError, match="newer benchkit") as caught:
            load(folder)
        assert "upgrade" in caught.value.remedy
        rewritten(folder, name, schema=None)
        with pytest.raises(RecordError, match="not a run"):
            load(folder)


@pytest.mark.parametrize("changes", [{"seed": "1"}, {"cells": [{}]}, {"rows": {"x": -1}}, {"blocks": None}])
def test_fields_of_another_type_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    run = small()
    folder = save(run, document(run), tmp_path)
    rewritten(folder, "record.json", **changes)
    with pytest.raises(RecordError):
        load(folder)


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    run = small()
    folder = save(run, document(run), tmp_path / "results")
    secret = tmp_path / "secret"
    for name in ("samples/shm--raw--camera--100ps.npy", "record.json", "run.json"):
        (folder / name).rename(secret)
        (folder / name).symlink_to(secret)
        with pytest.raises(RecordError, match="leads out"):
            load(folder)
        (folder / name).unlink()
        secret.rename(folder / name)
    (folder / "samples").rename(tmp_path / "elsewhere")
    (folder / "samples").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="leads out"):
        load(folder)


def test_what_is_no_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    for path in (tmp_path, tmp_path / "none", tmp_path / "other.json"):
        with pytest.raises(RecordError) as caught:
            load(path)
        assert caught.value.remedy


def test_the_dam_round_trip_is_readable_by_a_reader_of_json_alone(tmp_path: Path) -> None:
    run = dam()
    folder = save(run, document(run), tmp_path)
    assert json.loads((folder / "run.json").read_text("ascii")) == document(run)
