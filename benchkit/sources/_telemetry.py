"""The KLV that goes with a drone's frames: MISB ST 0601 packets whose values follow the flight."""

from __future__ import annotations

from math import atan, degrees, radians, sin, tan
from typing import Final

from benchkit.klv import PRECISION_TIME_STAMP, VERSION, Value, pack
from benchkit.sources._flight import LOOKS_DOWN_DEG, VIEW_DEG, Flight

DEPARTED_US: Final = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z, when every flight begins: equal seeds make equal packets."""
_STANDARD: Final = 17
"""MISB ST 0601.17."""


def values(flight: Flight, time_s: float, aspect: float) -> dict[int, Value]:
    """By tag, in the standard's units, `time_s` after departure; `aspect` is the picture's height by its width.

    Time, attitude (5-7), the sensor's place (13-15), its view and how it sits in the aircraft (16-20), slant range
    and width of what it sees (21, 22), the centre of the frame on the ground (23-25), the edition (65).
    """
    pose = flight.pose(time_s)
    sensor = flight.place(pose.north_m, pose.east_m, pose.height_m)
    centre = flight.place(*flight.centre(pose), 0.0)
    half = radians(VIEW_DEG / 2)
    range_m = pose.height_m / sin(radians(LOOKS_DOWN_DEG))
    return {
        PRECISION_TIME_STAMP: DEPARTED_US + round(time_s * 1e6),
        3: "benchkit",
        5: pose.heading_deg,
        6: pose.pitch_deg,
        7: pose.roll_deg,
        13: sensor.latitude_deg,
        14: sensor.longitude_deg,
        15: sensor.altitude_m,
        16: VIEW_DEG,
        17: 2 * degrees(atan(aspect * tan(half))),
        18: 0.0,
        # The gimbal holds the camera level: it undoes the aircraft's pitch and roll (small angles).
        19: -LOOKS_DOWN_DEG - pose.pitch_deg,
        20: -pose.roll_deg % 360,
        21: range_m,
        22: 2 * range_m * tan(half),
        23: centre.latitude_deg,
        24: centre.longitude_deg,
        25: centre.altitude_m,
        VERSION: _STANDARD,
    }


def packet(flight: Flight, time_s: float, aspect: float) -> bytes:
    """As it is sent, with its checksum."""
    return pack(values(flight, time_s, aspect))
