"""JSON text with the tensors in base64, as many AI services take them."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, ClassVar

from benchkit.errors import MessageError
from benchkit.tensors.codecs.base import Codec
from benchkit.tensors.codecs.description import check_metadata, data, described, named, outgoing, view
from benchkit.tensors.message import MAX_ARRAYS, Array, Arrays
from benchkit.tensors.wire import Buffer

_FIELDS = 4


class JsonBase64(Codec):
    """JSON text with the tensors in base64: {"metadata", "arrays": [{"name", "dtype", "shape", "data"}]}.

    Written the way services write it, with the standard library and every copy that this takes.
    """

    kind: ClassVar[str] = "json-base64"

    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        """One ASCII text."""
        given = outgoing(arrays, metadata)
        document = {
            "metadata": base64.b64encode(metadata).decode("ascii"),
            "arrays": [
                {
                    "name": name,
                    "dtype": array.dtype.name,
                    "shape": array.shape,
                    "data": base64.b64encode(data(array)).decode("ascii"),
                }
                for name, array in given
            ],
        }
        return [json.dumps(document).encode("ascii")]

    def decode(self, body: memoryview) -> tuple[Arrays, bytes]:
        """Read-only arrays over the decoded text."""
        match _document(body):
            case {"metadata": str(metadata), "arrays": list(items), **rest} if (
                not rest and len(items) <= MAX_ARRAYS
            ):
                return named([_array(item) for item in items]), check_metadata(_bytes(metadata))
        raise MessageError(f"the document does not hold exactly metadata and at most {MAX_ARRAYS} arrays")


def _document(body: memoryview) -> Any:
    try:
        return json.loads(str(body, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise MessageError(f"the message is not JSON: {error}") from error


def _array(item: Any) -> tuple[str, Array]:
    match item:
        case {"name": name, "dtype": dtype, "shape": shape, "data": str(text)} if len(item) == _FIELDS:
            array = described(name, dtype, shape)
            if len(text) != (array.nbytes + 2) // 3 * 4:
                raise MessageError(
                    f"array {array.name!r} needs {array.nbytes} bytes, its base64 holds others"
                )
            content = _bytes(text)
            if len(content) != array.nbytes:
                raise MessageError(f"array {array.name!r} needs {array.nbytes} bytes, {len(content)} came")
            return array.name, view(content, array)
    raise MessageError("an array is not described by name, dtype, shape and data")


def _bytes(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise MessageError(f"not base64: {error}") from error
