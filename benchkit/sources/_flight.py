"""A drone's flight over flat ground: where it is, how it lies in the air, and what its camera looks at.

Everything is a closed form of the time, so that a packet's values and the picture's geometry agree to the bit.
North, east and height are metres from the place of departure; angles are degrees, headings from north through east.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, degrees, pi, radians, sin, tan
from typing import Final

import numpy as np

EARTH_M: Final = 6_371_008.8
"""Mean radius of WGS 84 (IUGG); over a few hundred metres a sphere is within 0.4% of the ellipsoid."""
_GRAVITY_M_PER_S2: Final = 9.80665
_SPEED_M_PER_S: Final = 15.0
"""Assumed: a multirotor's survey."""
_HEIGHT_M: Final = 120.0
"""The most that the EU's open category allows above ground (Implementing Regulation (EU) 2019/947)."""
_SWAY_M, _SWAY_S = 8.0, 12.0
"""Assumed: how far and how fast it weaves about its course."""
LOOKS_DOWN_DEG: Final = 50.0
"""Assumed: the gimbal holds the camera this far below the horizon, level and straight ahead."""
VIEW_DEG: Final = 40.0
"""Assumed: what the picture's width shows."""


@dataclass(frozen=True, slots=True)
class Pose:
    """The drone at one moment."""

    north_m: float
    east_m: float
    height_m: float
    """Above the ground."""
    heading_deg: float
    """From 0 to 360."""
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True)
class Place:
    """On the earth, with the altitude above mean sea level."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float


@dataclass(frozen=True, slots=True)
class Flight:
    """One flight: a course that it weaves about."""

    home: Place
    """Where it began, on the ground."""
    course_deg: float
    phase: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Flight:
        """Somewhere in the middle latitudes, over flat ground."""
        home = Place(rng.uniform(30, 50), rng.uniform(-120, 140), rng.uniform(20, 400))
        return cls(home, rng.uniform(0, 360), rng.uniform(0, 2 * pi))

    def pose(self, time_s: float) -> Pose:
        """Where it is `time_s` after it began; it leans into its turns as a coordinated turn demands."""
        turn = 2 * pi / _SWAY_S
        angle = turn * time_s + self.phase
        along_m, across_m = _SPEED_M_PER_S * time_s, _SWAY_M * sin(angle)
        sideways = _SWAY_M * turn * cos(angle)
        leaning = -_SWAY_M * turn**2 * sin(angle) / _GRAVITY_M_PER_S2
        course = radians(self.course_deg)
        return Pose(
            north_m=along_m * cos(course) - across_m * sin(course),
            east_m=along_m * sin(course) + across_m * cos(course),
            height_m=_HEIGHT_M + 2 * sin(angle / 3),
            heading_deg=(self.course_deg + degrees(atan2(sideways, _SPEED_M_PER_S))) % 360,
            pitch_deg=-4 + 0.8 * sin(2.3 * angle),
            roll_deg=degrees(atan2(leaning, 1)),
        )

    def place(self, north_m: float, east_m: float, height_m: float) -> Place:
        """A point of the flight's own metres on the earth."""
        latitude = self.home.latitude_deg
        return Place(
            latitude + degrees(north_m / EARTH_M),
            self.home.longitude_deg + degrees(east_m / (EARTH_M * cos(radians(latitude)))),
            self.home.altitude_m + height_m,
        )

    def centre(self, pose: Pose) -> tuple[float, float]:
        """North and east of the point on the ground in the middle of the picture, in metres."""
        ahead_m = pose.height_m / tan(radians(LOOKS_DOWN_DEG))
        heading = radians(pose.heading_deg)
        return pose.north_m + ahead_m * cos(heading), pose.east_m + ahead_m * sin(heading)

    def on_course(self, north_m: float, east_m: float) -> tuple[float, float]:
        """The same point along the course and to the right of it, in metres."""
        course = radians(self.course_deg)
        return (
            north_m * cos(course) + east_m * sin(course),
            east_m * cos(course) - north_m * sin(course),
        )
