"""Trials in a run directory: kept as they come, whatever ends the runner."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchkit.errors import RecordError
from benchkit.records import faults
from benchkit.records.faults import FILE, FOLDER, Trial
from benchkit.records.operations import OPERATION, blank
from benchkit.records.recording import Recording
from benchkit.records.run import Run

TRIAL = Trial(
    3, "cell", "unix", {"kind": "kill", "party": "stage"}, {"asked": "idle"}, 5, 10, 20, 30, 40, 50,
    detections=({"by": "supervisor", "how": "exit", "at_ns": 31},), errors=("one",), proof="exit status -9",
)  # fmt: skip


def rows(count: int) -> np.ndarray:
    made = blank(count)
    made["seq"] = range(count)
    made["taken"] = 7
    return made


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    faults.add(tmp_path, TRIAL, rows(4))
    faults.add(tmp_path, replace(TRIAL, number=4, fault={}), rows(0))
    first, second = faults.trials(tmp_path)
    assert first == TRIAL
    assert second.control
    assert (faults.operations(tmp_path, first) == rows(4)).all()
    assert len(faults.operations(tmp_path, second)) == 0


def test_a_folder_without_trials_has_none(tmp_path: Path) -> None:
    assert faults.trials(tmp_path) == []
    assert faults.kept(tmp_path) is None


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_line_that_a_kill_cut_is_no_trial_and_the_next_one_takes_its_place(
    tmp_path: Path, cut: int
) -> None:
    faults.add(tmp_path, TRIAL, rows(1))
    faults.add(tmp_path, replace(TRIAL, number=4), rows(2))
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[:-cut])
    assert [each.number for each in faults.trials(tmp_path)] == [3]
    faults.add(tmp_path, replace(TRIAL, number=5), rows(3))
    assert [each.number for each in faults.trials(tmp_path)] == [3, 5]


def test_what_a_later_release_added_is_left_out(tmp_path: Path) -> None:
    faults.add(tmp_path, TRIAL, rows(1))
    text = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(text.replace('{"number"', '{"of tomorrow": 1, "number"'))
    assert faults.trials(tmp_path) == [TRIAL]


@pytest.mark.parametrize("line", ["[]", '"x"', "{}", "nonsense"])
def test_a_stranger_s_line_is_an_error_with_its_file(tmp_path: Path, line: str) -> None:
    (tmp_path / FILE).write_text(line + "\n")
    with pytest.raises(RecordError) as caught:
        faults.trials(tmp_path)
    assert FILE in caught.value.where


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_operations_that_are_damaged_or_gone_are_an_error(tmp_path: Path, content: bytes | None) -> None:
    faults.add(tmp_path, TRIAL, rows(1))
    path = tmp_path / FOLDER / "3.npy"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordError):
        faults.operations(tmp_path, TRIAL)


def test_an_array_of_another_kind_is_none(tmp_path: Path) -> None:
    faults.add(tmp_path, TRIAL, rows(1))
    np.save(tmp_path / FOLDER / "3.npy", np.zeros(3))
    with pytest.raises(RecordError):
        faults.operations(tmp_path, TRIAL)


def run() -> Run:
    return Run("2026-01-01T00:00:00+00:00", 0.0, 0, False, {"name": "x"}, {}, None, {}, {})


def test_a_recording_keeps_them_as_they_come(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.keep_trial(run(), TRIAL, rows(2))
    assert recording.path is not None
    assert faults.trials(recording.path) == [TRIAL]
    found = recording.trials
    assert found is not None
    assert (found.read(found.all[0]) == rows(2)).all()
    recording.close()


def test_without_a_folder_they_stay_in_memory(tmp_path: Path) -> None:
    recording = Recording()
    recording.keep_trial(run(), TRIAL, rows(2))
    whole = recording.whole(run())
    assert whole.faults is not None
    assert whole.faults.all == (TRIAL,)
    assert len(whole.faults.read(TRIAL)) == 2
    assert OPERATION.itemsize > 0


def test_what_the_disk_refuses_stays_in_memory(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.keep_trial(run(), TRIAL, rows(1))
    assert recording.path is not None
    (recording.path / FOLDER / "3.npy").unlink()
    (recording.path / FOLDER).rmdir()
    (recording.path / FOLDER).write_text("in the way")
    later = replace(TRIAL, number=4)
    recording.keep_trial(run(), later, rows(5))
    found = recording.trials
    assert found is not None
    assert [each.number for each in found.all] == [3, 4]
    assert len(found.read(later)) == 5
    recording.close()
