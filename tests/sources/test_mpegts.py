"""Recorded transport streams as messages: frames with the packets that came with them."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest

from benchkit.errors import UsageError
from benchkit.klv import pack, parse
from benchkit.klv.ts import Writer
from benchkit.sources.mpegts import Mpegts

COUNT, GROUP = 20, 5
BEGAN_US = 1_700_000_000_000_000
EVERY_TICKS = 3003


@pytest.fixture(scope="module")
def units():
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = 64, 48, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, 30), Fraction(30)
    codec.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x264-params": f"keyint={GROUP}:annexb=1:repeat-headers=1",
    }
    codec.thread_count = 1
    made = []
    for number in range(COUNT):
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * number, np.uint8), format="rgb24")
        frame.pts = number
        made += [(bytes(packet), packet.is_keyframe) for packet in codec.encode(frame)]
    return made


def shown_us(number: int) -> int:
    return round((number + 30) * EVERY_TICKS * 1_000_000 / 90_000)


def recorded(path, units, *, synchronous, late=0, lost=(), first=0):
    """A file in which the packet of frame n tells of frame n's time and stands `late` frames after it."""
    with (
        path.open("wb") as file,
        Writer(file, synchronous=synchronous, size=(64, 48), rate_per_s=Fraction(30000, 1001)) as writer,
    ):
        for number in range(first, COUNT):
            unit, key = units[number]
            ticks = (number + 30) * EVERY_TICKS
            writer.video(unit, ticks, is_key=key)
            if number - late >= 0 and number not in lost:
                writer.klv(pack({2: BEGAN_US + shown_us(number - late), 3: str(number - late)}), ticks + 9)
    return path


@pytest.mark.parametrize("synchronous", [True, False])
def test_each_frame_comes_with_its_packet_and_its_time(tmp_path, units, synchronous):
    path = recorded(tmp_path / "flight.ts", units, synchronous=synchronous, lost={4, 11})
    items = list(Mpegts(path=path, loop=False).items(1))
    assert len(items) == COUNT
    for number, item in enumerate(items):
        assert item.arrays["frame"].tobytes().endswith(units[number][0])
        assert (
            abs(int(item.arrays["capture_us"][0]) - BEGAN_US - shown_us(number)) <= 100
        )  # the packets' 9 ticks
        if number in {4, 11}:
            assert item.metadata == b""
        else:
            assert parse(item.metadata).value(3) == str(number)


@pytest.mark.parametrize("synchronous", [True, False])
def test_packets_that_fall_behind_show_their_skew(tmp_path, units, synchronous):
    """The first packet is in time and lays the clock, then all come three frames late."""
    path = tmp_path / "late.ts"
    with (
        path.open("wb") as file,
        Writer(file, synchronous=synchronous, size=(64, 48), rate_per_s=Fraction(30000, 1001)) as writer,
    ):
        for number, (unit, key) in enumerate(units):
            ticks = (number + 30) * EVERY_TICKS
            writer.video(unit, ticks, is_key=key)
            writer.klv(pack({2: BEGAN_US + shown_us(number - (3 if number else 0))}), ticks)
    skews = [
        parse(item.metadata).time_us - int(item.arrays["capture_us"][0])
        for item in Mpegts(path=path, loop=False).items(1)
    ]
    assert skews[0] == 0
    assert all(abs(each + 100_100) < 50 for each in skews[1:])


def test_the_frames_can_be_decoded_though_the_recording_began_within_a_group(tmp_path, units):
    path = recorded(tmp_path / "late.ts", units, synchronous=True, first=3)
    items = list(Mpegts(path=path, loop=False).items(1))
    assert len(items) == COUNT - GROUP
    codec = av.CodecContext.create("h264", "r")
    frames = []
    for item in items:
        frames += codec.decode(av.Packet(item.arrays["frame"].tobytes()))
    frames += codec.decode(None)
    assert len(frames) == len(items)
    assert parse(items[0].metadata).value(3) == str(GROUP)


def test_it_starts_again_at_the_end_with_the_same_times(tmp_path, units):
    path = recorded(tmp_path / "flight.ts", units, synchronous=True)
    twice = list(islice(Mpegts(path=path).items(1), 2 * COUNT))
    for one, other in zip(twice[:COUNT], twice[COUNT:], strict=True):
        assert one.metadata == other.metadata
        assert one.arrays["capture_us"] == other.arrays["capture_us"]
        assert np.array_equal(one.arrays["frame"], other.arrays["frame"])


def test_damaged_packets_travel_as_they_are_and_lay_no_clock(tmp_path, units):
    path = tmp_path / "damaged.ts"
    good = pack({2: BEGAN_US})
    with (
        path.open("wb") as file,
        Writer(file, synchronous=True, size=(64, 48), rate_per_s=Fraction(30)) as writer,
    ):
        writer.video(units[0][0], 0, is_key=True)
        writer.klv(good[:-1] + bytes([good[-1] ^ 1]), 0)
        writer.video(units[1][0], 3000, is_key=False)
        writer.klv(good, 3000)
    first, second = Mpegts(path=path, loop=False).items(1)
    assert first.metadata[:-1] == good[:-1]
    assert first.metadata != good == second.metadata
    assert int(second.arrays["capture_us"][0]) == BEGAN_US
    assert int(first.arrays["capture_us"][0]) == BEGAN_US - 33_333


def test_what_cannot_be_read_is_told_with_the_path(tmp_path):
    (tmp_path / "text.ts").write_text("no transport stream")
    for path, what in (
        (tmp_path / "none.ts", "no such file"),
        (tmp_path, "not a file"),
        (tmp_path / "text.ts", "transport stream"),
    ):
        with pytest.raises(UsageError, match=what) as error:
            next(Mpegts(path=path).items(1))
        assert str(path) in str(error.value)
        assert error.value.remedy
