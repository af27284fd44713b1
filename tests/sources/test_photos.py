"""Seeded JPEG files of chosen sizes, and JPEG files as they are."""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from benchkit.errors import UsageError
from benchkit.sources._photos import Sizes
from benchkit.sources.images import Images

SMALL = {"median": "20kB", "sigma": 0.8, "least": "6kB", "most": "80kB"}


def some(count: int, seed: int = 1, **options: object):
    return list(islice(Images(form="jpeg", sizes=SMALL, **options).items(seed), count))


def test_drawn_sizes_follow_the_truncated_log_normal() -> None:
    sizes = Sizes()
    found = np.sort(list(islice(sizes.drawn(np.random.default_rng(3)), 4000)))
    assert found[0] >= 100_000
    assert found[-1] <= 3_000_000
    # An independent sample by rejection: draw, and throw away what lies beyond the ends.
    rng = np.random.default_rng(4)
    free = rng.lognormal(np.log(500_000), 0.8, 40_000)
    kept = free[(free >= 100_000) & (free <= 3_000_000)]
    for share in (0.1, 0.5, 0.9):
        assert np.quantile(found, share) == pytest.approx(np.quantile(kept, share), rel=0.03)


def test_a_few_files_already_have_the_mean() -> None:
    whole = np.mean(list(islice(Sizes().drawn(np.random.default_rng(0)), 20_000)))
    for seed in range(20):
        few = np.mean(list(islice(Sizes().drawn(np.random.default_rng(seed)), 16)))
        assert few == pytest.approx(whole, rel=0.2)


def test_files_have_the_sizes_drawn_and_decode() -> None:
    wanted = list(islice(Sizes.model_validate(SMALL).drawn(rng_of(1)), 12))
    assert len(set(wanted)) > 10
    for item in some(12):
        content = item.arrays["image"]
        assert content.dtype == np.uint8
        assert content.ndim == 1
        with Image.open(io.BytesIO(content)) as file:
            assert file.format == "JPEG"
            assert file.convert("RGB").size[0] > file.size[1]
        assert 5_000 < content.nbytes < 90_000
    got = sorted(item.arrays["image"].nbytes for item in some(12))
    assert np.mean(got) == pytest.approx(np.mean(wanted), rel=0.25)


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 0x9407])


def test_equal_seeds_make_equal_files() -> None:
    one, same, other = some(3), some(3), some(3, seed=2)
    for a, b in zip(one, same, strict=True):
        assert a.arrays["image"].tobytes() == b.arrays["image"].tobytes()
    assert one[0].arrays["image"].tobytes() != other[0].arrays["image"].tobytes()


def test_pictures_have_a_photographs_detail() -> None:
    """Bits per pixel decide what decoding costs beside the bytes; photographs at this quality have one to three."""
    for item in some(6):
        with Image.open(io.BytesIO(item.arrays["image"])) as file:
            assert 1 < 8 * item.arrays["image"].nbytes / (file.width * file.height) < 3


def test_as_tensors_they_are_decoded() -> None:
    (item,) = islice(Images(sizes=SMALL, size=(64, 48)).items(1), 1)
    assert item.arrays["frame"].shape == (48, 64, 3)


def test_a_folders_jpeg_files_travel_byte_for_byte(tmp_path: Path) -> None:
    Image.new("RGB", (9, 7), (1, 2, 3)).save(tmp_path / "b.jpg", quality=70)
    Image.new("RGB", (5, 5)).save(tmp_path / "a.png")
    items = list(islice(Images(path=tmp_path, form="jpeg").items(0), 2))
    assert [item.metadata for item in items] == [b"b.jpg", b"b.jpg"]
    assert items[0].arrays["image"].tobytes() == (tmp_path / "b.jpg").read_bytes()


def test_a_folder_without_jpeg_files(tmp_path: Path) -> None:
    Image.new("RGB", (5, 5)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="holds no image") as caught:
        next(Images(path=tmp_path, form="jpeg").items(0))
    assert ".png" not in caught.value.remedy


def test_a_file_that_only_is_called_jpeg(tmp_path: Path) -> None:
    Image.new("RGB", (5, 5)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    with pytest.raises(UsageError, match="cannot be read as an image"):
        next(Images(path=tmp_path, form="jpeg").items(0))


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValidationError, match="travels as it is"):
        Images(form="jpeg", size=(64, 64))
    with pytest.raises(ValidationError, match="not between least"):
        Images(sizes={"median": "5MB"})


def test_labels_say_the_size() -> None:
    assert Images(form="jpeg").label() == "images-500kB"
