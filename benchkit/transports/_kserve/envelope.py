"""What benchkit adds to the JSON of its own messages: the envelope, so that number and checksum hold.

The JSON starts at fixed places with the number and the 64 bytes in hexadecimal; what follows is the same for
all messages of a kind, and so is remembered by its bytes on both sides. Any server reads it as an id and a
parameter.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from benchkit.errors import MessageError
from benchkit.tensors.codecs.description import Described, check_metadata
from benchkit.tensors.wire import ENVELOPE_BYTES
from benchkit.transports._kserve.document import Document, read_document
from benchkit.transports._kserve.tensors import DATATYPES, Layout, Split, opaque_layout, raw_layout

ENVELOPE, METADATA, OPAQUE = "benchkit", "benchkit_metadata", "benchkit_opaque"

_ID = b'{"id":"%020d","parameters":{"benchkit":"'
_ID_START, _ID_END = _ID[:7], b'","parameters":{"benchkit":"'
_ENVELOPE_AT: Final = len(_ID % 0)
_REST_AT: Final = _ENVELOPE_AT + 2 * ENVELOPE_BYTES
_NO_ENVELOPE = b"0" * (2 * ENVELOPE_BYTES)
_REMEMBERED = 64
_LARGEST_REMEMBERED_BYTES = 4096
_SEQ = slice(8, 16)


def signed(envelope: bytes, split: Split, key: str, more: str = "{}") -> bytes:
    """The JSON of one of benchkit's own messages: `more` is JSON text of further fields."""
    size = len(split.metadata)
    rest = _rest if size <= _LARGEST_REMEMBERED_BYTES else _rest.__wrapped__
    start = _ID % int.from_bytes(envelope[_SEQ], "little")
    return start + envelope.hex().encode() + rest(split, key, more)


@lru_cache(_REMEMBERED)
def _rest(split: Split, key: str, more: str) -> bytes:
    parameters: dict[str, Any] = {"binary_data_output": True} if key == "inputs" else {}
    if split.opaque:
        parameters[OPAQUE] = True
    if split.metadata:
        parameters[METADATA] = b64encode(split.metadata).decode()
    fields = {**json.loads(more), key: [binary(each) for each in split.tensors]}
    inner = json.dumps(parameters, separators=(",", ":"))[1:]
    outer = json.dumps(fields, separators=(",", ":"))[1:]
    return f'"{"," if parameters else ""}{inner},{outer}'.encode()


def binary(tensor: Described, shape: Sequence[int] | None = None) -> dict[str, Any]:
    """A tensor whose bytes follow the JSON."""
    return {
        "name": tensor.name,
        "datatype": DATATYPES[tensor.dtype.name],
        "shape": list(tensor.shape if shape is None else shape),
        "parameters": {"binary_data_size": tensor.nbytes},
    }


def read_signed(text: bytes, key: str) -> tuple[bytes, Layout] | None:
    """Envelope and layout of one of benchkit's own messages, None for another's; raises MessageError."""
    if not (text.startswith(_ID_START) and text[27:_ENVELOPE_AT] == _ID_END):
        return None
    envelope = text[_ENVELOPE_AT:_REST_AT]
    rest = text[_REST_AT:]
    layout = _layout if len(rest) <= _LARGEST_REMEMBERED_BYTES else _layout.__wrapped__
    try:
        return binascii.unhexlify(envelope), layout(rest, key)
    except binascii.Error:
        raise MessageError("the parameter benchkit is no envelope") from None


@lru_cache(_REMEMBERED)
def _layout(rest: bytes, key: str) -> Layout:
    document = read_document(_ID % 0 + _NO_ENVELOPE + rest, key)
    if any(each.data is not None for each in document.tensors):
        raise MessageError("benchkit's own tensors are binary")
    return layout_of(document)


def layout_of(document: Document) -> Layout:
    """Where the tensors of a document stand in a message."""
    tensors = [each.described for each in document.tensors]
    if OPAQUE in document.parameters:
        if len(tensors) != 1 or tensors[0].dtype.itemsize != 1:
            raise MessageError("an opaque body is one tensor of UINT8")
        return opaque_layout(tensors[0])
    return raw_layout(_metadata(document.parameters), tensors)


def _metadata(parameters: Mapping[str, Any]) -> bytes:
    text = parameters.get(METADATA, "")
    try:
        return check_metadata(b64decode(text, validate=True))
    except (ValueError, TypeError):
        raise MessageError(f"the parameter {METADATA} is not base64") from None
