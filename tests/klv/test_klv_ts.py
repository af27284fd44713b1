"""KLV beside H.264 in an MPEG transport stream: what goes in comes out, in both carriages."""

from __future__ import annotations

import io
import shutil
import subprocess
from fractions import Fraction
from functools import cache

import av
import numpy as np
import pytest
from examples import TWENTY

from benchkit.errors import KlvError, MessageError, MissingLibrary
from benchkit.klv import pack, parse, split
from benchkit.klv.ts import MOST_BYTES, TICKS_PER_S, Writer, read
from benchkit.klv.ts_tables import PACKET_BYTES, crc32

COUNT = 12
BEGIN_TICKS = 90_000
EVERY_TICKS = 3003
DELIMITER = b"\x00\x00\x00\x01\x09"


@cache
def units() -> tuple[tuple[bytes, bool], ...]:
    """A short real encode, as live video is sent: no B frames, a packet a frame."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = 64, 48, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, 30), Fraction(30)
    codec.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x264-params": "keyint=5:annexb=1:repeat-headers=1",
    }
    codec.thread_count = 1
    made = []
    for number in range(COUNT):
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * number, np.uint8), format="rgb24")
        frame.pts = number
        made += [(bytes(packet), packet.is_keyframe) for packet in codec.encode(frame)]
    assert len(made) == COUNT
    return tuple(made)


def packets() -> list[bytes]:
    return [
        pack({**TWENTY, 2: TWENTY[2] + number * 33_367, 48: bytes(number * 40)}) for number in range(COUNT)
    ]


def stream(*, synchronous: bool) -> bytes:
    file = io.BytesIO()
    with Writer(file, synchronous=synchronous, size=(64, 48), rate_per_s=Fraction(30000, 1001)) as writer:
        for number, ((unit, key), packet) in enumerate(zip(units(), packets(), strict=True)):
            ticks = BEGIN_TICKS + number * EVERY_TICKS
            writer.video(unit, ticks, is_key=key)
            writer.klv(packet, ticks + 7)
    return file.getvalue()


@pytest.mark.parametrize("synchronous", [True, False])
def test_packets_and_video_come_back(synchronous):
    came = list(read(io.BytesIO(stream(synchronous=synchronous))))
    klv = [unit for unit in came if unit.is_klv]
    video = [unit for unit in came if not unit.is_klv]
    assert [unit.is_klv for unit in came] == [False, True] * COUNT  # as they were written
    assert [unit.data for unit in klv] == packets()
    for number, unit in enumerate(klv):
        assert unit.ticks == (BEGIN_TICKS + number * EVERY_TICKS + 7 if synchronous else None)
        assert parse(unit.data).time_us == TWENTY[2] + number * 33_367
    assert [unit.ticks for unit in video] == [BEGIN_TICKS + number * EVERY_TICKS for number in range(COUNT)]
    assert [unit.is_key for unit in video] == [key for _, key in units()]
    for (sent, _), unit in zip(units(), video, strict=True):
        assert unit.data.startswith(DELIMITER)
        assert unit.data.endswith(sent)


@pytest.mark.parametrize("synchronous", [True, False])
def test_the_program_says_which_carriage_it_is(synchronous):
    data = stream(synchronous=synchronous)
    assert len(data) % PACKET_BYTES == 0
    parts = [data[at : at + PACKET_BYTES] for at in range(0, len(data), PACKET_BYTES)]
    tables = [part for part in parts if (part[1] & 0x1F) << 8 | part[2] == 0x1000]
    assert tables
    for part in tables:
        section = part[5:]
        length = 3 + ((section[1] & 0x0F) << 8 | section[2])
        assert crc32(section[:length]) == 0  # a section with its own CRC, ISO/IEC 13818-1 annex A
        assert section[length:] == b"\xff" * (len(section) - length)
        assert b"KLVA" in section
        assert (b"\x15\xe1\x01" in section) == synchronous
        assert (b"\x06\xe1\x01" in section) != synchronous
    starts = [part for part in parts if part[1] & 0x40 and (part[1] & 0x1F) << 8 | part[2] == 0x101]
    assert len(starts) == COUNT
    for part in starts:
        pes = part[4 + (1 + part[4] if part[3] & 0x20 else 0) :]
        assert pes[:4] == b"\x00\x00\x01" + (b"\xfc" if synchronous else b"\xbd")
        assert bool(pes[7] & 0x80) == synchronous
        assert pes[6] & 0xC0 == 0x80


def test_klv_as_libavformat_alone_writes_it_is_read():
    """Stream type 0x06, yet with the time stamps of synchronous KLV."""
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts") as container:
        stream = container.add_data_stream("klv")
        stream.time_base = Fraction(1, TICKS_PER_S)
        for number, data in enumerate(packets()):
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, stream.time_base
            packet.pts = packet.dts = number * EVERY_TICKS
            container.mux(packet)
    came = list(read(io.BytesIO(file.getvalue())))
    assert [unit.data for unit in came] == packets()
    assert [unit.ticks for unit in came] == [number * EVERY_TICKS for number in range(COUNT)]


def test_the_checksum_of_tables():
    assert crc32(b"123456789") == 0x0376E6E7  # the check value of CRC-32/MPEG-2


def test_packets_that_do_not_fit_are_refused():
    with Writer(io.BytesIO(), synchronous=True, size=(64, 48), rate_per_s=Fraction(30)) as writer:
        for packet in (b"", bytes(MOST_BYTES + 1)):
            with pytest.raises(KlvError):
                writer.klv(packet, 0)
        writer.klv(pack({2: 1, 48: bytes(60_000)}), 0)


def test_a_pyav_that_cannot_mux_is_told_with_the_install_command(monkeypatch):
    monkeypatch.setattr(av.container, "OutputContainer", object)
    with pytest.raises(MissingLibrary, match="muxes no finished packets") as error:
        Writer(io.BytesIO(), synchronous=True, size=(64, 48), rate_per_s=Fraction(30))
    assert "pip install" in error.value.remedy


@pytest.mark.parametrize("data", [b"", b"no transport stream", bytes(10_000)])
def test_what_is_no_transport_stream_is_one_error(data):
    with pytest.raises(MessageError, match="transport stream"):
        list(read(io.BytesIO(data)))


def test_a_stream_that_is_cut_off_gives_what_is_whole_before_it():
    data = stream(synchronous=True)
    came = [unit.data for unit in read(io.BytesIO(data[: len(data) // 2])) if unit.is_klv]
    whole = packets()
    assert came
    assert came[:-1] == whole[: len(came) - 1]  # the last may be cut off too: `parse` tells
    assert TICKS_PER_S == 90_000


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg on this machine")
@pytest.mark.parametrize("synchronous", [True, False])
def test_ffmpeg_extracts_the_packets(synchronous, tmp_path):
    (tmp_path / "own.ts").write_bytes(stream(synchronous=synchronous))
    command = [
        "ffmpeg",
        "-loglevel",
        "error",
        "-i",
        "own.ts",
        "-map",
        "0:d",
        "-c",
        "copy",
        "-f",
        "data",
        "its.klv",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    assert list(split((tmp_path / "its.klv").read_bytes())) == packets()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg on this machine")
@pytest.mark.parametrize("synchronous", [True, False])
def test_what_ffmpeg_writes_is_read(synchronous, tmp_path):
    """ffmpeg copies our file, so that the transport stream is of its making: KLV as it writes it."""
    (tmp_path / "own.ts").write_bytes(stream(synchronous=synchronous))
    command = ["ffmpeg", "-loglevel", "error", "-copyts", "-i", "own.ts", "-map", "0", "-c", "copy", "its.ts"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    came = [unit.data for unit in read(str(tmp_path / "its.ts")) if unit.is_klv]
    assert came == packets()
