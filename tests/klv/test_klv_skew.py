"""Skew of frames and packets: what was injected is found, whatever is lost or jitters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.klv.skew import pair

BEGAN_US = 1_700_000_000_000_000
INTERVAL_US = 33_333


def frames(count: int = 900) -> np.ndarray:
    return BEGAN_US + np.arange(count, dtype=np.int64) * INTERVAL_US


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("injected_us", [200_000, -200_000, 0, 40_000, 1_234_567])
def test_an_injected_skew_is_found_within_5_ms_through_loss_and_jitter(injected_us, seed):
    """30 s of 30 frames/s; 10% of the packets lost; frames and packets arrive with jitter of 15 and 25 ms."""
    rng = np.random.default_rng(seed)
    taken = frames()
    shown = taken + 80_000 + rng.exponential(15_000, len(taken)).astype(np.int64)
    kept = np.flatnonzero(rng.random(len(taken)) >= 0.1)
    told = taken[kept] + rng.integers(-2000, 2000, len(kept))  # a sensor's clock of its own
    came = shown[kept] + injected_us + rng.normal(0, 25_000, len(kept)).astype(np.int64)
    order = rng.permutation(len(kept)) if seed % 2 else np.argsort(came)
    skew = pair(taken, shown, told[order], came[order])
    assert abs(skew.median_us - injected_us) < 5000
    assert len(skew.skew_us) == len(kept)
    assert skew.unmatched == 0
    assert skew.lost == kept[-1] - kept[0] + 1 - len(kept)


def test_a_wrong_clock_carried_with_the_right_frame_is_found_too():
    """Packets arrive with their frames but tell of a moment 200 ms earlier: they are late by that."""
    taken = frames()
    shown = taken + 50_000
    skew = pair(taken, shown, taken - 200_000, shown)
    assert abs(skew.median_us - 200_000) < 5000
    assert skew.unmatched == 6  # those that tell of moments before the first frame


def test_pairs_are_told_by_index_and_the_nearest_packet_wins():
    skew = pair([0, 100, 200, 300], [1000, 1100, 1200, 1300], [301, 99, 104, 240, 800], [1, 2, 3, 4, 5])
    assert skew.frame.tolist() == [1, 2, 3]
    assert skew.packet.tolist() == [1, 3, 0]
    assert skew.skew_us.tolist() == [2 - 1100, 4 - 1200, 1 - 1300]
    assert (skew.lost, skew.unmatched) == (0, 2)


def test_frames_in_another_order_are_the_same_frames():
    rng = np.random.default_rng(3)
    taken = frames(50)
    mixed = rng.permutation(50)
    straight, crooked = (
        pair(taken, taken, taken, taken + 9),
        pair(taken[mixed], taken[mixed], taken, taken + 9),
    )
    assert (straight.skew_us == 9).all()
    assert (crooked.skew_us == 9).all()
    assert (taken[mixed][crooked.frame] == taken[straight.frame]).all()


def test_nothing_to_pair_is_no_skew():
    for skew in (pair([], [], [], []), pair([], [], [1], [1]), pair([1], [1], [], [])):
        assert np.isnan(skew.median_us)
        assert skew.told() == {"klv_lost": 0, "klv_unmatched": skew.unmatched}
    assert pair([5], [7], [900], [8]).skew_us.tolist() == [1]
    assert pair([5], [7], [900], [8], within_us=10).unmatched == 1
    with pytest.raises(ValueError, match="2 times and 1 arrivals"):
        pair([1, 2], [1], [], [])


def test_what_is_told_is_numbers_alone():
    taken = frames(100)
    told = pair(taken, taken, np.delete(taken, [10, 11, 50]), np.delete(taken, [10, 11, 50]) + 7).told()
    assert told["klv_lost"] == 3
    assert told["skew_us"] == {"count": 97, "min": 7, "p50": 7.0, "p90": 7.0, "p99": 7.0, "max": 7}
    assert all(type(each) in {int, float} for each in told["skew_us"].values())


@given(
    st.lists(st.integers(0, 10**6), max_size=30),
    st.lists(st.integers(0, 10**6), max_size=30),
    st.integers(0, 10**5),
)
def test_every_packet_is_paired_once_or_unmatched_and_no_frame_twice(taken, told, within_us):
    skew = pair(taken, taken, told, told, within_us)
    assert len(skew.frame) == len(skew.packet) == len(skew.skew_us) == len(told) - skew.unmatched
    assert len(set(skew.frame.tolist())) == len(skew.frame)
    assert len(set(skew.packet.tolist())) == len(skew.packet)
    assert (np.abs(skew.skew_us) <= within_us).all()
    assert skew.lost >= 0
