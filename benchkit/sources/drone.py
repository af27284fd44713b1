"""Live video of a drone: H.264 as a real encoder sizes it, or raw frames, each with a MISB ST 0601 packet.

Sizes follow a real encode of a picture that moves as a flight moves it: at the defaults an I frame is four to seven
times as long as the median P frame (58 to 114 kB and 16 kB with seed 1, x264 at 4 Mbit/s).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from benchkit.sources._flight import Flight
from benchkit.sources._ground import Ground
from benchkit.sources._h264 import Encoder
from benchkit.sources._telemetry import DEPARTED_US, packet
from benchkit.sources.base import Item, Source
from benchkit.units import BytesPerSecond, FrameSize, PerSecond, Seconds, parse_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchkit.sources._texture import Frame


def _signed_seconds(value: Any) -> Any:
    """Like any duration, with a minus in front where the packets are early."""
    if isinstance(value, str) and value.lstrip().startswith("-"):
        return -parse_seconds(value.lstrip()[1:])
    return parse_seconds(value)


SignedSeconds = Annotated[
    float,
    BeforeValidator(_signed_seconds),
    Field(ge=-60, le=60, allow_inf_nan=False),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}], "examples": ["200ms", "-40ms"]}),
]


class Drone(Source):
    """A flight over farmland: one frame a message, with the KLV packet that arrived with it.

    Arrays: `frame`, uint8, (n,) bytes of one H.264 access unit (Annex B) or (H, W, 3) RGB; `capture_us`, int64, (1,),
    when it was taken, in microseconds since 1970 (a clock of the flight's own, which begins with 2026). Metadata:
    the packet, or nothing where it was lost. H.264 needs every frame since the last I frame to have arrived.
    """

    kind: ClassVar[str] = "drone"
    requires: ClassVar[tuple[str, ...]] = ("av",)
    install: ClassVar[str] = "pip install av"

    size: FrameSize = (1280, 720)
    rate: PerSecond = Field(30.0, description="frames per second of the flight's time")
    encoding: Literal["h264", "raw"] = Field("h264", description="raw: RGB as the sensor gave it")
    gop: int = Field(30, ge=1, le=600, description="h264: every so many frames an I frame; 1: nothing else")
    bitrate: BytesPerSecond = Field(
        500_000.0, ge=1000, le=1e8, description="h264: bound of the encoder, for example 4Mbit/s"
    )
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] = Field(
        "veryfast", description="h264: x264's, from quick to small"
    )
    noise: float = Field(
        2.0, ge=0, le=12, allow_inf_nan=False, description="deviation of the sensor's noise in grey levels"
    )
    distinct: int = Field(
        90, ge=0, le=100_000,
        description="frames made before the run and then repeated, for h264 a multiple of gop; 0 makes every frame "
        "anew",
    )  # fmt: skip
    klv_offset: SignedSeconds = Field(
        0.0, description="how late packets are: each comes with a frame that is so much later than its tag 2"
    )
    klv_jitter: Seconds = Field(0.0, le=60, description="standard deviation of that")
    klv_loss: float = Field(0.0, ge=0, le=1, description="share of frames whose packet was lost")

    @model_validator(mode="after")
    def _closes_its_groups(self) -> Self:
        width, height = self.size
        if self.encoding == "h264" and (width % 2 or height % 2):
            raise ValueError(f"h264 needs even sides, and {width}x{height} has an odd one")
        if self.encoding == "h264" and self.distinct % self.gop:
            more = -(-self.distinct // self.gop) * self.gop
            raise ValueError(
                f"distinct: {self.distinct} frames are no whole number of groups of {self.gop}: the decoder would lose "
                f"track where they repeat; set distinct: {more}, or another gop"
            )
        return self

    def label(self) -> str:
        """`drone-1280x720-4Mbit`, with `-intra` where every frame is an I frame, or `drone-1280x720-raw`."""
        size = f"drone-{self.size[0]}x{self.size[1]}"
        if self.encoding == "raw":
            return f"{size}-raw"
        return f"{size}-{self.bitrate * 8 / 1e6:g}Mbit" + ("-intra" if self.gop == 1 else "")

    def items(self, seed: int) -> Iterator[Item]:
        """Frames without end; truth `car_m`: how far the car is along the course and to its right, in metres.

        Raises UsageError where this build of PyAV cannot encode H.264.
        """
        rng = np.random.default_rng([seed, 0xD20])
        flight = Flight.drawn(rng)
        ground = Ground(flight, rng, self.size, self.noise)
        # Of a stream of its own, so that the options of the packets change no picture.
        chance = np.random.default_rng([seed, 0xD21])
        pack = self._frame_bytes()
        aspect = self.size[1] / self.size[0]
        number = 0
        while True:
            time_s = number / self.rate
            late_s, lost = (
                self.klv_offset + chance.normal(0, self.klv_jitter),
                chance.random() < self.klv_loss,
            )
            # At the start a packet may tell of a moment before it.
            yield Item(
                {
                    "frame": pack(ground.frame(time_s, number)),
                    "capture_us": np.array([DEPARTED_US + round(time_s * 1e6)], np.int64),
                },
                metadata=b"" if lost else packet(flight, time_s - late_s, aspect),
                truth={"car_m": ground.car_m(time_s)},
            )
            number += 1

    def _frame_bytes(self) -> Callable[[Frame], Any]:
        if self.encoding == "raw":
            return np.ascontiguousarray
        encoder = Encoder(self.size, self.rate, self.gop, self.bitrate, self.preset)
        return lambda frame: np.frombuffer(encoder.packet(frame), np.uint8)
