"""The ground station: what it sees, what it knows that it cannot see, and how far packets stand from frames."""

from __future__ import annotations

from functools import cache
from itertools import islice
from math import cos, radians, sin, tan

import numpy as np
import pytest

from benchkit.errors import InputMismatch
from benchkit.klv import parse
from benchkit.sources._flight import Flight
from benchkit.sources.base import Item
from benchkit.sources.drone import Drone
from benchkit.stages.video import Video
from benchkit.tensors.message import Message
from benchkit.testing import check_stage

GOP = 10
SIZE = (320, 180)


@cache
def items(encoding: str = "h264") -> list[Item]:
    source = Drone(size=SIZE, gop=GOP, distinct=30, bitrate="800kbit/s", encoding=encoding)
    return list(islice(source.items(5), 30))


def messages(
    numbers: list[int] | range, encoding: str = "h264", metadata: bytes | None = None
) -> list[Message]:
    """Numbers beyond the last begin again, as a source that repeats its messages does."""
    found = [(number, items(encoding)[number % 30]) for number in numbers]
    return [Message(n, i.arrays, i.metadata if metadata is None else metadata) for n, i in found]


def verdicts(numbers: list[int] | range, encoding: str = "h264") -> np.ndarray:
    return np.array([reply["verdict"] for reply in Video().open(0).run(messages(numbers, encoding))])


def expected_pixel(item: Item) -> tuple[float, float]:
    """Where the car must stand in the picture, by the packet's attitude and place alone."""
    rng = np.random.default_rng([5, 0xD20])
    flight = Flight.drawn(rng)
    told = parse(item.metadata).values()
    along, across = item.truth["car_m"]
    course = radians(flight.course_deg)
    north, east = along * cos(course) - across * sin(course), along * sin(course) + across * cos(course)
    metre = 6_371_008.8 * radians(1)
    north -= (told[13] - flight.home.latitude_deg) * metre
    east -= (told[14] - flight.home.longitude_deg) * metre * cos(radians(flight.home.latitude_deg))
    heading, down = radians(told[5]), radians(-(told[19] + told[6]))
    forward, right = north * cos(heading) + east * sin(heading), east * cos(heading) - north * sin(heading)
    height = told[15] - told[25]
    depth = forward * cos(down) + height * sin(down)
    focal = SIZE[0] / 2 / tan(radians(told[16] / 2))
    column = (SIZE[0] - 1) / 2 + focal * right / depth
    row = (SIZE[1] - 1) / 2 + focal * (height * cos(down) - forward * sin(down)) / depth
    return column, row


@pytest.mark.parametrize("encoding", ["h264", "raw"])
def test_the_car_is_found_where_the_packets_say_that_the_camera_looks(encoding: str) -> None:
    found = verdicts(range(30), encoding)
    assert (found[:, 0] == 1).all()
    wanted = np.array([expected_pixel(item) for item in items(encoding)])
    # Half a metre on the ground is a pixel, and the packet's places are exact to a decimetre or two.
    assert np.abs(found[:, 1:3] - wanted).max() < 4
    assert np.allclose(found[:, 3], [parse(item.metadata).value(23) for item in items(encoding)])


def test_after_a_gap_nothing_is_made_up_before_the_next_i_frame() -> None:
    kept = [n for n in range(30) if n not in (4, 17, 18)]
    seen = dict(zip(kept, ~np.isnan(verdicts(kept)[:, 0]), strict=True))
    assert [n for n in kept if not seen[n]] == [5, 6, 7, 8, 9, 19]
    stage = Video().open(0)
    stage.run(messages(kept))
    told = stage.told()
    assert (told["frames_decoded"], told["frames_undecodable"]) == (21, 6)


def test_a_lost_i_frame_costs_its_group_and_a_double_frame_itself_alone() -> None:
    assert np.isnan(verdicts([9, *range(11, 22)])[:, 0]).tolist() == [True] * 10 + [False] * 2
    seen = ~np.isnan(verdicts([*range(14), 12, 0, 14, 15])[:, 0])
    assert seen.tolist() == [True] * 14 + [False] * 2 + [True] * 2


def test_what_comes_late_is_made_up_for_and_the_pictures_are_the_same() -> None:
    straight = verdicts(range(30))
    for order in (
        [0, 1, 2, 4, 5, 3, *range(6, 30)],
        [1, 0, *range(2, 30)],
        [0, 1, 3, 4, 2, 2, *range(5, 30)],
    ):
        mixed = verdicts(order)
        early = np.isnan(mixed[:, 0])
        assert early.sum() <= 3
        assert np.array_equal(mixed[~early], straight[np.array(order)[~early]])
    # Half a second later the missing frame is of no use any more.
    far = [0, 1, *range(3, 10), *range(11, 21), 2]
    assert np.isnan(verdicts(far)[:, 0]).tolist() == [False] * 2 + [True] * 16 + [False] + [True]


def test_numbers_go_on_from_block_to_block_and_begin_anew_with_a_cell() -> None:
    stage = Video().open(0)
    stage.run(messages(range(25)))
    # The next block begins with the source's first frame, the next cell with its first number as well.
    for first in (25, 0):
        replies = stage.run([Message(first + n, i.arrays, i.metadata) for n, i in enumerate(items()[:12])])
        assert not any(np.isnan(reply["verdict"][0]) for reply in replies)


def test_damaged_frames_and_packets_are_counted_and_stop_nothing() -> None:
    stage = Video().open(0)
    broken = bytearray(items()[0].metadata)
    broken[-1] ^= 1
    stage.run([Message(0, items()[0].arrays, bytes(broken)), Message(1, items()[1].arrays, b"")])
    noise = np.random.default_rng(0).integers(0, 256, 900, dtype=np.uint8)
    junk = {"frame": noise, "capture_us": np.zeros(1, np.int64)}
    stage.run([Message(2, junk), Message(3, {**junk, "frame": noise[:0]})])
    told = stage.told()
    assert (told["klv_bad"], told["klv_lost"], told["frames_decoded"], told["frames_undecodable"]) == (
        1,
        3,
        2,
        2,
    )


def test_what_is_told_is_of_one_block() -> None:
    stage = Video().open(0)
    stage.run(messages(range(30)))
    assert stage.told()["skew_us"] == {"count": 30, "min": 0, "p50": 0.0, "p90": 0.0, "p99": 0.0, "max": 0}
    assert stage.told() == {"frames_decoded": 0, "frames_undecodable": 0, "klv_lost": 0, "klv_bad": 0}


def test_a_message_without_a_frame_is_refused_with_the_remedy() -> None:
    with pytest.raises(InputMismatch, match="no frame with its time") as caught:
        Video().open(0).run([Message(0, {"image": np.zeros((4, 4, 3), np.uint8)})])
    assert "drone" in caught.value.remedy


def test_it_keeps_what_a_stage_promises() -> None:
    check_stage(Video(), messages(range(3)))
