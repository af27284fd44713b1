"""ONNX Runtime's own profile of a stage: its operators, what stays as it was, and how much of it is kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchkit.stages import onnx_profile
from benchkit.stages.onnx import Onnx
from benchkit.stages.onnx_profile import operators
from benchkit.tensors.message import Message

MODELS = Path(__file__).with_name("models")


def opened(name: str = "mean_top"):
    return Onnx(model=MODELS / f"{name}.onnx").open(0)


def pictures(count: int) -> list[list[Message]]:
    rng = np.random.default_rng(3)
    return [
        [Message(seq, {"frame": rng.integers(0, 255, (48, 64, 3), np.uint8)}, b"")] for seq in range(count)
    ]


def test_the_operators_of_the_model_are_listed_with_their_calls(tmp_path, monkeypatch):
    elsewhere = tmp_path / "working"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    folder = tmp_path / "profile"
    folder.mkdir()
    stage = opened()
    with stage.profiled(folder) as found:
        for batch in pictures(10):
            stage.run(batch)
    assert {each.type for each in found.times} == {"Cast", "ReduceMean", "ReduceSum", "ReduceMax"}
    assert found.runs == 8, "the first two allocate what the others reuse"
    assert {each.calls for each in found.times} == {8}
    assert [each.total_ns for each in found.times] == sorted((t.total_ns for t in found.times), reverse=True)
    assert found.gap == ""
    assert len(list(folder.iterdir())) == 1
    assert not list(elsewhere.iterdir())


def test_answers_are_the_same_with_and_without_and_the_plain_session_comes_back(tmp_path):
    stage = opened()
    plain = stage._run
    batches = pictures(3)
    before = [stage.run(batch) for batch in batches]
    with stage.profiled(tmp_path):
        assert stage._run != plain
        within = [stage.run(batch) for batch in batches]
    assert stage._run == plain
    for (one,), (other,) in zip(before, within, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_only_the_first_runs_are_profiled(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_profile, "MOST_RUNS", 6)
    stage = opened("mean")
    with stage.profiled(tmp_path) as found:
        for batch in pictures(20):
            stage.run(batch)
    assert found.runs == 4
    (file,) = tmp_path.iterdir()
    assert file.read_text().count('"model_run"') == 6


def test_a_model_that_was_not_run_has_no_operators_and_says_so(tmp_path):
    with opened().profiled(tmp_path) as found:
        pass
    assert not found.times
    assert "not run" in found.gap


def test_a_stage_that_fails_within_goes_back_to_its_plain_session(tmp_path):
    stage = opened()
    plain = stage._run
    with pytest.raises(KeyError), stage.profiled(tmp_path):
        raise KeyError
    assert stage._run == plain


def event(cat: str, name: str, dur: int = 5, **args: str) -> str:
    return json.dumps({"cat": cat, "name": name, "dur": dur, "args": args})


def test_what_is_no_operator_is_left_out_and_what_is_no_event_is_skipped(tmp_path):
    file = tmp_path / "trace.json"
    file.write_text("[\n" + ",\n".join([
        event("Session", "session_initialization", 900), event("Node", "a_fence_before", 900),
        event("Node", "a_kernel_time", 3, op_name="Conv"), event("Node", "b_kernel_time", 1, op_name="Relu"),
        event("Node", "a_kernel_time", 2, op_name="Conv"), event("Session", "model_run"),
    ]) + "\n]\n")  # fmt: skip
    found = operators(file)
    assert [(t.name, t.type, t.calls, t.total_ns) for t in found.times] == [
        ("a", "Conv", 2, 5000), ("b", "Relu", 1, 1000),
    ]  # fmt: skip


def test_a_trace_that_is_none_is_an_error_that_the_engine_tells_as_a_gap(tmp_path):
    file = tmp_path / "trace.json"
    file.write_text('[\n{"cat": "Node", "na\n')
    with pytest.raises(ValueError, match="Unterminated"):
        operators(file)
