"""Named arrays and the protocol's tensors, and where the bytes of each stand in a message.

What the `raw` codec makes is translated array by array; any other body, and one with complex numbers (for
which the protocol has no datatype), travels as a single tensor of UINT8. A body comes out byte for byte as it
went in, so the engine's checksums hold: what would not is not translated.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from benchkit.errors import MessageError
from benchkit.tensors.codecs.description import ALIGN, PADDING, Described, described, pack_head, unpack_head
from benchkit.tensors.message import DTYPES
from benchkit.tensors.wire import ENVELOPE_BYTES, Buffer, total_bytes

DATATYPES: Final = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
    "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "float16": "FP16", "float32": "FP32", "float64": "FP64", "bfloat16": "BF16",
}  # fmt: skip
"""The protocol's name of each dtype; BYTES (text) and complex numbers have no counterpart."""
DTYPE_OF: Final = {datatype: DTYPES[name] for name, datatype in DATATYPES.items()}
BODY: Final = "body"
"""The name of the one tensor as which a body travels that is not translated."""

_REMEMBERED = 64
_LARGEST_REMEMBERED_BYTES = 4096


class Layout(NamedTuple):
    """Where things stand in a message: the envelope, `head`, then tensors with padding between them."""

    head: bytes
    places: tuple[tuple[int, int], ...]
    """Offset and length of each tensor that has bytes, in order."""
    tensors: tuple[Described, ...]
    tensor_bytes: int
    total: int


class Split(NamedTuple):
    """A message's body as tensors."""

    metadata: bytes
    tensors: tuple[Described, ...]
    opaque: bool


def raw_layout(metadata: bytes, tensors: Sequence[Described]) -> Layout:
    """Where the `raw` codec has the bytes of these arrays."""
    head = pack_head(metadata, [(each.name, each.dtype.name, each.shape) for each in tensors])
    places = []
    offset = ENVELOPE_BYTES + len(head)
    for each in tensors:
        if each.nbytes:
            places.append((offset, each.nbytes))
        offset += each.nbytes + -each.nbytes % ALIGN
    return Layout(head, tuple(places), tuple(tensors), sum(each.nbytes for each in tensors), offset)


def opaque_layout(tensor: Described) -> Layout:
    """The one tensor is the body."""
    nbytes = tensor.nbytes
    return Layout(
        b"", ((ENVELOPE_BYTES, nbytes),) if nbytes else (), (tensor,), nbytes, ENVELOPE_BYTES + nbytes
    )


def split(body: Sequence[Buffer]) -> tuple[Split, list[Buffer]]:
    """What the parts of a body are, and the tensors' bytes in order; nothing is copied."""
    translated = _arrays(body)
    if translated is not None:
        return translated
    nbytes = total_bytes(body)
    return Split(b"", (Described(BODY, DTYPES["uint8"], (nbytes,), nbytes),), opaque=True), list(body)


def _arrays(body: Sequence[Buffer]) -> tuple[Split, list[Buffer]] | None:
    """None when this is not what the `raw` codec makes, part by part."""
    if not body or type(body[0]) is not bytes:
        return None
    head = body[0]
    read = _read if len(head) <= _LARGEST_REMEMBERED_BYTES else _read.__wrapped__
    found = read(head)
    if found is None:
        return None
    given: list[Buffer] = []
    at = 1
    for _, _, _, nbytes in found.tensors:
        if not nbytes:
            continue
        if at == len(body) or len(body[at]) != nbytes:
            return None
        given.append(body[at])
        at += 1
        if rest := -nbytes % ALIGN:
            if at == len(body) or body[at] != PADDING[:rest]:
                return None
            at += 1
    return (found, given) if at == len(body) else None


@lru_cache(_REMEMBERED)
def _read(head: bytes) -> Split | None:
    try:
        metadata, entries, end = unpack_head(memoryview(head), 3)
        tensors = tuple(described(*entry) for entry in entries)
    except MessageError:
        return None
    # The other side makes the same head again from what it is told, or the body would change on the way.
    if end != len(head) or raw_layout(metadata, tensors).head != head:
        return None
    names = {each.name for each in tensors}
    if len(names) != len(tensors) or any(each.dtype.name not in DATATYPES for each in tensors):
        return None
    return Split(metadata, tensors, opaque=False)


def write_around(into: memoryview, layout: Layout, envelope: bytes) -> None:
    """Write everything of a message that is not a tensor's bytes."""
    into[:ENVELOPE_BYTES] = envelope
    into[ENVELOPE_BYTES : ENVELOPE_BYTES + len(layout.head)] = layout.head
    if layout.head:
        for offset, nbytes in layout.places:
            if rest := -nbytes % ALIGN:
                into[offset + nbytes : offset + nbytes + rest] = PADDING[:rest]


def as_array(tensor: Described, given: Buffer) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """A tensor's bytes as an array."""
    return np.frombuffer(given, tensor.dtype).reshape(tensor.shape)
