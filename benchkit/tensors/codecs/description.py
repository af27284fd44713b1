"""What stands before the tensors: metadata, names, dtypes and shapes, checked on both sides.

Several codecs start their body with the same head: u32 length, a msgpack list (metadata, then one entry
per array), padding to 64 bytes. What one side would refuse to read, the other refuses to write.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import msgpack
import numpy as np

from benchkit.errors import MessageError
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

T = TypeVar("T")

ALIGN = 64
PADDING = bytes(ALIGN)
MAX_METADATA_BYTES = 1 << 20

_LENGTH = struct.Struct("<I")
# Room for the metadata and 256 arrays of the longest names with 32 dimensions of nine bytes each.
_MAX_HEAD_BYTES = MAX_METADATA_BYTES + (1 << 18)


class Described(NamedTuple):
    """One array before its bytes are seen; `nbytes` fits in memory's address space."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    nbytes: int


def outgoing(arrays: Arrays, metadata: bytes) -> list[tuple[str, Array]]:
    """Names and arrays as they travel: C-contiguous, little-endian, allowed dtypes; the rest is copied.

    Raises MessageError for what no receiver would take.
    """
    ready = [(name, little_endian(array)) for name, array in arrays.items()]
    check_outgoing(metadata, [(name, array.dtype, array.shape) for name, array in ready])
    return ready


def check_outgoing(metadata: bytes, entries: Sequence[tuple[str, Any, tuple[int, ...]]]) -> None:
    """Raises MessageError for metadata, or names, dtypes and shapes, that no receiver would take."""
    if len(entries) > MAX_ARRAYS:
        raise MessageError(f"{len(entries)} arrays in one message", remedy=f"send at most {MAX_ARRAYS}")
    check_metadata(metadata)
    for name, _, shape in entries:
        check_name(name)
        if len(shape) > MAX_DIMENSIONS:
            raise MessageError(
                f"an array of {len(shape)} dimensions", remedy=f"reshape it to at most {MAX_DIMENSIONS}"
            )


def described(name: Any, dtype: Any, shape: Any) -> Described:
    """Name, dtype and shape from outside, checked; raises MessageError."""
    check_name(name)
    known = DTYPES.get(dtype) if isinstance(dtype, str) else None
    if known is None:
        raise MessageError(f"array {name!r} is of no dtype that travels")
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
        raise MessageError(f"the shape of array {name!r} is no list of at most {MAX_DIMENSIONS} sides")
    if not all(type(side) is int and 0 <= side <= sys.maxsize for side in shape):
        raise MessageError(f"a side of array {name!r} is no length")
    # numpy refuses shapes by the product of their sides other than 0, though nothing would be allocated.
    if math.prod(side or 1 for side in shape) * known.itemsize > sys.maxsize:
        raise MessageError(f"array {name!r} is larger than any memory")
    return Described(name, known, tuple(shape), math.prod(shape) * known.itemsize)


def check_name(name: Any) -> str:
    """`name` itself; raises MessageError if it is no UTF-8 text of at most 256 bytes."""
    try:
        if isinstance(name, str) and len(name.encode()) <= MAX_NAME_BYTES:
            return name
    except UnicodeEncodeError:
        pass
    raise MessageError(f"an array's name is no text of at most {MAX_NAME_BYTES} bytes of UTF-8")


def check_metadata(metadata: Any) -> bytes:
    """`metadata` itself; raises MessageError if it is no bytes or more than 1 MiB."""
    if not isinstance(metadata, bytes):
        raise MessageError("the metadata is no bytes")
    if len(metadata) > MAX_METADATA_BYTES:
        raise MessageError(
            f"{len(metadata)} bytes of metadata in one message",
            remedy=f"send at most {MAX_METADATA_BYTES}, or make it a uint8 array",
        )
    return metadata


def view(body: Buffer, array: Described, offset: int = 0) -> Array:
    """A read-only view of `array` at `offset` of `body`; raises MessageError if it ends beyond it."""
    if offset + array.nbytes > memoryview(body).nbytes:
        raise MessageError(f"array {array.name!r} of {array.nbytes} bytes ends beyond the message")
    if array.nbytes:
        flat = np.frombuffer(body, array.dtype, array.nbytes // array.dtype.itemsize, offset)
    else:
        flat = np.empty(0, array.dtype)
    flat.flags.writeable = False
    return flat.reshape(array.shape)


def data(array: Array) -> memoryview:
    """The bytes of a C-contiguous array, as a view."""
    try:
        return array.data.cast("B")
    except (TypeError, ValueError):
        # No buffer of a standard format: bfloat16.
        return array.reshape(-1).view(np.uint8).data


def named(pairs: Sequence[tuple[str, T]]) -> dict[str, T]:
    """A dict of the pairs; raises MessageError where a name comes twice."""
    arrays = dict(pairs)
    if len(arrays) != len(pairs):
        raise MessageError("two arrays of the same name")
    return arrays


def pack_head(metadata: bytes, entries: Sequence[Sequence[Any]]) -> bytes:
    """The head of a body, padded to 64 bytes."""
    packed = msgpack.packb([metadata, *entries])
    head: bytes = _LENGTH.pack(len(packed)) + packed
    return head + PADDING[: -len(head) % ALIGN]


def head_bytes(body: memoryview) -> bytes:
    """The head of a body without its padding; raises MessageError when it does not fit."""
    if body.nbytes < _LENGTH.size:
        raise MessageError("no description")
    (length,) = _LENGTH.unpack_from(body)
    end = _LENGTH.size + length
    if length > _MAX_HEAD_BYTES or end > body.nbytes:
        raise MessageError(f"a description of {length} bytes does not fit")
    return bytes(body[:end])


def unpack_head(body: memoryview, width: int) -> tuple[bytes, list[list[Any]], int]:
    """Metadata, entries of `width` items each, and where the head ends; raises MessageError."""
    head = head_bytes(body)
    try:
        items = msgpack.unpackb(head[_LENGTH.size :], max_array_len=MAX_ARRAYS + 1, max_map_len=0)
    except (ValueError, msgpack.UnpackException) as error:
        raise MessageError(f"the description is not msgpack: {error}") from error
    if not isinstance(items, list) or not items:
        raise MessageError("the description is no list that starts with metadata")
    metadata, *entries = items
    if not all(isinstance(entry, list) and len(entry) == width for entry in entries):
        raise MessageError(f"an array is not described by {width} items")
    return check_metadata(metadata), entries, len(head) + -len(head) % ALIGN


def check_end(offset: int, body: memoryview) -> None:
    """Raises MessageError unless the arrays end where the body ends."""
    if offset != body.nbytes:
        raise MessageError(f"the arrays end at byte {offset}, the message at {body.nbytes}")
