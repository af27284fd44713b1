from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchkit.sources.camera import Camera
from benchkit.sources.sensors import Sensors

onnxruntime = pytest.importorskip("onnxruntime")

MODELS = Path(__file__).resolve().parents[2] / "scenarios" / "models" / "dam"
UNSEEN = 50_000_000
"""Neither training (from 0) nor the stated figures (from 1,000,000) saw these seeds."""


def session(name: str):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(MODELS / name), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def level():
    return session("dam-level.onnx")


@pytest.fixture(scope="module")
def sensors():
    return session("dam-sensors.onnx")


def read(model, name: str, array: np.ndarray) -> np.ndarray:
    (answer,) = model.run(["level_m"], {name: array})
    return answer


def stated(model) -> dict[str, dict[str, float]]:
    return json.loads(model.get_modelmeta().custom_metadata_map["held_out"])


def test_models_are_small_enough_to_commit():
    assert (MODELS / "dam-level.onnx").stat().st_size < 1_000_000
    assert (MODELS / "dam-sensors.onnx").stat().st_size < 100_000


def test_what_the_models_take_and_give(level, sensors):
    (frame,), (window,) = level.get_inputs(), sensors.get_inputs()
    assert (frame.name, frame.type, frame.shape) == ("frame", "tensor(uint8)", ["N", "H", "W", 3])
    assert (window.name, window.type, window.shape) == ("window", "tensor(float)", ["N", 144, 12])
    for model in (level, sensors):
        (answer,) = model.get_outputs()
        assert (answer.name, answer.type, answer.shape) == ("level_m", "tensor(float)", ["N", 1])


@pytest.mark.parametrize(("size", "scenes"), [((1920, 1080), 8), ((640, 360), 30), ((768, 576), 20)])
def test_reads_the_level_of_scenes_it_never_saw(level, size: tuple[int, int], scenes: int):
    errors, truths = [], []
    for seed in range(UNSEEN, UNSEEN + scenes):
        for item in islice(Camera(size=size, rate=0.1).items(seed), 3):
            truths.append(item.truth["level_m"])
            errors.append(read(level, "frame", item.arrays["frame"][None])[0, 0] - truths[-1])
    constant_m = float(np.abs(np.array(truths) - np.mean(truths)).mean())
    assert float(np.abs(errors).mean()) < 0.015 < constant_m / 10


def test_follows_a_surge_frame_by_frame(level):
    items = list(islice(Camera(size=(640, 360), rate=10).items(UNSEEN), 40))
    given = np.stack([item.arrays["frame"] for item in items])
    truth = np.array([item.truth["level_m"] for item in items])
    assert np.corrcoef(read(level, "frame", given)[:, 0], truth)[0, 1] > 0.9


def test_reads_the_level_of_windows_it_never_saw(sensors):
    items = [next(Sensors().items(seed)) for seed in range(UNSEEN, UNSEEN + 200)]
    given = np.stack([item.arrays["window"] for item in items])
    truth = np.array([[item.truth["level_m"]] for item in items])
    assert np.abs(read(sensors, "window", given) - truth).mean() < 0.025
    assert (
        np.abs(given[:, -1, :1] - truth).mean() > 0.025
    )  # better than the newest reading of the radar gauge


def test_a_batch_answers_what_its_members_answer_alone(level, sensors):
    frames = np.stack([item.arrays["frame"] for item in islice(Camera(size=(320, 180)).items(1), 3)])
    windows = np.stack([item.arrays["window"] for item in islice(Sensors().items(1), 3)])
    for model, name, batch in ((level, "frame", frames), (sensors, "window", windows)):
        alone = np.concatenate([read(model, name, batch[at : at + 1]) for at in range(3)])
        np.testing.assert_allclose(read(model, name, batch), alone, atol=1e-4)


def test_the_stated_error_is_in_the_file(level, sensors):
    assert set(stated(level)) == {"1920x1080", "640x360"}
    assert set(stated(sensors)) == {"144x12"}
    for model in (level, sensors):
        for figures in stated(model).values():
            assert figures["mae_m"] < 0.03
            assert figures["mae_m"] < figures["p95_m"] < figures["constant_mae_m"]
