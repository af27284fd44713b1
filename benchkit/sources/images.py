"""A folder of image files, decoded ahead of the measurement."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from benchkit.errors import UsageError
from benchkit.sources.base import Item, Source
from benchkit.units import FrameSize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchkit.sources._texture import Frame

_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


class Images(Source):
    """The image files of a folder, in the order of their names, again and again."""

    kind: ClassVar[str] = "images"
    requires: ClassVar[tuple[str, ...]] = ("PIL",)
    install: ClassVar[str] = "pip install pillow"

    path: Path = Field(
        description="the folder; files in it that are no images by their suffix are passed over"
    )
    size: FrameSize | None = Field(
        None, description="scale every image to this; left out, each keeps its size"
    )

    def label(self) -> str:
        """`images-<folder name>`."""
        return f"images-{self.path.name or self.path.resolve().name}"

    def items(self, seed: int) -> Iterator[Item]:  # noqa: ARG002  (files are the same for every seed)
        """Pictures without end: array `frame` (H, W, 3) uint8 RGB, metadata the file's name in UTF-8.

        Raises UsageError for a folder that is missing or holds no image, a file that cannot be read, is too
        large to decode safely, or is a link to somewhere outside the folder.
        """
        files = self._files()
        while True:
            for file in files:
                yield Item(
                    {"frame": self._decoded(file)}, metadata=file.name.encode("utf-8", "surrogateescape")
                )

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            what = "is not a folder" if self.path.exists() else "there is no such folder"
            raise UsageError(what, where=str(self.path), remedy="set the source's path to a folder of images")
        try:
            files = sorted(file for file in self.path.iterdir() if file.suffix.lower() in _SUFFIXES)
            root = self.path.resolve(strict=True)
        except OSError as error:
            raise UsageError(
                f"cannot be listed: {error.strerror}", where=str(self.path), remedy="make the folder readable"
            ) from None
        if not files:
            kinds = " ".join(sorted(_SUFFIXES))
            raise UsageError(
                "holds no image", where=str(self.path), remedy=f"put files of these kinds there: {kinds}"
            )
        for file in files:
            if not file.resolve().is_relative_to(root):
                raise UsageError(
                    "is a link to a file outside the folder",
                    where=str(file),
                    remedy="copy the file into the folder",
                )
        return files

    def _decoded(self, file: Path) -> Frame:
        from PIL import Image

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(file) as picture:
                    picture.draft("RGB", self.size)
                    whole = picture.convert("RGB")
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise UsageError(
                f"has more than {Image.MAX_IMAGE_PIXELS} pixels: such a file can fill the memory",
                where=str(file),
                remedy="scale it down first, or take it out of the folder",
            ) from None
        except Exception as error:  # noqa: BLE001  (Pillow's decoders raise errors of every kind on bad files)
            raise UsageError(
                f"cannot be read as an image: {error}",
                where=str(file),
                remedy="repair it or take it out of the folder",
            ) from None
        if self.size is not None and whole.size != self.size:
            whole = whole.resize(self.size, Image.Resampling.BILINEAR)
        return np.array(whole, dtype=np.uint8)
