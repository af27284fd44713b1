"""Aligned raw bytes behind a msgpack description: nothing is copied on either side."""

from __future__ import annotations

from typing import ClassVar

from benchkit.tensors.codecs.base import Codec
from benchkit.tensors.codecs.description import (
    ALIGN,
    PADDING,
    check_end,
    data,
    described,
    named,
    outgoing,
    pack_head,
    unpack_head,
    view,
)
from benchkit.tensors.message import Array, Arrays
from benchkit.tensors.wire import Buffer


class Raw(Codec):
    """The tensors' own bytes, 64-byte aligned, views on both sides.

    Body: u32 length of the description, the description (msgpack: metadata, then name, dtype and shape of
    each array), padding, then each array's little-endian bytes, each padded to 64.
    """

    kind: ClassVar[str] = "raw"

    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        """Views of the arrays; only non-contiguous or big-endian ones are copied."""
        entries: list[tuple[str, str, tuple[int, ...]]] = []
        tensors: list[Buffer] = []
        for name, array in outgoing(arrays, metadata):
            entries.append((name, array.dtype.name, array.shape))
            if array.nbytes:
                tensors.append(data(array))
                if array.nbytes % ALIGN:
                    tensors.append(PADDING[: -array.nbytes % ALIGN])
        return [pack_head(metadata, entries), *tensors]

    def decode(self, body: memoryview) -> tuple[Arrays, bytes]:
        """Read-only views of `body`."""
        metadata, entries, offset = unpack_head(body, 3)
        pairs: list[tuple[str, Array]] = []
        for entry in entries:
            array = described(*entry)
            pairs.append((array.name, view(body, array, offset)))
            offset += array.nbytes + -array.nbytes % ALIGN
        check_end(offset, body)
        return named(pairs), metadata
