"""What a drone's camera sees: fields, a road, houses and one orange car, in the perspective of its pose.

The ground is one seeded picture, aligned with the flight's course, that repeats itself in both directions; a frame
looks every pixel up where its ray meets the ground. Plain arrays in, plain arrays out.
"""

from __future__ import annotations

from math import cos, pi, radians, sin, tan
from typing import Final

import numpy as np
import numpy.typing as npt

from benchkit.sources._flight import LOOKS_DOWN_DEG, VIEW_DEG, Flight, Pose
from benchkit.sources._texture import Floats, Frame, paint, smooth_noise

_SIDE: Final = 2048
"""Pixels of the ground's picture each way; a power of two, so that it repeats by a mask."""
_ROAD_M: Final = 7.0
_CAR_M: Final = (4.5, 1.9)
_CAR: Final = (224, 62, 18)
_SHIFTS: Final = 64
Wholes = npt.NDArray[np.int32]


class Ground:
    """One flight's ground and camera: everything that is made once for a seed."""

    def __init__(self, flight: Flight, rng: np.random.Generator, size: tuple[int, int], noise: float) -> None:
        self._flight = flight
        self.width, self.height = size
        self._focal_px = self.width / 2 / tan(radians(VIEW_DEG / 2))
        range_m = flight.pose(0).height_m / sin(radians(LOOKS_DOWN_DEG))
        # About one pixel of the ground to one of the frame: nearest neighbours then hardly flicker.
        self._px_per_m = self._focal_px / range_m
        # Four bytes a pixel are looked up at once.
        self._picture = np.dstack([_painted(rng, self._px_per_m), np.zeros((_SIDE, _SIDE), np.uint8)])
        self._columns = (np.arange(self.width, dtype=np.float32) - (self.width - 1) / 2) / self._focal_px
        self._rows = (np.arange(self.height, dtype=np.float32) - (self.height - 1) / 2) / self._focal_px
        # A little larger than a frame, so that each frame may begin at another place of it.
        shape = (self.height + _SHIFTS, self.width + _SHIFTS, 1)
        spread = rng.standard_normal(shape, np.float32) * np.float32(noise) if noise else None
        self._noise = None if spread is None else np.rint(spread).astype(np.int16)

    def frame(self, time_s: float, number: int) -> Frame:
        """The picture at `time_s`, (H, W, 3) uint8 RGB; `number` chooses the sensor's noise."""
        pose = self._flight.pose(time_s)
        along_m, across_m = self._met(pose)
        car = self._car(time_s)
        kept = self._picture[car].copy()
        self._picture[car] = (*_CAR, 0)
        mask = np.int32(_SIDE - 1)
        at = (across_m * self._px_per_m).astype(np.int32) & mask
        at *= np.int32(_SIDE)
        at += (along_m * self._px_per_m).astype(np.int32) & mask
        seen: Frame = self._picture.reshape(-1, 4).view(np.uint32)[:, 0].take(at).view(np.uint8)
        seen = seen.reshape(self.height, self.width, 4)[:, :, :3]
        self._picture[car] = kept
        if self._noise is None:
            return np.ascontiguousarray(seen)
        down, across = number * 37 % _SHIFTS, number * 59 % _SHIFTS
        mixed: npt.NDArray[np.int16] = (
            seen + self._noise[down : down + self.height, across : across + self.width]
        )
        np.clip(mixed, 0, 255, out=mixed)
        return mixed.astype(np.uint8)

    def car_m(self, time_s: float) -> tuple[float, float]:
        """Where the car is, along the flight's course and to the right of it, in metres; on the road, in sight."""
        pose = self._flight.pose(time_s)
        along_m, _ = self._flight.on_course(*self._flight.centre(pose))
        return along_m + 14 * sin(2 * pi * time_s / 17), 0.25 * _ROAD_M

    def _met(self, pose: Pose) -> tuple[Floats, Floats]:
        """Where each pixel's ray meets the ground, along the course and to its right: metres, shape (H, W) each."""
        down, aside = radians(LOOKS_DOWN_DEG), radians(pose.heading_deg - self._flight.course_deg)
        # A ray is (forward, right, down) = (cos - row sin, column, sin + row cos), stretched until it is down.
        reach = np.float32(pose.height_m) / (np.float32(sin(down)) + self._rows * np.float32(cos(down)))
        forward = (np.float32(cos(down)) - self._rows * np.float32(sin(down))) * reach
        right = reach[:, None] * self._columns
        from_along, from_across = self._flight.on_course(pose.north_m, pose.east_m)
        along = (from_along + forward * np.float32(cos(aside)))[:, None] - right * np.float32(sin(aside))
        across = (from_across + forward * np.float32(sin(aside)))[:, None] + right * np.float32(cos(aside))
        return along.astype(np.float32), across.astype(np.float32)

    def _car(self, time_s: float) -> tuple[Wholes, Wholes]:
        """The pixels of the ground's picture that the car covers, as np.ix_ would name them."""
        along, across = self.car_m(time_s)
        spans = []
        for middle_m, length_m in ((across, _CAR_M[1]), (along, _CAR_M[0])):
            pixels = max(2, round(length_m * self._px_per_m))
            first = round(middle_m * self._px_per_m - pixels / 2)
            spans.append((np.arange(first, first + pixels) & (_SIDE - 1)).astype(np.int32))
        return spans[0][:, None], spans[1][None, :]


