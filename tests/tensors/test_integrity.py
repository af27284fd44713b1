"""A changed bit, a swapped frame and a torn one are seen; an equal message never is."""

from __future__ import annotations

import numpy as np
import pytest
from bodies import any_arrays, through
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.tensors.integrity import checksum, fingerprint

FRAME = np.random.default_rng(3).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
BOTH = pytest.mark.parametrize("digest", [fingerprint, checksum])


@BOTH
@given(arrays=any_arrays, metadata=st.binary(max_size=9))
@settings(max_examples=80, deadline=None)
def test_it_survives_the_wire_whatever_the_layout(digest, arrays, metadata):
    assert digest(*through("raw", arrays, metadata)) == digest(arrays, metadata)


@BOTH
@pytest.mark.parametrize(
    "other",
    [
        ({"y": np.zeros(4, "u1")}, b""),
        ({"x": np.zeros(4, "i1")}, b""),
        ({"x": np.zeros((4, 1), "u1")}, b""),
        ({"x": np.zeros(3, "u1")}, b""),
        ({"x": np.zeros(4, "u1")}, b"\0"),
        ({"x": np.zeros(4, "u1"), "y": np.zeros(0, "u1")}, b""),
        ({}, b""),
    ],
    ids=["name", "dtype", "shape", "length", "metadata", "one more", "none"],
)
def test_names_dtypes_shapes_and_metadata_count(digest, other):
    assert digest(*other) != digest({"x": np.zeros(4, "u1")}, b"")


@BOTH
def test_metadata_is_not_taken_for_an_array(digest):
    none = np.zeros(0, "u1")
    assert digest({"a": none, "b": none}) != digest({"a": none}, b"b\0uint8\0(0,)\0")
    assert digest({"a\0uint8\0(0,)b": none}) != digest({"a": none, "b": none})


@BOTH
def test_order_counts(digest):
    one, two = np.zeros(1), np.ones(1)
    assert digest({"a": one, "b": two}) != digest({"b": two, "a": one})


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_checksum_sees_every_bit(data):
    changed = FRAME[:40].copy()
    flat = changed.reshape(-1)
    flat[data.draw(st.integers(0, flat.size - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert checksum({"x": changed}) != checksum({"x": FRAME[:40]})


@pytest.mark.parametrize("rows", [1, 5, 6, 7, 40])
def test_small_arrays_are_read_whole_by_the_fingerprint(rows):
    array = FRAME[:rows].reshape(-1)[: min(rows * 5760, 32768)].copy()
    before = fingerprint({"x": array})
    for position in range(0, array.size, 97):
        array[position] ^= 1
        assert fingerprint({"x": array}) != before
        array[position] ^= 1
    assert fingerprint({"x": array}) == before


def test_the_fingerprint_sees_torn_and_stale_frames():
    other = np.random.default_rng(4).integers(0, 256, FRAME.shape, dtype=np.uint8)
    assert fingerprint({"x": other}) != fingerprint({"x": FRAME})
    for row in (30, 540, 1050):  # written that far over the frame before
        torn = np.concatenate([other[:row], FRAME[row:]])
        assert fingerprint({"x": torn}) not in (fingerprint({"x": other}), fingerprint({"x": FRAME}))


@pytest.mark.parametrize("length", [32768, 32769, 32832, 100_003])
def test_the_fingerprint_reads_the_last_bytes(length):
    array = np.zeros(length, np.uint8)
    before = fingerprint({"x": array})
    array[-1] = 1
    assert fingerprint({"x": array}) != before
