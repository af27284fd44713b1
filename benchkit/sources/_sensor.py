"""A camera's sensor: shot and read noise, and the rounding to 8 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from benchkit.sources._texture import Floats, Frame

_STRIP_ROWS = 16
"""Rows worked on at a time, so that the intermediate values stay in a core's cache."""
_SHADOW = 64
_GRAIN_DEVIATION = 36.95
"""Of the sum of four even bytes, divided by four: sqrt(4 * (256**2 - 1) / 12) / 4."""


class Sensor:
    """Exposes frames of (H, 3 W) interleaved colours.

    Shot noise grows as the square root of the light and a camera's gamma curve is close to a square root, so
    that in grey levels it is even (F. J. Anscombe, Biometrika 35, 1948); read noise shows in the shadows,
    where the deviation rises to double. Neighbours are correlated by a half, as demosaicing leaves them.
    """

    def __init__(self, rng: np.random.Generator, height: int, width: int, noise: float) -> None:
        row = 3 * width
        self._slack = row + 4096
        count = height * row + self._slack
        seeds = np.frombuffer(rng.bytes(count + row + 3), np.uint8)
        grain = np.empty(count, np.int8)
        for start in range(0, count, 1 << 16):  # in pieces that stay in cache
            stop = min(start + (1 << 16), count)
            total = np.full(stop - start, -510, np.int16)
            for shift in (0, 3, row, row + 3):
                total += seeds[start + shift : stop + shift]
            total >>= 2
            grain[start:stop] = total
        self._grain = grain
        self._scale = round(noise * 256 / _GRAIN_DEVIATION)

    def expose(self, frame: Frame, light: Floats, rng: np.random.Generator) -> None:
        """Multiply by the columns' brightness and add noise, in place; `light` (W,), at most 1."""
        height, width, _ = frame.shape
        flat = frame.reshape(height, 3 * width)
        gain = np.repeat(np.rint(256 * light), 3).astype(np.uint16)
        offset = int(rng.integers(self._slack))
        grain = self._grain[offset : offset + flat.size].reshape(flat.shape)
        bright = np.empty((_STRIP_ROWS, 3 * width), np.uint16)
        for top in range(0, height, _STRIP_ROWS):
            strip = flat[top : top + _STRIP_ROWS]
            value = np.multiply(strip, gain, out=bright[: len(strip)])
            value >>= 8
            signed = value.view(np.int16)
            if self._scale:
                signed += self._noise(grain[top : top + _STRIP_ROWS], strip)
            strip[:] = np.clip(signed, 0, 255, out=signed)

    def _noise(self, grain: npt.NDArray[np.int8], strip: Frame) -> npt.NDArray[np.int16]:
        deviation = np.subtract(_SHADOW, np.minimum(strip, _SHADOW), dtype=np.int16)
        deviation *= self._scale
        deviation >>= 6
        deviation += self._scale
        deviation *= grain
        deviation += 128
        deviation >>= 8
        return deviation
