"""Windows over a dam's instruments: correlated channels with a daily cycle, drift and rare spikes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from benchkit.sources._instruments import Instruments, Reading
from benchkit.sources.base import Item, Source
from benchkit.units import PerSecond

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sensors(Source):
    """Sliding windows of a dam's instruments: level, pore pressure, seepage, temperature, displacement."""

    kind: ClassVar[str] = "sensors"

    samples: int = Field(144, ge=1, le=1_000_000, description="moments in a window; 144 at 6/h are a day")
    channels: int = Field(12, ge=1, le=10_000, description="instruments; the first twelve kinds, then again")
    rate: PerSecond = Field(6 / 3600, description="readings of every instrument, for example 6/h")
    stride: int = Field(
        1, ge=1, le=1_000_000, description="moments by which a window is later than the one before"
    )

    def label(self) -> str:
        """`sensors-144x12`."""
        return f"sensors-{self.samples}x{self.channels}"

    def items(self, seed: int) -> Iterator[Item]:
        """Windows without end, oldest moment first: array `window` (samples, channels) float32.

        Truth is `level_m`: the reservoir's level in metres at the window's last moment.
        """
        instruments = Instruments(seed, self.channels, 1 / self.rate)
        readings: deque[Reading] = deque(
            (instruments.step() for _ in range(self.samples)), maxlen=self.samples
        )
        while True:
            window = np.stack([reading.values for reading in readings])
            yield Item({"window": window}, truth={"level_m": readings[-1].level_m})
            readings.extend(instruments.step() for _ in range(self.stride))
