"""The codec: tensors as `raw` sends them, a packet that is checked on both sides."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from examples import TWENTY

from benchkit.errors import KlvError, MessageError
from benchkit.klv import UNIVERSAL_LABEL, pack, parse
from benchkit.tensors.codecs.klv import Klv
from benchkit.tensors.codecs.raw import Raw
from benchkit.testing import check_codec

PACKET = pack(TWENTY)
ARRAYS = {"frame": np.arange(300, dtype=np.uint8), "capture_us": np.array([7])}


def body(codec: Klv, metadata: bytes = PACKET) -> bytearray:
    return bytearray(b"".join(codec.encode(ARRAYS, metadata)))


def test_it_keeps_the_promises_of_the_seam():
    assert check_codec(Klv()).skipped == {}


@pytest.mark.parametrize("metadata", [b"", PACKET, pack({2: 1, 48: bytes(100_000)})])
def test_arrays_and_the_packet_come_back(metadata):
    arrays, came = Klv().decode(memoryview(body(Klv(), metadata)))
    assert came == metadata
    assert all(np.array_equal(arrays[name], ARRAYS[name]) for name in ARRAYS)
    assert not any(array.flags.writeable for array in arrays.values())


def test_tensors_are_not_copied():
    frame = np.zeros(64, np.uint8)
    parts = Klv().encode({"frame": frame}, PACKET)
    assert any(np.shares_memory(np.frombuffer(part, np.uint8), frame) for part in parts)
    received = np.frombuffer(b"".join(parts), np.uint8)
    arrays, _ = Klv().decode(memoryview(received.data))
    assert np.shares_memory(arrays["frame"], received)
    assert arrays["frame"].ctypes.data % 64 == received.ctypes.data % 64


@pytest.mark.parametrize(
    "metadata",
    [b"pts=7", PACKET[:-1], PACKET + b"\0", PACKET[:-1] + bytes([PACKET[-1] ^ 1]), UNIVERSAL_LABEL],
)
def test_what_is_no_packet_is_not_sent(metadata):
    with pytest.raises(KlvError):
        Klv().encode(ARRAYS, metadata)


@pytest.mark.parametrize("place", [4, 20, 21, 40, len(PACKET) + 3])
def test_a_packet_that_is_damaged_on_the_way_is_refused_with_the_place(place):
    damaged = body(Klv())
    damaged[place] ^= 0x10
    with pytest.raises(KlvError) as error:
        Klv().decode(memoryview(damaged))
    assert isinstance(error.value, MessageError)  # so that the engine counts it as corrupted
    assert 0 <= error.value.position <= len(PACKET)


@pytest.mark.parametrize("size", [1, len(PACKET) + 1, 1 << 20, (1 << 32) - 1])
def test_another_length_is_refused(size):
    damaged = body(Klv())
    damaged[:4] = struct.pack("<I", size)
    with pytest.raises(MessageError):
        Klv().decode(memoryview(damaged))


def test_metadata_in_two_places_is_refused():
    parts = [*Klv().encode({}, PACKET)[:1], *Raw().encode(ARRAYS, b"more")]
    with pytest.raises(MessageError, match="beside"):
        Klv().decode(memoryview(b"".join(parts)))


def test_tags_that_are_asked_for_must_be_there():
    codec = Klv(tags=(2, 13))
    assert codec.decode(memoryview(body(codec)))[1] == PACKET
    with pytest.raises(KlvError, match="Sensor Latitude"):
        codec.encode(ARRAYS, pack({2: 1}))
    sent = body(Klv(), pack({2: 1}))
    with pytest.raises(KlvError, match="Sensor Latitude"):
        codec.decode(memoryview(sent))
    untimed = parse(PACKET)
    assert Klv(tags=()).decode(memoryview(body(Klv(tags=()), untimed.pack())))[1] == PACKET
