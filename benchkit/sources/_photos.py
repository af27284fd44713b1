"""Seeded pictures as JPEG files whose sizes follow a distribution: for bulk work, where nobody's photos are at hand.

JPEG codes blocks of 8x8 pixels one by one, so what a file costs to store, carry and decode goes with its pixels and
with the detail in a block, not with what the picture shows. One textured canvas is made for a seed; each picture is
a piece of it, mirrored at its edges, with as many pixels as its bytes need.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from statistics import NormalDist
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from benchkit.sources._texture import Frame, smooth_noise, surface
from benchkit.units import Bytes

_CANVAS: Final = (1152, 1536)
_ASPECT: Final = 4 / 3
_CLOSE: Final = 0.03
_TRIES: Final = 4
_MOST_SIDE: Final = 16_384
_GOLDEN: Final = (math.sqrt(5) - 1) / 2
_FIRST_BITS_PER_PIXEL: Final = 2.0
"""A first guess; the first picture corrects it."""


class Sizes(BaseModel):
    """How large the files are: a log-normal distribution, cut at both ends.

    Sizes of files are near log-normal over several orders of magnitude (Downey, "The structural cause of file
    size distributions", MASCOTS 2001); the figures here are assumed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    median: Bytes = Field(500_000, gt=0, description="of the distribution before it is cut")
    sigma: float = Field(
        0.8, ge=0, le=4, allow_inf_nan=False, description="standard deviation of the size's logarithm"
    )
    least: Bytes = Field(100_000, ge=2_000, description="smallest file")
    most: Bytes = Field(3_000_000, le=64_000_000, description="largest file")

    @model_validator(mode="after")
    def _ordered(self) -> Sizes:
        if not self.least <= self.median <= self.most:
            raise ValueError(
                f"a median of {self.median} bytes is not between least ({self.least}) and most ({self.most})"
            )
        return self

    def drawn(self, generator: np.random.Generator) -> Iterator[int]:
        """Bytes of one file after the other, without end, evenly spread over the distribution.

        Multiples of the golden ratio, modulo 1, from a random start (the additive recurrence of quasi-Monte Carlo): the
        first ten already have about the distribution's mean, which ten independent draws have not.
        """
        at = float(generator.random())
        if not self.sigma:
            while True:
                yield self.median
        normal = NormalDist(math.log(self.median), self.sigma)
        low, high = normal.cdf(math.log(self.least)), normal.cdf(math.log(self.most))
        while True:
            at = (at + _GOLDEN) % 1.0
            share = min(max(low + at * (high - low), 1e-12), 1 - 1e-12)
            yield round(min(max(math.exp(normal.inv_cdf(share)), self.least), self.most))


def photos(seed: int, sizes: Sizes, quality: int) -> Iterator[bytes]:
    """JPEG files without end, 4:3, within a few per cent of the sizes drawn; equal for equal seeds."""
    rng = np.random.default_rng([seed, 0x9407])
    canvas = _canvas(rng)
    bits_per_pixel = _FIRST_BITS_PER_PIXEL
    for wanted in sizes.drawn(rng):
        corner = rng.integers(0, 4096, 2)
        for _ in range(_TRIES):
            height, width = _shape(8 * wanted / bits_per_pixel)
            file = _encoded(_piece(canvas, height, width, corner), quality)
            bits_per_pixel = 8 * len(file) / (height * width)
            if abs(len(file) - wanted) <= _CLOSE * wanted:
                break
        yield file


def _shape(pixels: float) -> tuple[int, int]:
    height = min(max(round(math.sqrt(pixels / _ASPECT)), 8), _MOST_SIDE)
    return height, min(max(round(height * _ASPECT), 8), _MOST_SIDE)


def _canvas(rng: np.random.Generator) -> Frame:
    """Soft colours under fine structure and grain: about as much detail a block as a photograph, (H, W, 3) uint8."""
    height, width = _CANVAS
    detail = surface(rng, height, width, 300.0)
    canvas = np.empty((height, width, 3), np.uint8)
    for channel, level in enumerate((118.0, 122.0, 110.0)):
        colour = smooth_noise(rng, (height, width), (160.0, 200.0))
        colour *= 26.0
        colour += level
        colour *= detail
        canvas[:, :, channel] = np.clip(colour, 0, 255)
    return canvas


def _piece(
    canvas: Frame, height: int, width: int, corner: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> Frame:
    """`height` x `width` pixels of the canvas from `corner` on, which is mirrored where it ends."""
    rows = _mirrored(height, int(corner[0]), canvas.shape[0])
    columns = _mirrored(width, int(corner[1]), canvas.shape[1])
    return np.ascontiguousarray(canvas[rows][:, columns])


def _mirrored(count: int, start: int, length: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    at = (np.arange(count, dtype=np.intp) + start) % (2 * length)
    return np.minimum(at, 2 * length - 1 - at)


def _encoded(picture: Frame, quality: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return file.getvalue()
