"""A ground station: decodes live video, finds the car in it, and holds each frame against its KLV packet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from benchkit.errors import InputMismatch, KlvError
from benchkit.klv import Packet, parse
from benchkit.stages._h264 import Decoder
from benchkit.stages.base import OpenStage, Stage
from benchkit.tensors.message import Array, Arrays, Message

Plane = npt.NDArray[np.uint8]
_LATITUDE, _LONGITUDE = 23, 24
_UNKNOWN: Final = float("nan")
_REMEDY: Final = "use the source `drone`, or name the arrays that yours has by the stage's options"
_STEP: Final = 2
"""Pixels of a raw frame between those that are looked at, as H.264 keeps half of its colours each way."""


class Video(Stage):
    """Decodes H.264 (or takes raw frames), finds the one orange car, and pairs the frame with its KLV packet.

    Replies with `verdict`, float64, (5,): 1 where a car was found, 0 where none was, NaN where the frame could not be
    decoded; its column and row in the frame's pixels; latitude and longitude of the frame's centre by the packet.
    Unknown ones are NaN. A frame that comes before one that it needs is not decoded: nor are those that follow, until
    the missing one comes after all, or an I frame. So a reply depends on the messages before it, and is not compared
    with a local run.

    Tells of each block: `frames_decoded`, `frames_undecodable`; `skew_us`, how much earlier than its frame the moment
    is that a packet tells of (tag 2), so above 0 where packets are late; `klv_lost`, frames without a packet;
    `klv_bad`, packets that were refused.
    """

    kind: ClassVar[str] = "video"
    requires: ClassVar[tuple[str, ...]] = ("av",)
    install: ClassVar[str] = "pip install av"
    deterministic: ClassVar[bool] = False

    frame: str = Field("frame", description="the array that holds the frame")
    capture: str = Field("capture_us", description="the array that says when it was taken, in microseconds")
    redness: int = Field(
        40, ge=1, le=127, description="how much redder than grey (Cr of ITU-R BT.601) the car is at the least"
    )
    pixels: int = Field(4, ge=1, description="pixels of colour that make a car, one in four of the frame's")

    def open(self, seed: int) -> OpenStage:  # noqa: ARG002  (nothing here is random)
        """Opens the decoder."""
        return _Open(self)


class _Open(OpenStage):
    def __init__(self, stage: Video) -> None:
        self._stage = stage
        self._decoder = Decoder()
        self._begin()

    def _begin(self) -> None:
        # A block begins with the first message of its source.
        self._decoder.begin()
        self._decoded = self._undecodable = self._lost = self._bad = 0
        self._skews_us: list[int] = []

    def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
        return [{"verdict": self._verdict(message)} for message in batch]

    def _verdict(self, message: Message) -> Array:
        try:
            frame = message.arrays[self._stage.frame]
            captured_us = int(message.arrays[self._stage.capture].flat[0])
        except (KeyError, IndexError):
            raise InputMismatch(
                f"no frame with its time among {sorted(message.arrays)}", remedy=_REMEDY
            ) from None
        where = self._where(message.metadata, captured_us)
        return np.array([*self._seen(message.seq, frame), *where])

    def _where(self, metadata: bytes, captured_us: int) -> tuple[float, float]:
        """Latitude and longitude of the frame's centre, by the packet that came with it."""
        if not metadata:
            self._lost += 1
            return _UNKNOWN, _UNKNOWN
        try:
            packet = parse(metadata)
            told_us = packet.time_us
            where = _number(packet, _LATITUDE), _number(packet, _LONGITUDE)
        except KlvError:
            self._bad += 1
            return _UNKNOWN, _UNKNOWN
        if told_us is not None:
            self._skews_us.append(captured_us - told_us)
        return where

    def _seen(self, number: int, frame: Array) -> tuple[float, float, float]:
        """Whether a car is there, its column and its row."""
        if frame.ndim == 3:
            red, step = _red_of_raw(frame), _STEP
        else:
            picture = self._decoder.picture(number, frame.tobytes())
            if picture is None:
                self._undecodable += 1
                return _UNKNOWN, _UNKNOWN, _UNKNOWN
            red = _red_of(picture)
            step = picture.width // red.shape[1]
        self._decoded += 1
        rows, columns = np.nonzero(red > 128 + self._stage.redness)
        if len(rows) < self._stage.pixels:
            return 0.0, _UNKNOWN, _UNKNOWN
        return 1.0, (float(columns.mean()) + 0.5) * step, (float(rows.mean()) + 0.5) * step

    def told(self) -> Mapping[str, Any]:
        facts: dict[str, Any] = {
            "frames_decoded": self._decoded,
            "frames_undecodable": self._undecodable,
            "klv_lost": self._lost,
            "klv_bad": self._bad,
        }
        if self._skews_us:
            skews = np.array(self._skews_us)
            p50, p90, p99 = (float(each) for each in np.percentile(skews, (50, 90, 99)))
            facts["skew_us"] = {
                "count": len(skews), "min": int(skews.min()), "p50": p50, "p90": p90, "p99": p99,
                "max": int(skews.max()),
            }  # fmt: skip
        self._begin()
        return facts

    def facts(self) -> dict[str, Any]:
        import av

        return {"decoder": "h264 of libavcodec, one thread, low delay", "av": av.__version__}


def _number(packet: Packet, tag: int) -> float:
    """A value of the packet, NaN where it has none that is a number; raises KlvError."""
    value = packet.value(tag)
    return float(value) if isinstance(value, (int, float)) else _UNKNOWN


def _red_of(picture: Any) -> Plane:
    """Cr of a decoded picture (YUV 4:2:0), a view of it."""
    plane = picture.planes[2]
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def _red_of_raw(frame: Array) -> Plane:
    """Cr of one pixel in four of an RGB frame (ITU-R BT.601, whole range)."""
    few = frame[::_STEP, ::_STEP].astype(np.int32)
    red: Plane = (128 + (128 * few[:, :, 0] - 107 * few[:, :, 1] - 21 * few[:, :, 2] >> 8)).astype(np.uint8)
    return red
