"""JPEG files decoded, scaled, normalised and run: against Pillow and numpy by hand."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from pydantic import ValidationError

from benchkit.errors import InputMismatch, StageError
from benchkit.stages.image import Image
from benchkit.tensors.message import Message

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "scenarios" / "models" / "naver" / "classify.onnx"


def jpeg(
    width: int = 96, height: int = 64, mode: str = "RGB", seed: int = 0, **options: object
) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    picture = Pillow.fromarray(small).resize((width, height), Pillow.Resampling.BICUBIC).convert(mode)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90, **options)
    return np.frombuffer(file.getvalue(), np.uint8)


def message(content: np.ndarray, seq: int = 0) -> Message:
    return Message(seq, {"image": content})


class Keep:
    """A target that answers the tensor itself."""

    def __call__(self, arrays):
        return {"seen": arrays["picture"]}


@pytest.mark.parametrize("layout", ["chw", "hwc"])
def test_the_tensor_is_the_decoded_scaled_normalised_picture(layout: str) -> None:
    stage = Image(target=f"{__name__}:Keep", size="32x24", layout=layout).open(0)
    content = jpeg()
    (reply,) = stage.run([message(content)])
    with Pillow.open(io.BytesIO(content)) as file:
        by_hand = np.asarray(file.convert("RGB").resize((32, 24), Pillow.Resampling.BILINEAR)) / 255.0
    by_hand = (by_hand - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    if layout == "chw":
        by_hand = by_hand.transpose(2, 0, 1)
    assert reply["seen"].dtype == np.float32
    np.testing.assert_allclose(reply["seen"], by_hand, atol=1e-5)


def test_grey_pictures_become_rgb() -> None:
    (reply,) = Image().open(0).run([message(jpeg(mode="L"))])
    assert reply["mean"].shape == (3,)


@pytest.mark.parametrize("layout", ["chw", "hwc"])
def test_without_a_model_the_answer_is_each_channels_mean(layout: str) -> None:
    flat = io.BytesIO()
    Pillow.new("RGB", (40, 30), (255, 0, 255)).save(flat, "JPEG", quality=95)
    stage = Image(layout=layout, mean=(0, 0, 0), std=(1, 1, 1)).open(0)
    (reply,) = stage.run([message(np.frombuffer(flat.getvalue(), np.uint8))])
    np.testing.assert_allclose(reply["mean"], [1, 0, 1], atol=0.02)


def test_a_model_runs_on_it_one_by_one_and_in_batches() -> None:
    stage = Image(model=MODEL).open(0)
    batch = [message(jpeg(seed=seed), seed) for seed in range(3)]
    together = [reply["scores"] for reply in stage.run(batch)]
    alone = [stage.run([one])[0]["scores"] for one in batch]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert together[0].shape == (10,)
    assert together[0].sum() == pytest.approx(1, abs=1e-5)
    assert not np.allclose(together[0], together[1])


def test_it_tells_what_decoding_and_the_model_took_and_begins_anew() -> None:
    stage = Image(model=MODEL).open(0)
    for _ in range(4):
        stage.run([message(jpeg()), message(jpeg())])
    told = stage.told()
    assert told["decode_us"]["count"] == 8
    assert told["model_us"]["count"] == 4
    assert 0 < told["decode_us"]["p50"] <= told["decode_us"]["p99"] <= told["decode_us"]["max"]
    assert stage.told() == {}
    assert stage.facts()["size"] == "224x224"


def test_a_reduced_picture_is_nearly_the_same() -> None:
    content = jpeg(1600, 1200)
    whole, reduced = (
        Image(target=f"{__name__}:Keep", reduced=how).open(0).run([message(content)])[0]["seen"]
        for how in (False, True)
    )
    assert np.abs(whole - reduced).mean() < 0.1


@pytest.mark.parametrize(
    "arrays", [{}, {"frame": np.zeros((4, 4, 3), np.uint8)}, {"image": np.zeros(9, np.float32)}]
)
def test_other_messages_are_a_mismatch(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(InputMismatch, match="JPEG file") as caught:
        Image().open(0).run([Message(0, arrays)])
    assert "form: jpeg" in caught.value.remedy


@pytest.mark.parametrize("cut", [0, 10, 700])
def test_a_damaged_file_is_the_stages_error(cut: int) -> None:
    with pytest.raises(StageError, match="no sound JPEG"):
        Image().open(0).run([message(jpeg()[:cut])])


def test_a_picture_beyond_the_bound_is_refused_by_its_header() -> None:
    content = bytearray(jpeg().tobytes())
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = (9000).to_bytes(2, "big") * 2
    with pytest.raises(StageError, match="9000 x 9000 is larger"):
        Image().open(0).run([message(np.frombuffer(bytes(content), np.uint8))])


def test_options_that_contradict() -> None:
    with pytest.raises(ValidationError, match="a model and a target"):
        Image(model=MODEL, target="a:b")
    with pytest.raises(ValidationError, match="no target"):
        Image(path=ROOT)
    with pytest.raises(ValidationError, match="std of 0"):
        Image(std=(0, 1, 1))


def test_the_model_is_small_enough_to_commit() -> None:
    assert MODEL.stat().st_size < 100_000
