"""Aligned raw bytes behind a msgpack description: nothing is copied on either side.

Messages of one kind share their description, so what was once checked or packed is remembered by its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np

from benchkit.tensors.codecs.base import Codec
from benchkit.tensors.codecs.description import (
    ALIGN,
    PADDING,
    check_end,
    check_outgoing,
    data,
    described,
    head_bytes,
    named,
    pack_head,
    unpack_head,
)
from benchkit.tensors.message import Array, Arrays, little_endian
from benchkit.tensors.wire import Buffer

_REMEMBERED = 64
_LARGEST_REMEMBERED_BYTES = 4096


class _Field(NamedTuple):
    """Where one array stands in a body."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    items: int
    offset: int


class Raw(Codec):
    """The tensors' own bytes, 64-byte aligned, views on both sides.

    Body: u32 length of the description, the description (msgpack: metadata, then name, dtype and shape of
    each array), padding, then each array's little-endian bytes, each padded to 64.
    """

    kind: ClassVar[str] = "raw"
    in_place: ClassVar[bool] = True

    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        """Views of the arrays; only non-contiguous or big-endian ones are copied."""
        ready = [(name, little_endian(array)) for name, array in arrays.items()]
        short = type(metadata) is bytes and len(metadata) <= _LARGEST_REMEMBERED_BYTES
        pack = _pack if short else _pack.__wrapped__  # which refuses what is no bytes
        parts: list[Buffer] = [pack(metadata, tuple([(name, a.dtype, a.shape) for name, a in ready]))]
        for _, array in ready:
            if nbytes := array.nbytes:
                parts.append(data(array))
                if nbytes % ALIGN:
                    parts.append(PADDING[: -nbytes % ALIGN])
        return parts

    def decode(self, body: memoryview) -> tuple[Arrays, bytes]:
        """Read-only views of `body`."""
        head = head_bytes(body)
        layout = _layout if len(head) <= _LARGEST_REMEMBERED_BYTES else _layout.__wrapped__
        metadata, fields, end = layout(head)
        check_end(end, body)
        arrays: dict[str, Array] = {}
        for name, dtype, shape, items, offset in fields:
            flat = np.frombuffer(body, dtype, items, offset) if items else np.empty(0, dtype)
            if flat.flags.writeable:
                flat.flags.writeable = False
            arrays[name] = flat.reshape(shape)
        return arrays, metadata


@lru_cache(_REMEMBERED)
def _pack(metadata: bytes, entries: Sequence[tuple[str, Any, tuple[int, ...]]]) -> bytes:
    check_outgoing(metadata, entries)
    return pack_head(metadata, [(name, dtype.name, shape) for name, dtype, shape in entries])


@lru_cache(_REMEMBERED)
def _layout(head: bytes) -> tuple[bytes, tuple[_Field, ...], int]:
    """Metadata, where each array stands, and where the body must end; raises MessageError."""
    metadata, entries, offset = unpack_head(memoryview(head), 3)
    fields = []
    for entry in entries:
        array = described(*entry)
        fields.append(
            _Field(array.name, array.dtype, array.shape, array.nbytes // array.dtype.itemsize, offset)
        )
        offset += array.nbytes + -array.nbytes % ALIGN
    named([(field.name, field) for field in fields])
    return metadata, tuple(fields), offset
