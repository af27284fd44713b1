"""Receive buffers are aligned, and gathering is joining."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchkit.transports._unix.link import rest
from benchkit.transports.buffers import Pool, fresh, gather

sizes = st.integers(0, 300) | st.integers(65_530, 65_540)
parts = st.lists(sizes, max_size=6).map(
    lambda many: [bytes([n % 256]) * size for n, size in enumerate(many, 1)]
)


@given(parts)
def test_gathering_is_joining(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    into = fresh(len(whole) + 5)
    gather(pieces, into)
    assert into[: len(whole)] == whole


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=20))
def test_buffers_are_aligned_long_enough_and_used_again(sizes: list[int]) -> None:
    pool = Pool(1000, ready=1)
    for nbytes in sizes:
        buffer = pool.take(nbytes)
        assert buffer.nbytes >= nbytes
        assert np.frombuffer(buffer, np.uint8).ctypes.data % 64 == 0
        pool.give(buffer)
        assert pool.take() is buffer
        pool.give(buffer)


def test_a_buffer_that_has_become_too_short_is_dropped() -> None:
    pool = Pool(1000)
    short = pool.take()
    pool.take(5000)
    pool.give(short)
    assert pool.take() is not short


@given(st.lists(st.binary(max_size=50), max_size=8), st.data())
def test_what_is_left_after_sending_some_bytes(pieces: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(pieces)
    sent = data.draw(st.integers(0, len(whole)))
    assert b"".join(rest(pieces, sent)) == whole[sent:]
