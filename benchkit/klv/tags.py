"""The items of MISB ST 0601: number, name, units and encoding of every tag that the standard names.

Numbers, names, ranges and sizes are those of MISB ST 0601.17, section 8, checked against the worked example that the
standard gives for an item (tests/klv/test_tags.py). A tag that is not here is carried untouched, as bytes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from benchkit.klv.encodings import Encoding, Imapb, Raw, Text, Whole, mapped, symmetric

CHECKSUM: Final = 1
PRECISION_TIME_STAMP: Final = 2
VERSION: Final = 65


class Tag(NamedTuple):
    """One item of the standard; `units` is empty for what has none."""

    number: int
    name: str
    units: str
    encoding: Encoding


RAW: Final = Raw()
_TEXT: Final = Text()
_U8, _U16 = Whole(1), Whole(2)
_UINT, _INT = Whole(0, most_bytes=4), Whole(0, signed=True, most_bytes=4)
_LATITUDE, _LONGITUDE = symmetric(4, 90), symmetric(4, 180)
_ALTITUDE: Final = mapped(2, -900, 19_000)
_ALTITUDE_EXTENDED: Final = Imapb(-900, 40_000, 3)
_CORNER_OFFSET: Final = symmetric(2, 0.075)
_TURN: Final = mapped(2, 0, 360)
_TURN_FINE: Final = mapped(4, 0, 360)
_SIDEWAYS: Final = symmetric(2, 20)
_SIDEWAYS_FULL: Final = symmetric(4, 90)
_PRESSURE: Final = mapped(2, 0, 5000)
_RANGE: Final = mapped(4, 0, 5_000_000)
_RATE: Final = Imapb(-1000, 1000, 3)
_PERCENT: Final = Imapb(0, 100, 2)

_ITEMS: Final = (
    Tag(CHECKSUM, "Checksum", "", _U16),
    Tag(PRECISION_TIME_STAMP, "Precision Time Stamp", "us", Whole(8)),
    Tag(3, "Mission ID", "", _TEXT),
    Tag(4, "Platform Tail Number", "", _TEXT),
    Tag(5, "Platform Heading Angle", "deg", _TURN),
    Tag(6, "Platform Pitch Angle", "deg", _SIDEWAYS),
    Tag(7, "Platform Roll Angle", "deg", symmetric(2, 50)),
    Tag(8, "Platform True Airspeed", "m/s", _U8),
    Tag(9, "Platform Indicated Airspeed", "m/s", _U8),
    Tag(10, "Platform Designation", "", _TEXT),
    Tag(11, "Image Source Sensor", "", _TEXT),
    Tag(12, "Image Coordinate System", "", _TEXT),
    Tag(13, "Sensor Latitude", "deg", _LATITUDE),
    Tag(14, "Sensor Longitude", "deg", _LONGITUDE),
    Tag(15, "Sensor True Altitude", "m", _ALTITUDE),
    Tag(16, "Sensor Horizontal Field of View", "deg", mapped(2, 0, 180)),
    Tag(17, "Sensor Vertical Field of View", "deg", mapped(2, 0, 180)),
    Tag(18, "Sensor Relative Azimuth Angle", "deg", _TURN_FINE),
    Tag(19, "Sensor Relative Elevation Angle", "deg", symmetric(4, 180)),
    Tag(20, "Sensor Relative Roll Angle", "deg", _TURN_FINE),
    Tag(21, "Slant Range", "m", _RANGE),
    Tag(22, "Target Width", "m", mapped(2, 0, 10_000)),
    Tag(23, "Frame Center Latitude", "deg", _LATITUDE),
    Tag(24, "Frame Center Longitude", "deg", _LONGITUDE),
    Tag(25, "Frame Center Elevation", "m", _ALTITUDE),
    Tag(26, "Offset Corner Latitude Point 1", "deg", _CORNER_OFFSET),
    Tag(27, "Offset Corner Longitude Point 1", "deg", _CORNER_OFFSET),
    Tag(28, "Offset Corner Latitude Point 2", "deg", _CORNER_OFFSET),
    Tag(29, "Offset Corner Longitude Point 2", "deg", _CORNER_OFFSET),
    Tag(30, "Offset Corner Latitude Point 3", "deg", _CORNER_OFFSET),
    Tag(31, "Offset Corner Longitude Point 3", "deg", _CORNER_OFFSET),
    Tag(32, "Offset Corner Latitude Point 4", "deg", _CORNER_OFFSET),
    Tag(33, "Offset Corner Longitude Point 4", "deg", _CORNER_OFFSET),
    Tag(34, "Icing Detected", "", _U8),
    Tag(35, "Wind Direction", "deg", _TURN),
    Tag(36, "Wind Speed", "m/s", mapped(1, 0, 100)),
    Tag(37, "Static Pressure", "mbar", _PRESSURE),
    Tag(38, "Density Altitude", "m", _ALTITUDE),
    Tag(39, "Outside Air Temperature", "degC", Whole(1, signed=True)),
    Tag(40, "Target Location Latitude", "deg", _LATITUDE),
    Tag(41, "Target Location Longitude", "deg", _LONGITUDE),
    Tag(42, "Target Location Elevation", "m", _ALTITUDE),
    Tag(43, "Target Track Gate Width", "px", mapped(1, 0, 510)),
    Tag(44, "Target Track Gate Height", "px", mapped(1, 0, 510)),
    Tag(45, "Target Error Estimate - CE90", "m", mapped(2, 0, 4095)),
    Tag(46, "Target Error Estimate - LE90", "m", mapped(2, 0, 4095)),
    Tag(47, "Generic Flag Data", "", _U8),
    Tag(48, "Security Local Set", "", RAW),
    Tag(49, "Differential Pressure", "mbar", _PRESSURE),
    Tag(50, "Platform Angle of Attack", "deg", _SIDEWAYS),
    Tag(51, "Platform Vertical Speed", "m/s", symmetric(2, 180)),
    Tag(52, "Platform Sideslip Angle", "deg", _SIDEWAYS),
    Tag(53, "Airfield Barometric Pressure", "mbar", _PRESSURE),
    Tag(54, "Airfield Elevation", "m", _ALTITUDE),
    Tag(55, "Relative Humidity", "%", mapped(1, 0, 100)),
    Tag(56, "Platform Ground Speed", "m/s", _U8),
    Tag(57, "Ground Range", "m", _RANGE),
    Tag(58, "Platform Fuel Remaining", "kg", mapped(2, 0, 10_000)),
    Tag(59, "Platform Call Sign", "", _TEXT),
    Tag(60, "Weapon Load", "", _U16),
    Tag(61, "Weapon Fired", "", _U8),
    Tag(62, "Laser PRF Code", "", _U16),
    Tag(63, "Sensor Field of View Name", "", _U8),
    Tag(64, "Platform Magnetic Heading", "deg", _TURN),
    Tag(VERSION, "UAS Datalink LS Version Number", "", _U8),
    Tag(66, "Deprecated", "", RAW),
    Tag(67, "Alternate Platform Latitude", "deg", _LATITUDE),
    Tag(68, "Alternate Platform Longitude", "deg", _LONGITUDE),
    Tag(69, "Alternate Platform Altitude", "m", _ALTITUDE),
    Tag(70, "Alternate Platform Name", "", _TEXT),
    Tag(71, "Alternate Platform Heading", "deg", _TURN),
    Tag(72, "Event Start Time - UTC", "us", Whole(8)),
    Tag(73, "RVT Local Set", "", RAW),
    Tag(74, "VMTI Local Set", "", RAW),
    Tag(75, "Sensor Ellipsoid Height", "m", _ALTITUDE),
    Tag(76, "Alternate Platform Ellipsoid Height", "m", _ALTITUDE),
    Tag(77, "Operational Mode", "", _U8),
    Tag(78, "Frame Center Height Above Ellipsoid", "m", _ALTITUDE),
    Tag(79, "Sensor North Velocity", "m/s", symmetric(2, 327)),
    Tag(80, "Sensor East Velocity", "m/s", symmetric(2, 327)),
    Tag(81, "Image Horizon Pixel Pack", "", RAW),
    Tag(82, "Corner Latitude Point 1 (Full)", "deg", _LATITUDE),
    Tag(83, "Corner Longitude Point 1 (Full)", "deg", _LONGITUDE),
    Tag(84, "Corner Latitude Point 2 (Full)", "deg", _LATITUDE),
    Tag(85, "Corner Longitude Point 2 (Full)", "deg", _LONGITUDE),
    Tag(86, "Corner Latitude Point 3 (Full)", "deg", _LATITUDE),
    Tag(87, "Corner Longitude Point 3 (Full)", "deg", _LONGITUDE),
    Tag(88, "Corner Latitude Point 4 (Full)", "deg", _LATITUDE),
    Tag(89, "Corner Longitude Point 4 (Full)", "deg", _LONGITUDE),
    Tag(90, "Platform Pitch Angle (Full)", "deg", _SIDEWAYS_FULL),
    Tag(91, "Platform Roll Angle (Full)", "deg", _SIDEWAYS_FULL),
    Tag(92, "Platform Angle of Attack (Full)", "deg", _SIDEWAYS_FULL),
    Tag(93, "Platform Sideslip Angle (Full)", "deg", symmetric(4, 180)),
    Tag(94, "MIIS Core Identifier", "", RAW),
    Tag(95, "SAR Motion Imagery Local Set", "", RAW),
    Tag(96, "Target Width Extended", "m", Imapb(0, 1_500_000, 3)),
    Tag(97, "Range Image Local Set", "", RAW),
    Tag(98, "Geo-Registration Local Set", "", RAW),
    Tag(99, "Composite Imaging Local Set", "", RAW),
    Tag(100, "Segment Local Set", "", RAW),
    Tag(101, "Amend Local Set", "", RAW),
    Tag(102, "SDCC-FLP", "", RAW),
    Tag(103, "Density Altitude Extended", "m", _ALTITUDE_EXTENDED),
    Tag(104, "Sensor Ellipsoid Height Extended", "m", _ALTITUDE_EXTENDED),
    Tag(105, "Alternate Platform Ellipsoid Height Extended", "m", _ALTITUDE_EXTENDED),
    Tag(106, "Stream Designator", "", _TEXT),
    Tag(107, "Operational Base", "", _TEXT),
    Tag(108, "Broadcast Source", "", _TEXT),
    Tag(109, "Range To Recovery Location", "km", Imapb(0, 21_000, 3)),
    Tag(110, "Time Airborne", "s", _UINT),
    Tag(111, "Propulsion Unit Speed", "rpm", _UINT),
    Tag(112, "Platform Course Angle", "deg", Imapb(0, 360, 2)),
    Tag(113, "Altitude AGL", "m", _ALTITUDE_EXTENDED),
    Tag(114, "Radar Altimeter", "m", _ALTITUDE_EXTENDED),
    Tag(115, "Control Command", "", RAW),
    Tag(116, "Control Command Verification List", "", RAW),
    Tag(117, "Sensor Azimuth Rate", "deg/s", _RATE),
    Tag(118, "Sensor Elevation Rate", "deg/s", _RATE),
    Tag(119, "Sensor Roll Rate", "deg/s", _RATE),
    Tag(120, "On-board MI Storage Percent Full", "%", _PERCENT),
    Tag(121, "Active Wavelength List", "", RAW),
    Tag(122, "Country Codes", "", RAW),
    Tag(123, "Number of NAVSATs in View", "", _U8),
    Tag(124, "Positioning Method Source", "", _U8),
    Tag(125, "Platform Status", "", _U8),
    Tag(126, "Sensor Control Mode", "", _U8),
    Tag(127, "Sensor Frame Rate Pack", "", RAW),
    Tag(128, "Wavelengths List", "", RAW),
    Tag(129, "Target ID", "", _TEXT),
    Tag(130, "Airbase Locations", "", RAW),
    Tag(131, "Take-off Time", "us", Whole(0)),
    Tag(132, "Transmission Frequency", "MHz", Imapb(1, 99_999, 3)),
    Tag(133, "On-board MI Storage Capacity", "GB", _UINT),
    Tag(134, "Zoom Percentage", "%", _PERCENT),
    Tag(135, "Communications Method", "", _TEXT),
    Tag(136, "Leap Seconds", "s", _INT),
    Tag(137, "Correction Offset", "us", Whole(0, signed=True)),
    Tag(138, "Payload List", "", RAW),
    Tag(139, "Active Payloads", "", RAW),
    Tag(140, "Weapons Stores", "", RAW),
    Tag(141, "Waypoint List", "", RAW),
    Tag(142, "View Domain", "", RAW),
    Tag(143, "Metadata Substream ID Pack", "", RAW),
)

TAGS: Final[dict[int, Tag]] = {tag.number: tag for tag in _ITEMS}
"""Every named tag by its number."""


def tag_name(number: int) -> str:
    """The standard's name of a tag; `tag 200` for one that it does not name."""
    tag = TAGS.get(number)
    return tag.name if tag else f"tag {number}"
