"""The drone's video is a real stream of H.264, and its packets tell where its camera looks."""

from __future__ import annotations

from itertools import islice
from math import asin, atan2, cos, degrees, radians, sin, sqrt, tan
from pathlib import Path

import av
import numpy as np
import pytest
from pydantic import ValidationError

from benchkit.klv import parse
from benchkit.scenario import load
from benchkit.sources.base import Item, registry
from benchkit.sources.drone import Drone

GOP = 10
EARTH_M = 6_371_008.8
TINY = {"size": "320x180", "gop": GOP, "distinct": 30, "bitrate": "600kbit/s"}


def made(count: int = 30, seed: int = 3, **options: object) -> list[Item]:
    return list(islice(Drone(**{**TINY, **options}).items(seed), count))


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return made()


def keys(items: list[Item]) -> list[bool]:
    """By libavcodec's own reading of each packet."""
    decoder = av.CodecContext.create("h264", "r")
    pictures = [decoder.decode(av.Packet(item.arrays["frame"].tobytes())) for item in items]
    pictures[-1] += decoder.decode(None)
    return [picture.key_frame for each in pictures for picture in each]


def test_sizes_follow_groups_of_pictures(items: list[Item]) -> None:
    sizes = np.array([item.arrays["frame"].nbytes for item in items])
    key = np.arange(len(items)) % GOP == 0
    assert sizes[key].min() > 2 * np.median(sizes[~key])
    assert keys(items) == key.tolist()


def test_every_packet_is_one_frame_when_it_comes_also_where_the_stream_repeats(items: list[Item]) -> None:
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    for item in items + items:
        (picture,) = decoder.decode(av.Packet(item.arrays["frame"].tobytes()))
        assert (picture.width, picture.height) == (320, 180)


def test_the_bound_of_the_bit_rate_is_kept(items: list[Item]) -> None:
    spent = sum(item.arrays["frame"].nbytes for item in items)
    # A second, and the half second that the encoder may borrow.
    assert spent * 8 < 600_000 * 1.5 * 1.1


def test_intra_only_and_raw() -> None:
    assert all(keys(made(12, gop=1, distinct=12)))
    (raw,) = made(1, encoding="raw", distinct=7)
    assert (raw.arrays["frame"].shape, raw.arrays["frame"].dtype) == ((180, 320, 3), np.uint8)


def test_values_survive_the_packet_within_the_standards_resolution(items: list[Item]) -> None:
    for number, item in enumerate(items):
        packet = parse(item.metadata)
        told = packet.values()
        assert packet.time_us == int(item.arrays["capture_us"][0])
        assert packet.time_us == parse(items[0].metadata).time_us + round(number / 30 * 1e6)
        assert told[65] == 17
        assert -20 < told[6] < 20
        assert abs(told[7]) < 50
        assert packet.pack() == item.metadata


def test_the_frame_centre_is_where_position_attitude_and_height_point(items: list[Item]) -> None:
    """By spherical trigonometry: nothing of the source's own geometry."""
    for item in items:
        told = parse(item.metadata).values()
        height_m = told[15] - told[25]
        # The camera is where the aircraft's pitch and its own elevation put it.
        down = radians(-(told[19] + told[6]))
        ground_m = height_m / tan(down)
        lat1, lon1, lat2, lon2 = (radians(told[tag]) for tag in (13, 14, 23, 24))
        half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
        assert 2 * EARTH_M * asin(sqrt(half)) == pytest.approx(ground_m, abs=0.5)
        bearing = atan2(
            sin(lon2 - lon1) * cos(lat2), cos(lat1) * sin(lat2) - sin(lat1) * cos(lat2) * cos(lon2 - lon1)
        )
        off = (degrees(bearing) - told[5] + 180) % 360 - 180
        assert abs(off) < 0.1
        assert told[21] == pytest.approx(height_m / sin(down), abs=1)


@pytest.mark.parametrize("offset", ["200ms", "-40ms", "0ms"])
def test_packets_are_as_late_as_asked(offset: str) -> None:
    late_us = {"200ms": 200_000, "-40ms": -40_000, "0ms": 0}[offset]
    for item in made(5, klv_offset=offset):
        assert int(item.arrays["capture_us"][0]) - parse(item.metadata).time_us == pytest.approx(
            late_us, abs=1
        )


def test_packets_are_lost_and_jitter_as_asked_and_no_picture_changes(items: list[Item]) -> None:
    pooled = made(30, klv_loss=0.3, klv_jitter="5ms")
    assert 0 < sum(not item.metadata for item in pooled) < 20
    late_us = [int(i.arrays["capture_us"][0]) - parse(i.metadata).time_us for i in pooled if i.metadata]
    assert 1500 < np.std(late_us) < 15_000
    assert [i.arrays["frame"].tobytes() for i in pooled] == [i.arrays["frame"].tobytes() for i in items]


def test_equal_seeds_make_equal_bytes(items: list[Item]) -> None:
    again, other = made(6), made(6, seed=4)
    for item, twin in zip(items, again, strict=False):
        assert item.arrays["frame"].tobytes() == twin.arrays["frame"].tobytes()
        assert item.metadata == twin.metadata
    assert other[0].arrays["frame"].tobytes() != items[0].arrays["frame"].tobytes()


def test_groups_that_would_be_cut_off_where_the_stream_repeats_are_refused() -> None:
    with pytest.raises(ValidationError, match="set distinct: 40"):
        Drone(gop=20, distinct=30)
    with pytest.raises(ValidationError, match="odd"):
        Drone(size="321x180")
    assert Drone(gop=20, distinct=30, encoding="raw").label() == "drone-1280x720-raw"
    assert registry.build({"kind": "drone"}).label() == "drone-1280x720-4Mbit"
    assert Drone(gop=1, bitrate="2.5Mbit/s").label() == "drone-1280x720-2.5Mbit-intra"


def test_the_drones_scenario_compares_ways_and_policies_over_three_links() -> None:
    made = load(Path(__file__).parents[2] / "scenarios" / "drone.yaml")
    assert {cell.link.profile for cell in made.cells if cell.link} == {"5g-good", "5g-edge", "5g-mobile"}
    flows = [cell.flow for cell in made.cells if cell.flow]
    assert {flow.policy for flow in flows} == {"block", "drop-oldest", "latest-only"}
    assert len(flows) == len(made.cells)
    assert all(flow.deadline == 0.2 for flow in flows)
    policies = [cell.group for cell in made.cells if cell.flow and cell.flow.policy == "drop-oldest"]
    # What is dropped is compared within one group, the blocking policy among them.
    assert sum(cell.group == policies[0] for cell in made.cells) == 4
    assert 60 < made.expected_s < 130
