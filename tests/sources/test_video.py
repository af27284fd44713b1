from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from benchkit.errors import UsageError
from benchkit.sources.base import registry
from benchkit.sources.video import Video

COUNT = 5


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Five lossless frames of 64x48, each of its own grey."""
    path = tmp_path / "weir.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        for number in range(COUNT):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * number, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def refusal(path: Path, capfd: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(UsageError) as caught:
        list(islice(Video(path=path).items(0), 2))
    assert caught.value.remedy
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert capfd.readouterr().err == ""
    return str(caught.value)


def greys(source: Video, count: int) -> list[int]:
    return [int(item.arrays["frame"][20, 20, 0]) for item in islice(source.items(0), count)]


def test_frames_in_order_as_contiguous_rgb_bytes(clip: Path):
    items = list(islice(Video(path=clip).items(0), COUNT))
    frame = items[1].arrays["frame"]
    assert (frame.shape, frame.dtype, frame.flags.c_contiguous) == ((48, 64, 3), np.uint8, True)
    assert [int(item.arrays["frame"][0, 0, 1]) for item in items] == [0, 40, 80, 120, 160]
    assert items[1].metadata == b"pts=100 time_s=0.100000"


def test_loops_unless_told_not_to(clip: Path):
    assert greys(Video(path=clip), 7) == [0, 40, 80, 120, 160, 0, 40]
    assert greys(Video(path=clip, loop=False), 7) == [0, 40, 80, 120, 160]


def test_every_run_reads_the_same(clip: Path):
    assert greys(Video(path=clip, size=(32, 24)), 9) == greys(Video(path=clip, size=(32, 24)), 9)


def test_size_scales_and_shows_in_the_label(clip: Path):
    source = Video(path=clip, size="30x20")  # type: ignore[arg-type]
    assert next(source.items(0)).arrays["frame"].shape == (20, 30, 3)
    assert source.label() == "video-weir-30x20"
    assert Video(path=clip).label() == "video-weir"


def test_config_is_plain(clip: Path):
    source = Video(path=clip, size=(30, 20))
    assert source.config()["path"] == str(clip)
    assert registry.build(source.config()) == source


def test_a_missing_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    assert "there is no such file" in refusal(tmp_path / "no.mp4", capfd)


def test_a_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    assert "is not a file" in refusal(tmp_path, capfd)


@pytest.mark.parametrize("content", [b"", b"this is no video\n" * 50, bytes(5000)])
def test_a_file_that_is_no_video(tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]):
    path = tmp_path / "odd.avi"
    path.write_bytes(content)
    message = refusal(path, capfd)
    assert "odd.avi" in message
    assert "cannot be read as a video" in message


def test_a_file_with_sound_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "has no video stream" in refusal(path, capfd)


def test_a_name_with_a_colon_is_a_file_and_no_protocol(clip: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(clip.parent)
    clip.rename(clip.parent / "concat:weir.mkv")
    assert greys(Video(path=Path("concat:weir.mkv")), 1) == [0]


def test_real_footage(footage: Path):
    items = list(islice(Video(path=footage, loop=False).items(0), 3))
    assert [item.arrays["frame"].shape for item in items] == [(576, 768, 3)] * 3
    assert not np.array_equal(items[0].arrays["frame"], items[2].arrays["frame"])
