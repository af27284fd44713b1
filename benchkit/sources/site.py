"""A whole dam: several cameras and one logger of many instruments, as they come to one service."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from benchkit.sources.base import Item, Source
from benchkit.sources.camera import Camera
from benchkit.sources.sensors import Sensors
from benchkit.units import FrameSize, PerSecond

if TYPE_CHECKING:
    from collections.abc import Iterator


class Site(Source):
    """Frames of several cameras and windows of a dam's instruments, in the order in which they tick.

    Cameras run at one rate and out of step, evenly so: camera k of n is k/n of a period late. A load of their sum,
    evenly spaced (`rate_per_s`), sends each message within one of its intervals of its own tick.
    """

    kind: ClassVar[str] = "site"

    cameras: int = Field(8, ge=1, le=1000, description="each looks at a scene of its own")
    size: FrameSize = (640, 360)
    frame_rate: PerSecond = Field(5.0, description="frames per second of each camera")
    channels: int = Field(40, ge=1, le=10_000, description="instruments")
    samples: int = Field(144, ge=1, le=1_000_000, description="moments in a window")
    window_rate: PerSecond = Field(1.0, description="windows per second, of all instruments together")

    @property
    def rate_per_s(self) -> float:
        """Messages per second of the whole site."""
        return self.cameras * self.frame_rate + self.window_rate

    def label(self) -> str:
        """`site-8x640x360-40ch`."""
        return f"site-{self.cameras}x{self.size[0]}x{self.size[1]}-{self.channels}ch"

    def items(self, seed: int) -> Iterator[Item]:
        """Messages without end, of one array each.

        `frame` (H, W, 3) uint8 RGB, or `window` (samples, channels) float32; metadata: which sender it is, `camera-0`
        or `sensors`, in ASCII. Truth as of the `camera` and `sensors` sources.
        """
        frames = [
            Camera(size=self.size, rate=self.frame_rate).items(seed + number)
            for number in range(self.cameras)
        ]
        windows = Sensors(samples=self.samples, channels=self.channels).items(seed)
        period_s = 1 / self.frame_rate
        # Each sender's next tick, its period, its name and its messages; names decide among equal ticks.
        ticks = [
            (number * period_s / self.cameras, f"camera-{number}", period_s, made)
            for number, made in enumerate(frames)
        ]
        ticks.append((0.5 / self.window_rate, "sensors", 1 / self.window_rate, windows))
        heapq.heapify(ticks)
        while True:
            at_s, name, every_s, made = ticks[0]
            item = next(made)
            yield Item(item.arrays, name.encode("ascii"), item.truth)
            heapq.heapreplace(ticks, (at_s + every_s, name, every_s, made))
