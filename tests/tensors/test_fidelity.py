"""PSNR against other ways to compute it, and what a lossy codec really leaves over."""

from __future__ import annotations

import math
from fractions import Fraction

import hypothesis.extra.numpy as hnp
import ml_dtypes
import numpy as np
import pytest
from bodies import LOSSLESS, through
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from benchkit.engine.oracle import foresee
from benchkit.sources.base import Item
from benchkit.sources.camera import Camera
from benchkit.stages.null import Null
from benchkit.tensors import fidelity
from benchkit.tensors.codecs.jpeg import Jpeg
from benchkit.tensors.codecs.raw import Raw
from benchkit.tensors.fidelity import changed_db, mean_squared_error, peak, psnr_db

FRAME = next(iter(Camera(size="160x120").items(1))).arrays


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), min_size=1, max_size=40))
def test_it_is_the_formula_in_exact_arithmetic(pairs: list[tuple[int, int]]) -> None:
    left, right = (np.array(side, np.uint8) for side in zip(*pairs, strict=True))
    error = Fraction(sum((one - other) ** 2 for one, other in pairs), len(pairs))
    found = psnr_db(left, right)
    if error:
        assert found == pytest.approx(10 * math.log10(255**2 / error), rel=1e-12)
    else:
        assert found == math.inf


@given(hnp.arrays(np.int16, (37,)), hnp.arrays(np.int16, (37,)))
def test_chunks_do_not_change_it(left: np.ndarray, right: np.ndarray) -> None:
    whole = mean_squared_error(left, right)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fidelity, "_CHUNK", 5)
        assert mean_squared_error(left, right) == pytest.approx(whole, rel=1e-12)


def test_a_picture_agrees_with_pillow() -> None:
    (frame,) = FRAME.values()
    decoded, _ = Jpeg(quality=70).decode(memoryview(b"".join(Jpeg(quality=70).encode(FRAME, b""))))
    (other,) = decoded.values()
    squares = ImageStat.Stat(ImageChops.difference(Image.fromarray(frame), Image.fromarray(other))).sum2
    error = sum(squares) / frame.size
    assert changed_db(FRAME, decoded) == [pytest.approx(10 * math.log10(255**2 / error))]


def test_peaks() -> None:
    expected = {"uint8": 255, "uint16": 65535, "int8": 255, "bool": 1, "float32": 1, "complex64": 1}
    assert {name: peak(np.dtype(name)) for name in expected} == expected
    assert peak(np.dtype(ml_dtypes.bfloat16)) == 1


def test_what_has_no_value_is_left_out() -> None:
    nan = {"x": np.array([np.nan, 1.0])}
    far = {"x": np.array([1e308, 1.0]), "y": np.array([1.0])}
    assert math.isnan(psnr_db(nan["x"], far["x"]))
    assert changed_db(far, {"x": -far["x"], "y": far["y"]}) == []
    assert changed_db(far, {"x": far["x"], "y": np.array([1.5])}) == [pytest.approx(20 * math.log10(2))]


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_lossless_codec_changes_nothing(kind: str) -> None:
    decoded, _ = through(kind, FRAME)
    assert changed_db(FRAME, decoded) == []


def test_the_better_the_quality_the_higher() -> None:
    items = [Item({**FRAME, "window": np.arange(8.0)})]
    opened = Null().open(0)
    found = [
        foresee(items, Jpeg(quality=quality), opened, deterministic=True)["psnr_db"]
        for quality in (10, 30, 60, 90)
    ]
    assert [len(each) for each in found] == [1, 1, 1, 1]  # the picture; the window is not changed
    assert found == sorted(found)
    assert found[0][0] > 15
    assert foresee(items, Raw(), opened, deterministic=True)["psnr_db"] == []
