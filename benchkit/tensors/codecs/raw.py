"""Aligned raw bytes behind a msgpack description: nothing is copied on either side."""

from __future__ import annotations

import math
import struct
from typing import Any, ClassVar

import msgpack
import numpy as np

from benchkit.errors import MessageError
from benchkit.tensors.codecs.base import Codec
from benchkit.tensors.message import (
    DTYPES,
    MAX_ARRAYS,
    MAX_DIMENSIONS,
    MAX_NAME_BYTES,
    Array,
    Arrays,
    little_endian,
)
from benchkit.tensors.wire import Buffer

_ALIGN = 64
_PADDING = bytes(_ALIGN)
_LENGTH = struct.Struct("<I")
_MAX_DESCRIPTION_BYTES = 1 << 20


class Raw(Codec):
    """The tensors' own bytes, 64-byte aligned, views on both sides.

    Body: u32 length of the description, the description (msgpack: metadata, then name, dtype and shape of
    each array), padding, then each array's little-endian bytes, each padded to 64.
    """

    kind: ClassVar[str] = "raw"

    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        """Views of the arrays; only non-contiguous or big-endian ones are copied."""
        described: list[Any] = [metadata]
        tensors: list[Buffer] = []
        for name, given in arrays.items():
            array = little_endian(given)
            described.append((name, array.dtype.name, array.shape))
            if array.nbytes:
                tensors.append(memoryview(array.reshape(-1).view(np.uint8)))
                if array.nbytes % _ALIGN:
                    tensors.append(_PADDING[: -array.nbytes % _ALIGN])
        packed = msgpack.packb(described)
        head = _LENGTH.pack(len(packed)) + packed
        return [head + _PADDING[: -len(head) % _ALIGN], *tensors]

    def decode(self, body: memoryview) -> tuple[Arrays, bytes]:
        """Read-only views of `body`."""
        metadata, described, offset = _description(body)
        arrays: dict[str, Array] = {}
        for item in described:
            name, dtype, shape = _checked(item)
            count = math.prod(shape)
            nbytes = count * dtype.itemsize
            if offset + nbytes > body.nbytes:
                raise MessageError(f"array {name!r} of {nbytes} bytes ends beyond the message")
            array = np.frombuffer(body, dtype, count, offset) if count else np.empty(0, dtype)
            array.flags.writeable = False
            arrays[name] = array.reshape(shape)
            offset += nbytes + -nbytes % _ALIGN
        if len(arrays) != len(described):
            raise MessageError("two arrays of the same name")
        return arrays, metadata


def _description(body: memoryview) -> tuple[bytes, list[Any], int]:
    if body.nbytes < _LENGTH.size:
        raise MessageError("no description")
    (length,) = _LENGTH.unpack_from(body)
    end = _LENGTH.size + length
    if length > _MAX_DESCRIPTION_BYTES or end > body.nbytes:
        raise MessageError(f"a description of {length} bytes does not fit")
    try:
        described = msgpack.unpackb(body[_LENGTH.size : end], max_array_len=MAX_ARRAYS + 1, max_map_len=0)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise MessageError(f"the description is not msgpack: {error}") from error
    if not isinstance(described, list) or not described or not isinstance(described[0], bytes):
        raise MessageError("the description is no list that starts with metadata")
    return described[0], described[1:], end + -end % _ALIGN


def _checked(item: Any) -> tuple[str, np.dtype[np.generic], tuple[int, ...]]:
    match item:
        case [str(name), str(dtype), list(shape)] if (
            dtype in DTYPES
            and len(name.encode(errors="replace")) <= MAX_NAME_BYTES
            and len(shape) <= MAX_DIMENSIONS
            and all(type(side) is int and 0 <= side < 1 << 48 for side in shape)
        ):
            return name, DTYPES[dtype], tuple(shape)
    raise MessageError(f"not an array's name, dtype and shape: {str(item)[:80]}")
