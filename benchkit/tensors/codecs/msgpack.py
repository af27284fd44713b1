"""One msgpack document with the tensors as binary fields, as many services send them."""

from __future__ import annotations

import struct
from typing import Any, ClassVar

import msgpack

from benchkit.errors import MessageError
from benchkit.tensors.codecs.base import Codec
from benchkit.tensors.codecs.description import check_metadata, data, described, named, outgoing, view
from benchkit.tensors.message import MAX_ARRAYS, MAX_DIMENSIONS, Array, Arrays
from benchkit.tensors.wire import Buffer

# "bin 32" of the msgpack specification. Written here because msgpack-python can only pack a binary field
# together with its content, which would copy every tensor twice.
_BIN32 = struct.Struct(">BI")
_BIN32_MARK = 0xC6
_BIN32_MAX_BYTES = (1 << 32) - 1
_FIELDS = ("name", "dtype", "shape", "data")


class Msgpack(Codec):
    """One msgpack document with the tensors as binary fields.

    Body: {"metadata": bin, "arrays": [{"name", "dtype", "shape", "data": bin}]}. Encoding copies nothing;
    decoding copies each tensor once (msgpack-python gives no views) and the arrays are views of that copy.
    """

    kind: ClassVar[str] = "msgpack"

    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        """The document in pieces: the tensors' own bytes between what describes them."""
        given = outgoing(arrays, metadata)
        packer = msgpack.Packer(autoreset=False)
        packer.pack_map_header(2)
        packer.pack("metadata")
        packer.pack(metadata)
        packer.pack("arrays")
        packer.pack_array_header(len(given))
        buffers: list[Buffer] = []
        for name, array in given:
            if array.nbytes > _BIN32_MAX_BYTES:
                raise MessageError(f"array {name!r} is too large for msgpack", remedy="use the raw codec")
            packer.pack_map_header(len(_FIELDS))
            for field, value in zip(_FIELDS, (name, array.dtype.name, array.shape), strict=False):
                packer.pack(field)
                packer.pack(value)
            packer.pack("data")
            buffers.append(packer.bytes() + _BIN32.pack(_BIN32_MARK, array.nbytes))
            packer.reset()
            if array.nbytes:
                buffers.append(data(array))
        return buffers or [packer.bytes()]

    def decode(self, body: memoryview) -> tuple[Arrays, bytes]:
        """Read-only arrays over the binary fields of the document."""
        match _document(body):
            case {"metadata": metadata, "arrays": list(items), **rest} if not rest:
                return named([_array(item) for item in items]), check_metadata(metadata)
        raise MessageError("the document does not hold exactly metadata and arrays")


def _document(body: memoryview) -> Any:
    seen = 0

    def count(found: Any) -> Any:
        # One byte of msgpack makes a list of 56: without this a body could ask for many times its size.
        nonlocal seen
        seen += 1
        if seen > 2 * MAX_ARRAYS + 2:
            raise ValueError("more lists and maps than any message has")
        return found

    try:
        return msgpack.unpackb(
            body, max_array_len=max(MAX_ARRAYS, MAX_DIMENSIONS), max_map_len=len(_FIELDS), max_ext_len=0,
            list_hook=count, object_hook=count,
        )  # fmt: skip
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise MessageError(f"the message is not msgpack: {error}") from error


def _array(item: Any) -> tuple[str, Array]:
    match item:
        case {"name": name, "dtype": dtype, "shape": shape, "data": bytes(content)} if len(item) == len(
            _FIELDS
        ):
            array = described(name, dtype, shape)
            if len(content) == array.nbytes:
                return array.name, view(content, array)
            raise MessageError(f"array {array.name!r} needs {array.nbytes} bytes, {len(content)} came")
    raise MessageError("an array is not described by name, dtype, shape and data")