def _painted(rng: np.random.Generator, px_per_m: float) -> Frame:
    """Fields of several crops, a road along row 0, houses beside it: (SIDE, SIDE, 3) uint8."""
    crops = np.array(
        [(104, 118, 62), (128, 120, 70), (88, 106, 58), (146, 132, 92), (96, 92, 66)], np.float32
    )
    metre = px_per_m
    side = (_SIDE // 2, _SIDE // 2)
    field = smooth_noise(rng, side, (14 * metre + 1, 24 * metre + 1))
    kind = np.clip(((field + 1.6) * 1.6).astype(np.intp), 0, len(crops) - 1)
    light = 1 + 0.10 * smooth_noise(rng, side, (2 * metre + 1, 3 * metre + 1))
    light += 0.05 * smooth_noise(rng, side, (0.2 * metre + 1, 0.2 * metre + 1))
    coarse = crops[kind] * light[:, :, None]
    ground = np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)
    ground *= 1 + (rng.random((_SIDE, _SIDE, 1), dtype=np.float32) - 0.5) * np.float32(0.10)
    canvas: Frame = np.clip(ground, 0, 255).astype(np.uint8)
    everywhere = (0.0, float(_SIDE))
    half = _ROAD_M / 2 * metre
    for rows in ((0.0, half), (_SIDE - half, float(_SIDE))):
        paint(canvas, rows, everywhere, (92, 92, 94), 0.96)
    for start in np.arange(0, _SIDE, 9 * metre):
        paint(canvas, (0, 0.15 * metre), (start, start + 3 * metre), (214, 214, 206), 0.9)
    _houses(canvas, rng, metre)
    return canvas


def _houses(canvas: Frame, rng: np.random.Generator, metre: float) -> None:
    """Roofs with the shadow that they cast, on both sides of the road."""
    roofs = ((150, 148, 144), (116, 84, 66), (78, 82, 90))
    for _ in range(24):
        across = rng.uniform(8, 26) * metre
        top = across if rng.random() < 0.5 else _SIDE - across - 9 * metre
        left, deep, wide = rng.uniform(0, _SIDE), rng.uniform(6, 9) * metre, rng.uniform(8, 14) * metre
        paint(
            canvas,
            (top + 2 * metre, top + deep + 2 * metre),
            (left + metre, left + wide + metre),
            (30, 34, 30),
            0.6,
        )
        paint(canvas, (top, top + deep), (left, left + wide), roofs[rng.integers(len(roofs))])
        paint(canvas, (top, top + deep / 2), (left, left + wide), (235, 235, 230), 0.12)
