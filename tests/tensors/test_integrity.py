"""The fingerprint and the checksum see what they promise to see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.tensors.integrity import checksum, fingerprint

FRAME = 1920 * 1080 * 3


def noise(nbytes: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(nbytes)


@given(body=st.binary(min_size=1, max_size=600), data=st.data())
def test_every_bit_of_a_short_body_counts(body, data):
    bit = data.draw(st.integers(0, 8 * len(body) - 1))
    changed = bytearray(body)
    changed[bit // 8] ^= 1 << (bit % 8)
    assert fingerprint(body) != fingerprint(changed)
    assert checksum(body) != checksum(changed)


@given(body=st.binary(max_size=200))
def test_equal_bytes_agree_whatever_holds_them(body):
    for same in (bytearray(body), memoryview(body), memoryview(bytearray(body))):
        assert fingerprint(same) == fingerprint(body)
        assert checksum(same) == checksum(body)


@pytest.mark.parametrize("nbytes", [0, 1, 64, 32768, 32769, 32832, 100_003])
def test_length_counts_even_where_only_zeros_are_added(nbytes):
    assert fingerprint(bytes(nbytes)) != fingerprint(bytes(nbytes + 1))


@pytest.mark.parametrize("nbytes", [32768, 32769, 32832, 100_003, FRAME])
def test_the_fingerprint_reads_the_first_and_the_last_byte(nbytes):
    body = bytearray(noise(nbytes))
    before = fingerprint(body)
    for position in (0, -1):
        body[position] ^= 1
        assert fingerprint(body) != before
        body[position] ^= 1
    assert fingerprint(body) == before


@pytest.mark.parametrize("torn_at", [0.05, 0.5, 0.95])
def test_the_fingerprint_sees_torn_and_stale_frames(torn_at):
    old, new = noise(FRAME, 1), noise(FRAME, 2)
    cut = int(torn_at * FRAME)
    torn = new[:cut] + old[cut:]
    assert len({fingerprint(old), fingerprint(new), fingerprint(torn)}) == 3


def test_the_checksum_sees_a_bit_between_the_sampled_lines():
    body = bytearray(noise(FRAME))
    before = checksum(body)
    body[FRAME // 2 + 77] ^= 4
    assert checksum(body) != before
