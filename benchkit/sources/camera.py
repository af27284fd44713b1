"""A camera that watches a dam's gate and gauge board; the true water level of every frame is known.

Compression is honest: bits per pixel of rendered frames (mean of 8 seeds, default noise) beside real footage
(10 frames of OpenCV's sample of surveillance, shared/data/cctv-walkway.avi; JPEG by Pillow at quality 90,
zstd at level 3 of the raw RGB bytes, which are 24 bits per pixel):

============== ========== ==========
frame          JPEG       zstd
============== ========== ==========
real 768x576   1.96       15.4
768x576        2.10       18.8
640x360        2.31       19.5
1920x1080      1.90       18.4
============== ========== ==========

The footage was compressed once before (MPEG-4), which took away noise that a sensor's raw frames have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from benchkit.sources._scene import lay_out, still_scene
from benchkit.sources._sensor import Sensor
from benchkit.sources._texture import Floats, Frame, clamped
from benchkit.sources._water import Motion, Water
from benchkit.sources.base import Item, Source
from benchkit.units import FrameSize, PerSecond

if TYPE_CHECKING:
    from collections.abc import Iterator

_STRIP_ROWS = 16
"""Rows of water made at a time, so that the intermediate values stay in a core's cache."""
_WET_M = 0.05


class Camera(Source):
    """A rendered dam gate with a gauge board and moving water."""

    kind: ClassVar[str] = "camera"

    size: FrameSize = (1920, 1080)
    rate: PerSecond = Field(
        30.0, description="frames per second of the scene's time: how far the water moves"
    )
    noise: float = Field(
        2.0,
        ge=0,
        le=12,
        allow_inf_nan=False,
        description="deviation of the sensor's noise in grey levels of 255",
    )

    def label(self) -> str:
        """`camera-1920x1080`."""
        return f"camera-{self.size[0]}x{self.size[1]}"

    def items(self, seed: int) -> Iterator[Item]:
        """Frames without end: `frame` (H, W, 3) uint8 RGB; truth `level_m`, metres above the gauge's zero."""
        view = View(seed, self.size, self.noise)
        number = 0
        while True:
            frame, level_m = view.frame(number / self.rate)
            yield Item({"frame": frame}, truth={"level_m": level_m})
            number += 1


class View:
    """One camera at one dam: everything that is made once for a seed."""

    def __init__(self, seed: int, size: tuple[int, int], noise: float) -> None:
        self._rng = rng = np.random.default_rng([seed, 0xDA3])
        width, height = size
        self.layout = lay_out(rng, width, height)
        self.motion = Motion.drawn(rng)
        self._still = still_scene(self.layout, rng)
        self._water = Water(self.layout, self._still, rng)
        self._sensor = Sensor(rng, height, width, noise)

    def frame(self, time_s: float, level_m: float | None = None) -> tuple[Frame, float]:
        """The picture at `time_s`, (H, W, 3) uint8 RGB, and the level it shows in metres.

        `level_m` replaces the level that the seed has at that time (for training on even levels).
        """
        if level_m is None:
            level_m = self.motion.level_m(time_s)
        frame = self._shore(level_m, time_s)
        self._sensor.expose(frame, self.motion.light(time_s, self.layout.width), self._rng)
        return frame, level_m

    def _shore(self, level_m: float, time_s: float) -> Frame:
        """Dam above, water below, in even light."""
        height, width = self.layout.height, self.layout.width
        surface_row = min(max(self.layout.row(level_m), 0.0), float(height))
        line = surface_row + self._water.chop(time_s)
        band = clamped(float(line.min()) - _WET_M * self.layout.px_per_m - 1, float(line.max()) + 1, height)
        frame = np.empty((height, width, 3), np.uint8)
        flat, still = frame.reshape(height, -1), self._still.reshape(height, -1)
        flat[: band.stop] = still[: band.stop]
        for top in range(band.start, height, _STRIP_ROWS):
            bottom = min(top + _STRIP_ROWS, height)
            water = self._water.rows(surface_row, top, bottom, time_s)
            if top < band.stop:
                water = self._blend(still[top:bottom], water, top, line)
            flat[top:bottom] = np.clip(water, 0, 255, out=water)
        return frame

    def _blend(
        self, dam: Frame, water: npt.NDArray[np.int16], top: int, line: Floats
    ) -> npt.NDArray[np.int16]:
        """Waves' edge on the dam, sub-pixel, under a band of wet concrete."""
        above = np.repeat(line, 3) - np.arange(top, top + len(dam), dtype=np.float32)[:, None]
        wet = np.clip(1.2 - above / np.float32(_WET_M * self.layout.px_per_m), 0, 1)
        dry = dam * (1 - np.float32(0.35) * wet)
        share = np.clip(1 - above, 0, 1)
        mixed: npt.NDArray[np.int16] = (dry + (water - dry) * share).astype(np.int16)
        return mixed
