from __future__ import annotations

import io
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.sources._texture import coverage, paint
from benchkit.sources._water import LEVEL_RANGE_M, Motion
from benchkit.sources.base import registry
from benchkit.sources.camera import Camera, View

SMALL = (320, 180)


def frames(count: int, seed: int = 1, **options: object) -> list[np.ndarray]:
    source = Camera.model_validate({"size": SMALL, **options})
    return [np.asarray(item.arrays["frame"]) for item in islice(source.items(seed), count)]


def test_frames_are_contiguous_rgb_bytes_of_their_own_memory():
    one, two = frames(2)
    for frame in (one, two):
        assert frame.shape == (180, 320, 3)
        assert frame.dtype == np.uint8
        assert frame.flags.c_contiguous
    assert not np.shares_memory(one, two)


def test_same_seed_same_bits_and_another_seed_other_bits():
    assert all(np.array_equal(a, b) for a, b in zip(frames(3), frames(3), strict=True))
    assert not np.array_equal(frames(1)[0], frames(1, seed=2)[0])


def test_no_two_frames_are_alike_even_in_still_air():
    one, two = frames(2, noise=0)
    assert np.mean(one != two) > 0.05


def test_truth_is_a_level_that_moves_within_its_range():
    levels = [item.truth["level_m"] for item in islice(Camera(size=SMALL).items(5), 60)]
    assert all(LEVEL_RANGE_M[0] <= level <= LEVEL_RANGE_M[1] for level in levels)
    assert len(set(levels)) == len(levels)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1e5))
def test_no_wave_leaves_the_range(seed: int, time_s: float):
    level = Motion.drawn(np.random.default_rng(seed)).level_m(time_s)
    assert LEVEL_RANGE_M[0] <= level <= LEVEL_RANGE_M[1]


def test_a_lower_rate_moves_the_water_further():
    def first_step(rate: str) -> float:
        a, b = (item.truth["level_m"] for item in islice(Camera(size=SMALL, rate=rate).items(3), 2))  # type: ignore[arg-type]
        return abs(a - b)

    assert first_step("1000/s") < first_step("30/s")


def test_water_stands_where_the_truth_says():
    """The same scene at two levels differs between their rows on the gauge's pier, and hardly above."""
    low, _ = View(4, (640, 360), 0.0).frame(0.0, 0.8)
    view = View(4, (640, 360), 0.0)
    high, _ = view.frame(0.0, 2.0)
    column = slice(int(view.layout.gauge_column) - 40, int(view.layout.gauge_column) + 40)
    change = np.abs(low[:, column].astype(int) - high[:, column]).mean(axis=(1, 2))
    upper, lower = int(view.layout.row(2.0)), int(view.layout.row(0.8))
    assert change[: upper - 10].max() < 0.5
    assert change[upper + 3 : lower - 10].mean() > 10


def test_noise_has_the_deviation_that_was_asked_for():
    def flat(noise: float) -> float:
        quiet, noisy = (View(6, SMALL, at).frame(0.0, 1.0)[0].astype(float) for at in (0.0, noise))
        bright = (quiet > 90) & (quiet < 200)
        return float((noisy - quiet)[bright].std())

    assert flat(2.0) == pytest.approx(2.0, rel=0.15)
    assert flat(6.0) == pytest.approx(6.0, rel=0.15)


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 70), st.integers(2, 70), st.integers(0, 1000))
def test_any_size_renders(width: int, height: int, seed: int):
    (item,) = islice(Camera(size=(width, height)).items(seed), 1)
    assert item.arrays["frame"].shape == (height, width, 3)


def test_label_and_config_are_plain():
    source = Camera()
    assert source.label() == "camera-1920x1080"
    assert registry.build(source.config()) == source
    assert Camera(size="640x360").label() == "camera-640x360"  # type: ignore[arg-type]


def test_a_half_covered_pixel_is_half_painted():
    assert coverage(0.5, 2.0, 3).tolist() == [0.5, 1.0, 0.0]
    canvas = np.zeros((1, 3, 3), np.uint8)
    paint(canvas, (0, 1), (0.5, 2), (100, 100, 100))
    assert canvas[0, :, 0].tolist() == [50, 100, 0]


def bits_per_pixel(frame: np.ndarray) -> tuple[float, float]:
    """JPEG at quality 90, and zstd at level 3 of the raw bytes."""
    zstandard = pytest.importorskip("zstandard")
    image = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    image.fromarray(frame).save(out, "JPEG", quality=90)
    pixels = frame.shape[0] * frame.shape[1] / 8
    return out.tell() / pixels, len(zstandard.ZstdCompressor(level=3).compress(frame.tobytes())) / pixels


def test_compresses_like_real_footage(footage):
    """Within a factor of 1.35 of real footage of the same size, for a lossy and a lossless codec."""
    av = pytest.importorskip("av")
    with av.open(str(footage)) as container:
        real = [f.to_ndarray(format="rgb24") for f in islice(container.decode(video=0), 0, 400, 100)]
    made = [frames(1, seed, size=(768, 576))[0] for seed in range(6)]
    real_jpeg, real_zstd = np.mean([bits_per_pixel(frame) for frame in real], axis=0)
    made_jpeg, made_zstd = np.mean([bits_per_pixel(frame) for frame in made], axis=0)
    assert 1 / 1.35 < made_jpeg / real_jpeg < 1.35
    assert 1 / 1.35 < made_zstd / real_zstd < 1.35
