"""Pictures as JPEG, everything else as raw bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

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

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 1 << 26
"""The largest picture that either side takes, 8192 x 8192 say."""

_MAX_SIDE = 65_500  # libjpeg's JPEG_MAX_DIMENSION
_MODES = {2: "L", 3: "RGB"}
_RGB = 3


class Jpeg(Codec):
    """Pictures, uint8 of shape (H, W, 3) or (H, W), as JPEG; other arrays as raw bytes.

    Body: u32 length of the description, the description (msgpack: metadata, then name, dtype, shape and
    JPEG bytes of each array, 0 for raw), padding, then each array's bytes, padded to 64. Grey and RGB as
    given; RGB is subsampled 4:2:0 by Pillow.
    """

    kind: ClassVar[str] = "jpeg"
    lossy: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("PIL",)
    install: ClassVar[str] = "pip install pillow"

    quality: int = Field(90, ge=1, le=95, description="1 is smallest, 95 best; above it files only grow")

    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        """Compressed pictures and views of the other arrays."""
        entries: list[tuple[str, str, tuple[int, ...], int]] = []
        tensors: list[Buffer] = []
        for name, array in outgoing(arrays, metadata):
            picture = _is_picture(array.dtype, array.shape)
            if picture and not _fits(array.shape):
                raise MessageError(
                    f"array {name!r} of shape {array.shape} is too large for JPEG",
                    remedy=f"at most {_MAX_SIDE} a side and {MAX_PIXELS} pixels, or use the raw codec",
                )
            buffer = _compressed(array, self.quality) if picture else data(array)
            entries.append((name, array.dtype.name, array.shape, buffer.nbytes if picture else 0))
            if buffer.nbytes:
                tensors.append(buffer)
                if buffer.nbytes % ALIGN:
                    tensors.append(PADDING[: -buffer.nbytes % ALIGN])
        return [pack_head(metadata, entries), *tensors]

    def decode(self, body: memoryview) -> tuple[Arrays, bytes]:
        """Decompressed pictures and read-only views of the other arrays."""
        metadata, entries, offset = unpack_head(body, 4)
        pairs: list[tuple[str, Array]] = []
        for name, dtype, shape, jpeg_bytes in entries:
            array = described(name, dtype, shape)
            if _is_picture(array.dtype, array.shape):
                if type(jpeg_bytes) is not int or not 0 < jpeg_bytes <= body.nbytes - offset:
                    raise MessageError(f"picture {array.name!r} ends beyond the message")
                values, nbytes = _decompressed(array, body[offset : offset + jpeg_bytes]), jpeg_bytes
            else:
                values, nbytes = view(body, array, offset), array.nbytes
            pairs.append((array.name, values))
            offset += nbytes + -nbytes % ALIGN
        check_end(offset, body)
        return named(pairs), metadata


def _is_picture(dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> bool:
    grey_or_rgb = len(shape) == 2 or (len(shape) == 3 and shape[2] == _RGB)
    return dtype == np.uint8 and grey_or_rgb and 0 not in shape


def _fits(shape: tuple[int, ...]) -> bool:
    height, width = shape[:2]
    return max(height, width) <= _MAX_SIDE and height * width <= MAX_PIXELS


def _compressed(array: Array, quality: int) -> memoryview:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(array).save(file, "JPEG", quality=quality)
    return file.getbuffer()


def _decompressed(array: Described, content: memoryview) -> Array:
    from PIL import Image

    if not _fits(array.shape):
        raise MessageError(f"picture {array.name!r} of shape {array.shape} is larger than any that is taken")
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:  # reads the header alone
            _check_header(array, image)
            values = np.asarray(image)
    except MessageError:
        raise
    except Exception as error:  # Pillow lets through whatever its parsers stumble on
        raise MessageError(f"picture {array.name!r} is damaged: {error}") from error
    values.flags.writeable = False
    return values


def _check_header(array: Described, image: Image) -> None:
    height, width = array.shape[:2]
    if image.size != (width, height) or image.mode != _MODES[len(array.shape)]:
        raise MessageError(f"picture {array.name!r} is {image.mode} {image.size}, not {array.shape}")
    if image.info.get("progressive"):  # its scans multiply the work, and no sender here makes one
        raise MessageError(f"picture {array.name!r} is progressive")
