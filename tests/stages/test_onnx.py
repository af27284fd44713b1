"""Real models in the real runtime: what fits is run, what does not is an error that says what would."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.errors import InputMismatch, StageError
from benchkit.stages.onnx import Onnx
from benchkit.stages.onnx_inputs import Port, fit
from benchkit.tensors.message import Message

MODELS = Path(__file__).with_name("models")
F32, U8 = np.dtype("f4"), np.dtype("u1")


def opened(name: str, **options):
    return Onnx(model=MODELS / f"{name}.onnx", **options).open(0)


def pictures(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]


def messages(name, arrays):
    return [Message(index, {name: array}) for index, array in enumerate(arrays)]


# What fits ------------------------------------------------------------------------------------------------


def test_one_picture_gets_the_batch_axis_and_its_reply_loses_it():
    (picture,) = pictures((4, 6))
    (reply,) = opened("mean").run(messages("frame", [picture]))
    assert reply["mean"].shape == (3,)
    assert reply["mean"].dtype == np.float32
    np.testing.assert_allclose(reply["mean"], picture.mean(axis=(0, 1)), rtol=1e-5)


def test_an_array_of_the_models_rank_goes_in_as_it_is():
    batch = np.stack(pictures((4, 6), (4, 6)))
    (reply,) = opened("mean").run(messages("frame", [batch]))
    np.testing.assert_allclose(reply["mean"], batch.mean(axis=(1, 2)), rtol=1e-5)


@given(sizes=st.lists(st.sampled_from([(4, 6), (2, 2), (5, 1)]), min_size=1, max_size=9))
@settings(max_examples=40, deadline=None)
def test_a_batch_is_answered_in_order_as_if_one_by_one(sizes):
    stage = opened("mean")
    batch = messages("frame", pictures(*sizes))
    together = stage.run(batch)
    assert len(together) == len(batch)
    for reply, message in zip(together, batch, strict=True):
        (alone,) = stage.run([message])
        assert np.array_equal(reply["mean"], alone["mean"])
        assert reply["mean"].shape == (3,)


@pytest.mark.parametrize("count", [1, 3])
def test_one_number_a_picture_is_an_array_too(count):
    batch = pictures(*[(2, 2)] * count)
    for reply, picture in zip(opened("peak").run(messages("frame", batch)), batch, strict=True):
        assert isinstance(reply["peak"], np.ndarray)
        assert reply["peak"].shape == ()
        assert reply["peak"] == picture.max()


class _Watched:
    """Stands before a session and remembers what was given to it."""

    def __init__(self, stage):
        self.feeds = []
        self._real, stage._run = stage._run, self

    def __call__(self, names, feeds):
        self.feeds.append(feeds)
        return self._real(names, feeds)


def test_one_message_is_not_copied():
    stage = opened("mean")
    seen = _Watched(stage)
    (picture,) = pictures((40, 60))
    picture.flags.writeable = False
    stage.run(messages("frame", [picture]))
    assert np.shares_memory(seen.feeds[0]["frame"], picture)


def test_equal_shapes_are_one_run_and_others_are_apart():
    stage = opened("mean")
    seen = _Watched(stage)
    stage.run(messages("frame", pictures((4, 6), (2, 2), (4, 6), (4, 6))))
    assert [feeds["frame"].shape for feeds in seen.feeds] == [(3, 4, 6, 3), (1, 2, 2, 3)]
    assert stage.facts()["stacks_batches"]


def test_replies_outlive_the_next_batch():
    stage = opened("mean")
    first = stage.run(messages("frame", pictures((4, 6), (4, 6), seed=1)))
    kept = [reply["mean"].copy() for reply in first]
    stage.run(messages("frame", pictures((4, 6), (4, 6), seed=2)))
    assert all(np.array_equal(reply["mean"], copy) for reply, copy in zip(first, kept, strict=True))


@pytest.mark.parametrize(
    ("name", "why"), [("one", "its first axis is one"), ("mean_top", "an output has no batch axis")]
)
def test_models_that_cannot_stack_are_run_one_by_one(name, why):
    stage = opened(name)
    seen = _Watched(stage)
    batch = pictures((2, 2), (2, 2), (2, 2))
    replies = stage.run(messages("frame", batch))
    assert [feeds["frame"].shape for feeds in seen.feeds] == [(1, 2, 2, 3)] * 3, why
    for reply, picture in zip(replies, batch, strict=True):
        np.testing.assert_allclose(reply["mean"], picture.mean(axis=(0, 1)), rtol=1e-5)
        if name == "mean_top":
            assert reply["top"].shape == ()
    assert not stage.facts()["stacks_batches"]


def test_an_output_of_another_length_keeps_its_first_axis():
    stage = opened("found")
    for row in ([0, 0, 0, 0], [0, 5, 0, 0], [1, 1, 0, 1]):
        (reply,) = stage.run(messages("x", [np.array(row, "f4")]))
        assert reply["where"].shape == (np.count_nonzero(row), 2)


def test_chosen_outputs_alone_are_replied():
    (reply,) = opened("mean_top", outputs=["mean"]).run(messages("frame", pictures((2, 2))))
    assert list(reply) == ["mean"]
    stage = opened("mean_top", outputs=["mean"])
    stage.run(messages("frame", pictures((2, 2), (2, 2))))
    assert stage.facts()["stacks_batches"]


def test_inputs_by_name_by_mapping_and_the_only_one():
    (picture,) = pictures((4, 6))
    by_name = opened("mean").run([Message(0, {"frame": picture, "other": np.zeros(9)})])
    only_one = opened("mean").run([Message(0, {"anything": picture})])
    mapped = opened("mean", inputs={"frame": "b"}).run([Message(0, {"frame": picture + 1, "b": picture})])
    assert by_name[0]["mean"].tolist() == only_one[0]["mean"].tolist() == mapped[0]["mean"].tolist()


def test_two_inputs_swapped_by_mapping():
    one, two = np.arange(3, dtype="f4"), np.full(3, 5, "f4")
    batch = [Message(0, {"left": one, "right": two})] * 2
    straight = opened("difference").run(batch)
    swapped = opened("difference", inputs={"left": "right", "right": "left"}).run(batch)
    assert straight[1]["gap"].tolist() == [-5, -4, -3]
    assert swapped[0]["gap"].tolist() == [5, 4, 3]


@pytest.mark.parametrize("options", [{}, {"threads": 2}, {"threads": 2, "inter_op": 2}])
def test_facts_say_what_was_used(options):
    facts = opened("mean", **options).facts()
    assert facts["sha256"] == hashlib.sha256((MODELS / "mean.onnx").read_bytes()).hexdigest()
    assert facts["providers"] == ["CPUExecutionProvider"]
    assert facts["threads"] == options.get("threads", 1)
    assert facts["inter_op"] == options.get("inter_op", 1)
    assert facts["spinning"] is False
    assert facts["inputs"] == {"frame": "uint8 [N, H, W, 3]"}
    assert facts["outputs"] == {"mean": "float32 [N, 3]"}


def test_the_session_has_the_threads_that_the_facts_state():
    options = opened("mean", threads=2, inter_op=2)._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 2)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.get_session_config_entry("session.inter_op.allow_spinning") == "0"


# What does not --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no ONNX model"),
        (b"version https://git-lfs.github.com/spec/v1\n", "no ONNX model"),
        (bytes(99), "no ONNX model"),
    ],
)
def test_a_file_that_is_no_model(tmp_path, content, what):
    path = tmp_path / "level.onnx"
    path.write_bytes(content)
    with pytest.raises(StageError, match=what) as caught:
        Onnx(model=path).open(0)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_half_a_model_is_none(tmp_path):
    path = tmp_path / "half.onnx"
    path.write_bytes((MODELS / "mean_top.onnx").read_bytes()[:150])
    with pytest.raises(StageError, match="no ONNX model"):
        Onnx(model=path).open(0)


@pytest.mark.parametrize(
    "make", [lambda path: path / "missing.onnx", lambda path: path], ids=["missing", "a folder"]
)
def test_a_file_that_cannot_be_read(tmp_path, make):
    with pytest.raises(StageError, match="cannot be read"):
        Onnx(model=make(tmp_path)).open(0)


def test_an_opset_of_the_future():
    with pytest.raises(StageError, match=r"[Oo]pset 99 is newer than onnxruntime") as caught:
        opened("future")
    assert "upgrade onnxruntime" in caught.value.remedy


def test_inputs_that_no_message_can_carry():
    with pytest.raises(StageError, match=r"'x' is a tensor\(string\)"):
        opened("text")


@pytest.mark.parametrize(
    ("options", "error", "what", "remedy"),
    [
        ({"outputs": ["maen"]}, StageError, "no output 'maen'", "did you mean 'mean'"),
        ({"inputs": {"frme": "x"}}, InputMismatch, "no input 'frme'", "did you mean 'frame'"),
        ({"providers": ["CUDAExecutionProvidr"]}, StageError, "no execution provider", "known: "),
    ],
)
def test_names_that_the_model_does_not_know(options, error, what, remedy):
    with pytest.raises(error, match=what) as caught:
        opened("mean", **options)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("arrays", "what", "remedy"),
    [
        ({"frame": np.zeros((4, 6, 3), "f4")}, "'frame' is float32", "no array fits"),
        ({"frame": np.zeros((4, 6), "u1")}, "'frame' has 2 dimensions, not 3 or 4", "no array fits"),
        ({"frame": np.zeros((4, 6, 4), "u1")}, r"is of shape \[4, 6, 4\]", "no array fits"),
        ({"a": np.zeros(2), "b": np.zeros((2, 2, 3), "u1")}, "'frame' is not there", "inputs: {frame: b}"),
        ({}, "the source makes nothing", "no array fits"),
    ],
    ids=["dtype", "rank", "dimension", "name", "none"],
)
def test_a_mismatch_says_what_is_wanted_what_came_and_what_would_fit(arrays, what, remedy):
    with pytest.raises(InputMismatch, match=what) as caught:
        opened("mean").run([Message(0, arrays)])
    assert "input 'frame' wants uint8 [N, H, W, 3]" in caught.value.what
    assert remedy in caught.value.remedy
    assert caught.value.where.endswith("mean.onnx")


def test_single_pictures_for_a_model_of_fixed_batches():
    with pytest.raises(InputMismatch, match="batches are of exactly 4"):
        opened("four").run(messages("frame", pictures((2, 2))))


def test_a_model_that_does_not_keep_the_batch_axis_it_declares():
    rows = messages("x", [np.array([1, 0, 2, 0], "f4"), np.array([0, 0, 0, 3], "f4")])
    with pytest.raises(StageError, match="does not hold one entry for each"):
        opened("lies").run(rows)


def test_the_proposed_mapping_fits():
    ports = [Port("left", F32, ("N", 3)), Port("right", F32, ("N", 3)), Port("frame", U8, ("N", None, None))]
    arrays = {
        "a": np.zeros(3, "f4"),
        "left": np.zeros(4, "f4"),
        "b": np.zeros(3, "f4"),
        "c": np.zeros((2, 2), "u1"),
    }
    with pytest.raises(InputMismatch) as caught:
        fit(ports, [], {}, arrays)
    assert caught.value.remedy.endswith("inputs: {left: a, right: b, frame: c}")
    made = fit(ports, [], {"left": "a", "right": "b", "frame": "c"}, arrays)
    assert [feed[:2] for feed in made.feeds] == [("left", "a"), ("right", "b"), ("frame", "c")]


def test_options_are_validated_without_the_runtime():
    code = "import sys, benchkit.stages.onnx as m; m.Onnx(model='x'); assert 'onnxruntime' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
