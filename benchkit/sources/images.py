"""Images of a folder, or seeded ones: decoded ahead of the measurement, or as the JPEG files that they are."""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from benchkit.errors import UsageError
from benchkit.sources._photos import Sizes, photos
from benchkit.sources.base import Item, Source
from benchkit.units import FrameSize, show_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchkit.sources._texture import Frame

_JPEG = frozenset({".jpeg", ".jpg"})
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What a file may be, by its content: whatever the suffix, Pillow knows others, and runs Ghostscript for EPS."""
_MOST_FILE_BYTES = 1 << 28
_SUFFIXES = _JPEG | {".bmp", ".gif", ".png", ".ppm", ".tif", ".tiff", ".webp"}


class Images(Source):
    """Image files of a folder, again and again, or seeded ones; decoded, or as JPEG files that the stage decodes."""

    kind: ClassVar[str] = "images"
    requires: ClassVar[tuple[str, ...]] = ("PIL",)
    install: ClassVar[str] = "pip install pillow"

    path: Path | None = Field(
        None,
        description="the folder, whose files come in the order of their names; files that are no images by their "
        "suffix are passed over. Left out: seeded pictures of `sizes`",
    )
    form: Literal["tensor", "jpeg"] = Field(
        "tensor",
        description="tensor: array `frame`, decoded ahead; jpeg: array `image`, the file's bytes as they are",
    )
    size: FrameSize | None = Field(
        None, description="scale every tensor to this; left out, each keeps its size"
    )
    sizes: Sizes = Field(Sizes(), description="bytes of the seeded pictures' JPEG files")
    quality: int = Field(85, ge=1, le=95, description="of the seeded pictures' JPEG files")

    @model_validator(mode="after")
    def _as_they_are(self) -> Images:
        if self.form == "jpeg" and self.size is not None:
            raise ValueError(
                "a JPEG file travels as it is and is not scaled; remove size, or use form: tensor"
            )
        return self

    def label(self) -> str:
        """`images-<folder name>`; `images-500kB` for seeded ones, by their median."""
        if self.path is None:
            return f"images-{show_bytes(self.sizes.median).replace(' ', '')}"
        return f"images-{self.path.name or self.path.resolve().name}"

    def items(self, seed: int) -> Iterator[Item]:
        """Pictures without end; metadata: the file's name in UTF-8, nothing for a seeded picture.

        As tensors: array `frame` (H, W, 3) uint8 RGB. As JPEG: array `image` (n,) uint8, the file. Raises UsageError
        for a folder that is missing or holds no image, a file that cannot be read, is too large to decode safely,
        or is a link to somewhere outside the folder.
        """
        if self.path is None:
            for number, file in enumerate(photos(seed, self.sizes, self.quality)):
                yield Item(self._arrays(io.BytesIO(file), f"picture {number}"))
            return
        files = self._files(self.path)
        while True:
            for path in files:
                yield Item(
                    self._arrays(path, str(path)), metadata=path.name.encode("utf-8", "surrogateescape")
                )

    def _arrays(self, file: Path | io.BytesIO, where: str) -> dict[str, Frame]:
        if self.form == "tensor":
            return {"frame": self._decoded(file, where)}
        return {"image": _as_it_is(file, where)}

    def _files(self, folder: Path) -> list[Path]:
        if not folder.is_dir():
            what = "is not a folder" if folder.exists() else "there is no such folder"
            raise UsageError(what, where=str(folder), remedy="set the source's path to a folder of images")
        suffixes = _JPEG if self.form == "jpeg" else _SUFFIXES
        try:
            files = sorted(file for file in folder.iterdir() if file.suffix.lower() in suffixes)
            root = folder.resolve(strict=True)
        except OSError as error:
            raise UsageError(
                f"cannot be listed: {error.strerror}", where=str(folder), remedy="make the folder readable"
            ) from None
        if not files:
            kinds = " ".join(sorted(suffixes))
            raise UsageError(
                "holds no image", where=str(folder), remedy=f"put files of these kinds there: {kinds}"
            )
        for file in files:
            if not file.resolve().is_relative_to(root):
                raise UsageError(
                    "is a link to a file outside the folder",
                    where=str(file),
                    remedy="copy the file into the folder",
                )
            if not file.is_file() or file.stat().st_size > _MOST_FILE_BYTES:
                raise UsageError(
                    f"is no file, or one of more than {show_bytes(_MOST_FILE_BYTES)}",
                    where=str(file),
                    remedy="take it out of the folder",
                )
        return files

    def _decoded(self, file: Path | io.BytesIO, where: str) -> Frame:
        from PIL import Image

        with _readable(where), Image.open(file, formats=_FORMATS) as picture:
            picture.draft("RGB", self.size)
            whole = picture.convert("RGB")
        if self.size is not None and whole.size != self.size:
            whole = whole.resize(self.size, Image.Resampling.BILINEAR)
        return np.array(whole, dtype=np.uint8)


def _as_it_is(file: Path | io.BytesIO, where: str) -> Frame:
    """The bytes of a JPEG file whose header is sound."""
    from PIL import Image

    with _readable(where):
        content = file.getvalue() if isinstance(file, io.BytesIO) else file.read_bytes()
        with Image.open(io.BytesIO(content), formats=("JPEG",)):
            return np.frombuffer(content, np.uint8)


@contextmanager
def _readable(where: str) -> Iterator[None]:
    """What Pillow raises, as UsageError that says what to do."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UsageError(
            f"has more than {Image.MAX_IMAGE_PIXELS} pixels: such a file can fill the memory",
            where=where,
            remedy="scale it down first, or take it out of the folder",
        ) from None
    except Exception as error:  # noqa: BLE001  (Pillow's decoders raise errors of every kind on bad files)
        raise UsageError(
            f"cannot be read as an image: {error}",
            where=where,
            remedy="repair it or take it out of the folder",
        ) from None
