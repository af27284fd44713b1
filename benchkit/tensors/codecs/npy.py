"""numpy's own file format, one file after the other."""

from __future__ import annotations

import io
import re
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.lib import format as npy_format

from benchkit.errors import MessageError
from benchkit.tensors.codecs.base import Codec
from benchkit.tensors.codecs.description import (
    ALIGN,
    PADDING,
    Described,
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

# numpy has no code for bfloat16 and would store it as raw void bytes: its 16 bits travel as uint16, and the
# head of the body says what they are.
_STORED_AS = {"bfloat16": np.dtype("<u2")}

# All that numpy writes for a plain dtype. Only text of this form reaches numpy's parser, which evaluates it
# as Python literals and meets other text with warnings and half a dozen kinds of exception.
_SIDE = r"(?:0|[1-9][0-9]{0,18})"
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '[<|][biufc][0-9]{1,2}', 'fortran_order': (?:True|False), "
    + rf"'shape': \((?:|{_SIDE},|{_SIDE}(?:, {_SIDE})+)\), \}} *\n".encode(),
    re.DOTALL,
)
_MAX_HEADER_BYTES = 1024


class Npy(Codec):
    """One .npy file per array, one after the other, 64-byte aligned.

    Body: u32 length of the description, the description (msgpack: metadata, then name, dtype and bytes of
    each file), padding, then each file as `numpy.save` writes it, padded to 64. Decoded arrays are views.
    """

    kind: ClassVar[str] = "npy"
    in_place: ClassVar[bool] = True

    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        """The files' headers and, between them, views of the arrays; Fortran order becomes C order."""
        entries: list[tuple[str, str, int]] = []
        files: list[Buffer] = []
        for name, array in outgoing(arrays, metadata):
            header = _header(array)
            nbytes = len(header) + array.nbytes
            entries.append((name, array.dtype.name, nbytes))
            files.append(header)
            if array.nbytes:
                files.append(data(array))
            if nbytes % ALIGN:
                files.append(PADDING[: -nbytes % ALIGN])
        return [pack_head(metadata, entries), *files]

    def decode(self, body: memoryview) -> tuple[Arrays, bytes]:
        """Read-only views of `body`."""
        metadata, entries, offset = unpack_head(body, 3)
        pairs: list[tuple[str, Array]] = []
        for name, dtype, nbytes in entries:
            if type(nbytes) is not int or not 0 <= nbytes <= body.nbytes - offset:
                raise MessageError("a file ends beyond the message")
            pairs.append(_read(name, dtype, body[offset : offset + nbytes]))
            offset += nbytes + -nbytes % ALIGN
        check_end(offset, body)
        return named(pairs), metadata


def _header(array: Array) -> bytes:
    stored = _STORED_AS.get(array.dtype.name, array.dtype)
    file = io.BytesIO()
    npy_format.write_array_header_1_0(
        file, {"descr": stored.str, "fortran_order": False, "shape": array.shape}
    )
    return file.getvalue()


def _read(name: Any, dtype: Any, file: memoryview) -> tuple[str, Array]:
    start = bytes(file[:_MAX_HEADER_BYTES])
    header = _HEADER.match(start)
    if not header or header.end() != header.end(1) + int.from_bytes(header[1], "little"):
        raise MessageError("an array has no .npy header of a plain dtype")
    reader = io.BytesIO(start)
    shape, fortran, stored = _parsed(reader)
    array = described(name, dtype, list(shape[::-1] if fortran else shape))
    if stored != _STORED_AS.get(array.dtype.name, array.dtype):
        raise MessageError(f"array {array.name!r} is stored as {stored}, not as {array.dtype}")
    _check_length(array, file.nbytes - reader.tell())
    values = view(file, array, reader.tell())
    return array.name, values.T if fortran else values


def _parsed(reader: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        npy_format.read_magic(reader)
        return npy_format.read_array_header_1_0(reader, max_header_size=_MAX_HEADER_BYTES)
    except (ValueError, TypeError) as error:
        raise MessageError(f"an array's .npy header is damaged: {error}") from error


def _check_length(array: Described, nbytes: int) -> None:
    if nbytes != array.nbytes:
        raise MessageError(f"array {array.name!r} needs {array.nbytes} bytes, its file holds {nbytes}")
