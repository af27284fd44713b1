"""The raw codec copies no contiguous array, on either side: shown by addresses, not by timing."""

from __future__ import annotations

import numpy as np
import pytest
from bodies import codec
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.tensors.message import DTYPES

RAW = codec("raw")


def _address(buffer) -> int:
    return np.frombuffer(buffer, np.uint8).__array_interface__["data"][0]


def _memory(nbytes: int, off: int = 0) -> memoryview:
    """Memory that starts `off` bytes after a multiple of 64, as a receive buffer does with `off` 0."""
    whole = np.empty(nbytes + 128, np.uint8)
    start = -whole.ctypes.data % 64 + off
    return whole[start : start + nbytes].data


def _gathered(parts, off: int = 0) -> memoryview:
    joined = b"".join(parts)
    memory = _memory(len(joined), off)
    memory[:] = joined
    return memory


@pytest.mark.parametrize("dtype", sorted(DTYPES))
@pytest.mark.parametrize("shape", [(), (1,), (7,), (4, 5, 3), (64, 1)])
def test_what_is_sent_is_the_arrays_own_memory(dtype, shape):
    array = np.ones(shape, DTYPES[dtype])
    head, sent, *_ = RAW.encode({"x": array}, b"")
    assert _address(sent) == array.ctypes.data
    assert sent.nbytes == array.nbytes
    assert len(head) % 64 == 0


def test_what_is_sent_changes_with_the_array():
    array = np.zeros((3, 4), np.float32)
    _, sent, *_ = RAW.encode({"x": array}, b"")
    array[2, 3] = 1.0
    assert bytes(sent[-4:]) == np.float32(1.0).tobytes()


@pytest.mark.parametrize(
    "view", [lambda a: a[2:5], lambda a: a[:1, 4:], lambda a: a.T.T, lambda a: a.reshape(6, 2, 4)],
    ids=["rows", "part of one row", "transposed twice", "reshaped"],
)  # fmt: skip
def test_contiguous_parts_of_an_array_are_not_copied(view):
    array = view(np.arange(48.0).reshape(6, 8))
    _, sent, *_ = RAW.encode({"x": array}, b"")
    assert np.shares_memory(np.frombuffer(sent, np.uint8), array)


def test_read_only_arrays_are_not_copied():
    array = np.arange(16, dtype=np.uint8)
    array.flags.writeable = False
    _, sent, *_ = RAW.encode({"x": array}, b"")
    assert _address(sent) == array.ctypes.data


@pytest.mark.parametrize(
    "array", [np.arange(8)[::2], np.arange(6.0).reshape(2, 3).T, np.arange(3, dtype=">i4")]
)
def test_the_others_are_copied(array):
    _, sent, *_ = RAW.encode({"x": array}, b"")
    assert not np.shares_memory(np.frombuffer(sent, np.uint8), array)


@given(
    shapes=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=5),
    off=st.integers(0, 3),
)
@settings(max_examples=50, deadline=None)
def test_what_is_decoded_lies_in_the_body(shapes, off):
    arrays = {str(index): np.full(shape, index, np.float32) for index, shape in enumerate(shapes)}
    body = _gathered(RAW.encode(arrays, b"metadata"), off)
    memory = np.frombuffer(body, np.uint8)
    for name, array in RAW.decode(body)[0].items():
        assert not array.flags.writeable
        assert np.array_equal(array, arrays[name])
        if array.size:
            assert np.shares_memory(array, memory)
            assert (array.ctypes.data - memory.ctypes.data) % 64 == 0


def test_what_is_decoded_changes_with_the_body():
    body = _gathered(RAW.encode({"x": np.zeros(4, np.uint8)}, b""))
    made = RAW.decode(body)[0]["x"]
    body[-64] = 7
    assert made.tolist() == [7, 0, 0, 0]
