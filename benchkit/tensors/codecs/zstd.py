"""The raw layout, compressed with Zstandard."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from benchkit.errors import MessageError
from benchkit.tensors.codecs.base import Codec
from benchkit.tensors.codecs.raw import Raw
from benchkit.tensors.message import Arrays
from benchkit.tensors.wire import Buffer, total_bytes

if TYPE_CHECKING:
    import zstandard

MAX_CONTENT_BYTES = 2 << 30
"""The largest message, before compression, that either side takes."""

# RFC 8878: a block makes at most 128 KiB (3.1.1.2.4) and takes at least a header of 3 bytes and one more.
_BLOCK_MAX_BYTES = 128 << 10
_BLOCK_MIN_BYTES = 4

_RAW = Raw()


class Zstd(Codec):
    """The raw layout, compressed with Zstandard; lossless."""

    kind: ClassVar[str] = "zstd"
    requires: ClassVar[tuple[str, ...]] = ("zstandard",)
    install: ClassVar[str] = "pip install zstandard"

    level: int = Field(1, ge=-7, le=22, description="-7 is fastest, 22 smallest")

    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        """The frame in pieces, as the compressor hands them out; its header holds the content's size."""
        parts = _RAW.encode(arrays, metadata)
        size = total_bytes(parts)
        if size > MAX_CONTENT_BYTES:
            raise MessageError(
                f"a message of {size} bytes is too large for zstd", remedy=f"send at most {MAX_CONTENT_BYTES}"
            )
        compressor = _compressor(self.level).compressobj(size=size)
        pieces: list[Buffer] = [compressor.compress(part) for part in parts]
        pieces.append(compressor.flush())
        return [piece for piece in pieces if piece]

    def decode(self, body: memoryview) -> tuple[Arrays, bytes]:
        """Read-only views of what was decompressed."""
        import zstandard

        try:
            size = zstandard.get_frame_parameters(body).content_size
            _check_size(size, body.nbytes)
            content = _decompressor().decompress(body, allow_extra_data=False)
        except (zstandard.ZstdError, MemoryError) as error:
            raise MessageError(f"the message is no Zstandard frame: {error}") from error
        return _RAW.decode(memoryview(content))


def _check_size(size: int, body_bytes: int) -> None:
    """Before anything is allocated: the frame says how large it is, and could be that large."""
    if size > MAX_CONTENT_BYTES:  # "unknown" is the largest 64-bit number
        raise MessageError(
            f"a frame of {size} bytes, or one that hides its size; {MAX_CONTENT_BYTES} may come"
        )
    if size > (body_bytes // _BLOCK_MIN_BYTES + 1) * _BLOCK_MAX_BYTES:
        raise MessageError(f"{body_bytes} bytes cannot hold the {size} that the frame promises")


class _Contexts(threading.local):
    """A thread's contexts: costly to make, and good for one call at a time."""

    def __init__(self) -> None:
        self.compressors: dict[int, zstandard.ZstdCompressor] = {}
        self.decompressor: zstandard.ZstdDecompressor | None = None


_contexts = _Contexts()


def _compressor(level: int) -> zstandard.ZstdCompressor:
    compressor = _contexts.compressors.get(level)
    if compressor is None:
        import zstandard

        compressor = _contexts.compressors[level] = zstandard.ZstdCompressor(level)
    return compressor


def _decompressor() -> zstandard.ZstdDecompressor:
    if _contexts.decompressor is None:
        import zstandard

        _contexts.decompressor = zstandard.ZstdDecompressor()
    return _contexts.decompressor
