"""A run's trials of faults, as the author of a hostile directory writes them: one error, and nothing is followed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchkit.errors import RecordError
from benchkit.records import faults
from benchkit.records.operations import OPERATION, blank

LINE: dict[str, Any] = {"number": 0, "cell": "c", "transport": "unix", "fault": {"kind": "kill"}}


def written(folder: Path, line: str) -> Path:
    (folder / faults.FILE).write_text(line + "\n", "utf-8")
    return folder


def test_a_trial_comes_back(tmp_path: Path) -> None:
    trial = faults.Trial(**LINE, detections=({"by": "producer", "how": "exit", "at_ns": 5},))
    faults.add(tmp_path, trial, blank(3))
    faults.add(tmp_path, faults.Trial(**{**LINE, "number": 1}), blank(2))
    kept = faults.kept(tmp_path)
    assert kept is not None
    assert kept.all[0] == trial
    assert [len(kept.read(each)) for each in kept.all] == [3, 2]


@pytest.mark.parametrize(
    "change",
    [{"number": "../../secret"}, {"number": None}, {"number": [1]}, {"fault": 3}, {"detections": 5}, {"deaths": [1]},
     {"errors": [{}]}, {"from_ns": "soon"}, {"cell": None}, {"capabilities": {"a": {}}}],
)  # fmt: skip
def test_a_line_is_what_a_trial_is(change: dict[str, Any], tmp_path: Path) -> None:
    """Its number is part of a file's name: a text there could lead anywhere."""
    with pytest.raises(RecordError):
        faults.trials(written(tmp_path, json.dumps({**LINE, **change})))


@pytest.mark.parametrize(
    "line", ["[" * 100_000, "5", "null", "{", '{"number": 1}'], ids=["deep", "5", "null", "cut", "few"]
)
def test_a_line_that_is_none(line: str, tmp_path: Path) -> None:
    with pytest.raises(RecordError):
        faults.trials(written(tmp_path, line))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("how", ["link", "pipe", "archive", "length", "objects"])
def test_operations_are_read_from_a_file_of_the_folder_alone(how: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / faults.FOLDER).mkdir(parents=True)
    file = folder / faults.FOLDER / "0.npy"
    np.save(tmp_path / "outside.npy", blank(2))
    match how:
        case "link":
            file.symlink_to(tmp_path / "outside.npy")
        case "pipe":
            os.mkfifo(file)
        case "archive":
            with file.open("wb") as opened:
                np.savez(opened, blank(2))
        case "length":
            head = {
                "descr": np.lib.format.dtype_to_descr(OPERATION),
                "fortran_order": False,
                "shape": (1 << 50,),
            }
            with file.open("wb") as opened:
                np.lib.format.write_array_header_1_0(opened, head)
        case "objects":
            np.save(file, np.array([{}], object), allow_pickle=True)
    with pytest.raises(RecordError):
        faults.operations(folder, faults.Trial(**LINE))


@pytest.mark.parametrize("name", [faults.FILE, "faults/.0.new"])
def test_nothing_is_written_through_a_link(name: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine\n")
    folder = tmp_path / "run"
    (folder / faults.FOLDER).mkdir(parents=True)
    (folder / name).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        faults.add(folder, faults.Trial(**LINE), blank(1))
    assert victim.read_text() == "mine\n"


def test_nothing_is_written_into_a_folder_behind_a_link(tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "run"
    elsewhere.mkdir()
    folder.mkdir()
    (folder / faults.FOLDER).symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic"):
        faults.add(folder, faults.Trial(**LINE), blank(1))
    assert list(elsewhere.iterdir()) == []
