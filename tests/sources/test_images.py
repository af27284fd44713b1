from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from benchkit.errors import UsageError
from benchkit.sources.base import registry
from benchkit.sources.images import Images

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    at = tmp_path / "gate"
    at.mkdir()
    for name, colour in (("b.png", (0, 200, 0)), ("a.png", (200, 0, 0)), ("c.bmp", (0, 0, 200))):
        Image.new("RGB", (6, 4), colour).save(at / name)
    (at / "notes.txt").write_text("no image")
    return at


def first(source: Images):
    return next(source.items(0))


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        first(Images(path=path))
    assert caught.value.remedy
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def test_pictures_come_in_the_order_of_their_names_again_and_again(folder: Path):
    items = list(islice(Images(path=folder).items(0), 5))
    assert [item.metadata for item in items] == [b"a.png", b"b.png", b"c.bmp", b"a.png", b"b.png"]
    frame = items[0].arrays["frame"]
    assert (frame.shape, frame.dtype, frame.flags.c_contiguous) == ((4, 6, 3), np.uint8, True)
    assert frame[0, 0].tolist() == [200, 0, 0]


def test_size_scales_and_other_modes_become_rgb(folder: Path):
    Image.new("LA", (5, 5), (90, 10)).save(folder / "a.png")
    item = first(Images(path=folder, size=(8, 2)))
    assert item.arrays["frame"].shape == (2, 8, 3)
    assert item.arrays["frame"][0, 0].tolist() == [90, 90, 90]


def test_label_and_config_are_plain(folder: Path):
    source = Images(path=folder)
    assert source.label() == "images-gate"
    assert source.config()["path"] == str(folder)
    assert registry.build(source.config()) == source


def test_a_missing_folder(tmp_path: Path):
    assert "nowhere: there is no such folder" in refusal(tmp_path / "nowhere")


def test_a_file_for_a_folder(folder: Path):
    assert "is not a folder" in refusal(folder / "notes.txt")


def test_a_folder_without_images(tmp_path: Path):
    message = refusal(tmp_path)
    assert "holds no image" in message
    assert ".png" in message


@pytest.mark.parametrize("content", [b"", b"this is no image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_a_file_that_is_no_image(folder: Path, content: bytes):
    (folder / "a.png").write_bytes(content)
    message = refusal(folder)
    assert "a.png" in message
    assert "cannot be read as an image" in message


def test_a_file_cut_short(folder: Path):
    whole = folder / "a.jpg"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)).save(whole)
    whole.write_bytes(whole.read_bytes()[:900])
    (folder / "a.png").unlink()
    assert "cannot be read as an image" in refusal(folder)


def test_a_link_out_of_the_folder(folder: Path, tmp_path: Path):
    secret = tmp_path / "secret.png"
    Image.new("RGB", (3, 3)).save(secret)
    (folder / "0.png").symlink_to(secret)
    assert "link to a file outside" in refusal(folder)


def test_a_link_within_the_folder_is_fine(folder: Path):
    (folder / "0.png").symlink_to(folder / "b.png")
    assert first(Images(path=folder)).arrays["frame"][0, 0].tolist() == [0, 200, 0]


def test_a_decompression_bomb(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    assert "more than 20 pixels" in refusal(folder)
