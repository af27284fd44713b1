"""Of a body's bytes: a changed bit, a swapped frame and a torn one are seen; equal bodies are equal."""

from __future__ import annotations

import numpy as np
import pytest
from bodies import any_arrays, body
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.tensors.integrity import checksum, fingerprint, fingerprint_of_parts

WHOLE_BELOW_BYTES = 32768
FRAME = np.random.default_rng(3).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
OTHER = np.random.default_rng(4).integers(0, 256, FRAME.shape, dtype=np.uint8)
BOTH = pytest.mark.parametrize("digest", [fingerprint, checksum])


@BOTH
@given(arrays=any_arrays, metadata=st.binary(max_size=9))
@settings(max_examples=60, deadline=None)
def test_equal_bodies_are_equal_in_any_buffer(digest, arrays, metadata):
    sent = body("raw", arrays, metadata)
    assert digest(sent) == digest(bytearray(sent)) == digest(bytes(sent))
    assert 0 <= digest(sent) < 1 << 64


@BOTH
def test_what_describes_the_arrays_counts(digest):
    x = np.zeros(4, "u1")
    messages = [
        ({"x": x}, b""), ({"y": x}, b""), ({"x": x.view("i1")}, b""), ({"x": x.reshape(4, 1)}, b""),
        ({"x": x[:3]}, b""), ({"x": x}, b"\0"), ({"x": x, "y": x[:0]}, b""),
        ({"y": x[:0], "x": x}, b""), ({}, b""),
    ]  # fmt: skip
    assert len({digest(body("raw", *message)) for message in messages}) == len(messages)


@pytest.mark.parametrize(
    "length", [0, 1, 63, 64, 65, WHOLE_BELOW_BYTES - 1, WHOLE_BELOW_BYTES, WHOLE_BELOW_BYTES + 1]
)
def test_zeros_of_another_length_are_another_body(length):
    assert fingerprint(bytes(length)) != fingerprint(bytes(length + 1))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_checksum_sees_every_bit(data):
    changed = bytearray(FRAME[:40].tobytes())
    before = checksum(changed)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert checksum(changed) != before


@pytest.mark.parametrize("length", [5, 64, 5760, WHOLE_BELOW_BYTES])
def test_short_bodies_are_read_whole_by_the_fingerprint(length):
    short = bytearray(FRAME.reshape(-1)[:length])
    before = fingerprint(short)
    for position in range(0, length, 97):
        short[position] ^= 1
        assert fingerprint(short) != before
        short[position] ^= 1
    assert fingerprint(short) == before


@pytest.mark.parametrize("length", [WHOLE_BELOW_BYTES + 1, WHOLE_BELOW_BYTES + 64, 100_003])
def test_the_fingerprint_reads_the_first_and_the_last_64_bytes(length):
    long = bytearray(length)
    before = fingerprint(long)
    for position in (*range(64), *range(length - 64, length)):
        long[position] = 1
        assert fingerprint(long) != before
        long[position] = 0


def test_the_fingerprint_sees_torn_and_stale_frames():
    whole = {fingerprint(FRAME.tobytes()), fingerprint(OTHER.tobytes())}
    assert len(whole) == 2
    for row in (30, 540, 1050):  # written that far over the frame before
        assert fingerprint(OTHER[:row].tobytes() + FRAME[row:].tobytes()) not in whole


@given(st.lists(st.binary(max_size=40_000), max_size=6), st.integers(1, 5))
def test_a_body_in_pieces_has_the_fingerprint_of_the_whole(pieces, times):
    parts = pieces * times
    assert fingerprint_of_parts(parts) == fingerprint(b"".join(parts))
