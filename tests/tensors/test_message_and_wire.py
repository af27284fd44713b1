"""Messages and the envelope around them."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from bodies import any_array
from hypothesis import given
from hypothesis import strategies as st

from benchkit.errors import MessageError
from benchkit.tensors import wire
from benchkit.tensors.message import DTYPES, Message, allowed, little_endian

U64 = st.integers(0, 2**64 - 1)


def test_the_dtypes_that_travel():
    assert set(DTYPES) == {
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64", "complex64", "complex128", "bfloat16",
    }  # fmt: skip
    assert all(dtype.isbuiltin != 0 and not dtype.hasobject for dtype in DTYPES.values())
    assert allowed(np.dtype(">f4")) == np.dtype("<f4")
    assert allowed(np.dtype(ml_dtypes.bfloat16)) == ml_dtypes.bfloat16


@given(any_array)
def test_little_endian_keeps_values_and_copies_only_when_it_must(array):
    made = little_endian(array)
    assert made.flags.c_contiguous
    assert made.shape == array.shape
    assert made.dtype == DTYPES[array.dtype.name]
    assert np.array_equal(made.astype(array.dtype).tobytes(), array.tobytes())
    assert (made is array) == (array.flags.c_contiguous and array.dtype == made.dtype)


def test_payload_bytes_are_all_tensors_together():
    assert (
        Message(
            0, {"a": np.zeros((2, 3), "f4"), "b": np.zeros(0), "c": np.array(1, "i2")}, b"xyz"
        ).payload_bytes
        == 26
    )


@given(
    seq=U64,
    flags=st.integers(0, 65535),
    fingerprint=U64,
    checksum=U64,
    index=st.integers(0, 2**32 - 1),
    body=st.binary(),
)
def test_an_envelope_comes_back(seq, flags, fingerprint, checksum, index, body):
    envelope = wire.Envelope(seq, len(body), flags, fingerprint, checksum, index)
    head = wire.pack(envelope)
    assert len(head) == wire.ENVELOPE_BYTES
    assert wire.unpack(head + body) == (envelope, body)


@given(st.binary(max_size=200))
def test_other_bytes_are_no_message(data):
    with pytest.raises(MessageError):
        wire.unpack(data)


@given(body=st.binary(max_size=80), cut=st.integers(1, 143), more=st.binary(min_size=1, max_size=70))
def test_a_message_of_another_length_is_refused(body, cut, more):
    whole = wire.pack(wire.Envelope(1, len(body))) + body
    with pytest.raises(MessageError):
        wire.unpack(whole[: max(0, len(whole) - cut)])
    with pytest.raises(MessageError):
        wire.unpack(whole + more)


def test_a_body_is_a_view():
    message = bytearray(wire.pack(wire.Envelope(1, 3)) + b"abc")
    _, body = wire.unpack(message)
    message[-1] = ord("z")
    assert bytes(body) == b"abz"


def test_total_bytes():
    assert wire.total_bytes([b"ab", bytearray(3), memoryview(bytes(8)).cast("I")]) == 13
    assert wire.total_bytes([]) == 0


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(-(2**63), 2**63 - 1))
def test_a_due_moment_travels_beside_everything_else(seq, item, due_ns):
    plain = wire.header(seq, 0, wire.WARMUP, 1, 2, item)
    told = wire.with_due(plain, due_ns)
    assert wire.due_of(plain) == 0
    assert wire.due_of(told) == due_ns
    assert len(told) == wire.ENVELOPE_BYTES
    assert wire.unpack_envelope(told) == wire.unpack_envelope(plain)
