"""What moves in the camera's picture: the water's level, its ripples, and the light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchkit.sources._texture import Floats, Frame, smooth_noise

if TYPE_CHECKING:
    from benchkit.sources._scene import Layout

LEVEL_RANGE_M = (0.2, 2.8)
_SLOW = (0.30, 60.0)
_SURGE = (0.12, 1.7)
_CHOP = (0.03, 0.61)
"""Amplitude in metres and period in seconds of what moves the level; assumed, for a windy day."""


@dataclass(frozen=True, slots=True)
class Motion:
    """The level and the light as functions of time; drawn once from a seed."""

    mean_m: float
    phases: tuple[float, float, float, float]

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Motion:
        """A mean level such that no wave leaves `LEVEL_RANGE_M`."""
        swing = _SLOW[0] + _SURGE[0] + _CHOP[0]
        one, two, three, four = (float(phase) for phase in rng.uniform(0, 2 * np.pi, 4))
        mean_m = float(rng.uniform(LEVEL_RANGE_M[0] + swing, LEVEL_RANGE_M[1] - swing))
        return cls(mean_m, (one, two, three, four))

    def level_m(self, time_s: float) -> float:
        """The water surface at the gauge, metres above its zero."""
        waves = zip((_SLOW, _SURGE, _CHOP), self.phases, strict=False)
        swing = sum(high * np.sin(2 * np.pi * time_s / period + phase) for (high, period), phase in waves)
        return self.mean_m + float(swing)

    def light(self, time_s: float, columns: int) -> Floats:
        """Brightness of each column, 0.88 to 1: daylight that drifts and a cloud's shadow that passes."""
        drift = 0.94 + 0.03 * np.sin(2 * np.pi * time_s / 23 + self.phases[3])
        where = np.linspace(0, 2.2, columns, dtype=np.float32)
        return np.asarray(drift + 0.03 * np.sin(where - 0.4 * time_s + self.phases[1]), np.float32)


class Water:
    """Rippled water that mirrors the dam; every row of three interleaved colours.

    Ripples are two drifting layers of noise whose rows are spread by perspective: fine at the dam, long near
    the camera. A frame only picks rows and adds.
    """

    def __init__(self, layout: Layout, still: Frame, rng: np.random.Generator) -> None:
        self._layout = layout
        self._pad = layout.width // 40 + 1
        mirror = np.pad(still, ((0, 0), (self._pad, self._pad), (0, 0)), mode="edge")
        self._mirror = mirror.reshape(layout.height, -1)
        self._slack = max(layout.width // 4, 4)
        self._ripples = int(0.7 * layout.height) + 8
        step = max(layout.height * 0.022, 2.0)
        self._layers = tuple(self._layer(rng, stretch * step) for stretch in (1.0, 0.37))
        depth = np.arange(layout.height + 1, dtype=np.float32) / layout.height
        self._spread = np.float32(1.4 * layout.height / np.log(6)) * np.log1p(5 * depth)
        self._jitter = rng.standard_normal(len(depth), dtype=np.float32)
        self._reflects = np.rint(128 * (0.52 - 0.30 * depth)).astype(np.int16)
        self._colour = np.tile(np.asarray(layout.water, np.float32) * 0.62, layout.width).astype(np.int16)

    def _layer(self, rng: np.random.Generator, step: float) -> npt.NDArray[np.int8]:
        shape = (self._ripples, self._layout.width + self._slack)
        noise = smooth_noise(rng, shape, (5.0, step))
        noise *= 5.5 + 2.0 * np.abs(noise)  # crests glitter and troughs are black: heavier tails than normal
        return np.repeat(np.clip(noise, -127, 127).astype(np.int8), 3, axis=1)

    def chop(self, time_s: float) -> Floats:
        """How many rows below the mean surface the waterline lies on the dam, shape (W,); 0 on average."""
        metres = np.arange(self._layout.width, dtype=np.float32) / self._layout.px_per_m
        wave = 0.006 * np.sin(9.0 * metres - 4.1 * time_s) + 0.004 * np.sin(23.0 * metres + 7.3 * time_s)
        return np.asarray(wave * self._layout.px_per_m, np.float32)

    def rows(self, surface_row: float, first: int, last: int, time_s: float) -> npt.NDArray[np.int16]:
        """Water in the rows `first` to `last` (exclusive) of a frame: (last - first, 3 W) int16."""
        depth = np.clip(np.arange(first, last) - int(surface_row), 0, None)
        image = self._reflection(depth, surface_row, time_s)
        wide = image.shape[1]
        for layer, (fall, drift) in zip(self._layers, ((0.05, 0.021), (-0.08, -0.034)), strict=True):
            phase = (self._spread[depth] - fall * self._layout.height * time_s).astype(np.intp)
            phase %= 2 * self._ripples
            picked = np.minimum(phase, 2 * self._ripples - 1 - phase)  # there and back: no seam
            shift = 3 * int((drift * time_s * self._layout.width) % self._slack)
            image += layer[picked, shift : shift + wide]
        image += self._colour
        return image

    def _reflection(
        self, depth: npt.NDArray[np.intp], surface_row: float, time_s: float
    ) -> npt.NDArray[np.int16]:
        """The dam upside down, broken up row by row, fainter towards the camera."""
        layout = self._layout
        swell = np.sin(self._spread[depth] * (40 / layout.height) + 5 * time_s) + 0.8 * self._jitter[depth]
        far = depth / (depth + 0.1 * layout.height)
        rows = surface_row - 0.8 * depth + 0.016 * layout.height * far * swell
        rows = np.clip(rows, 0, max(surface_row - 1, 0)).astype(np.intp)
        sway = np.sin(self._spread[depth] * (97 / layout.height) - 3 * time_s) + self._jitter[depth]
        shifts = np.clip(0.006 * layout.width * far * sway, -self._pad, self._pad).astype(np.intp)
        wide = 3 * layout.width
        image = np.empty((len(depth), wide), np.int16)
        for target, row, shift in zip(image, rows.tolist(), (3 * (shifts + self._pad)).tolist(), strict=True):
            target[:] = self._mirror[row, shift : shift + wide]
        image *= self._reflects[depth][:, None]
        image >>= 7
        return image
