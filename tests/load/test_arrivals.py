"""Schedules are arithmetic: exact, ascending, reproducible."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchkit.load.base import ClosedArrival, OpenArrival, registry
from benchkit.load.closed import Closed
from benchkit.load.constant import Constant
from benchkit.load.poisson import Poisson

RATES = st.floats(0.001, 50_000, allow_nan=False)
DURATIONS = st.floats(0.001, 0.5, allow_nan=False)


@pytest.mark.parametrize(
    ("rate", "duration_s", "offsets"),
    [
        (1, 3, [0, 1_000_000_000, 2_000_000_000]),
        (3, 1, [0, 333_333_333, 666_666_667]),
        ("90/min", 2, [0, 666_666_667, 1_333_333_333]),
        (7, 0.5, [0, 142_857_143, 285_714_286, 428_571_429]),
        (0.1, 1, [0]),
        (5, 0.0, [0]),
    ],
)
def test_constant_by_table(rate: float, duration_s: float, offsets: list[int]) -> None:
    assert Constant(rate=rate).offsets_ns(duration_s, 0).tolist() == offsets


def test_constant_does_not_drift() -> None:
    """29.97 per second for an hour and more: the last of 110000 messages is exact to half a nanosecond."""
    offsets = Constant(rate=29.97).offsets_ns(110_000 / 29.97, 0)
    assert len(offsets) == 110_000
    assert abs(int(offsets[-1]) - Fraction(109_999 * 10**9 * 100, 2997)) <= Fraction(1, 2)


@given(RATES, DURATIONS)
def test_constant_is_exact(rate: float, duration_s: float) -> None:
    offsets = Constant(rate=rate).offsets_ns(duration_s, 0)
    assert offsets.dtype == np.int64
    assert len(offsets) == max(1, round(rate * duration_s))
    for i in {0, len(offsets) // 2, len(offsets) - 1}:
        error = abs(int(offsets[i]) - Fraction(i * 10**9) / Fraction(rate))
        assert error <= Fraction(1, 2) + Fraction(i * 10**9) / Fraction(rate) / 10**12


def test_constant_beyond_int64_products() -> None:
    """A rate that is no short fraction: products of 64-bit integers would wrap."""
    rate = 12345.678901234567
    offsets = Constant(rate=rate).offsets_ns(1.0, 0)
    assert abs(int(offsets[-1]) - Fraction((len(offsets) - 1) * 10**9) / Fraction(rate)) <= 1
    assert (np.diff(offsets) > 0).all()


@given(RATES, DURATIONS, st.integers(0, 2**63 - 1))
def test_poisson_offers_what_was_asked(rate: float, duration_s: float, seed: int) -> None:
    offsets = Poisson(rate=rate).offsets_ns(duration_s, seed)
    assert len(offsets) == max(1, round(rate * duration_s))
    assert offsets.dtype == np.int64
    assert (np.diff(offsets) >= 0).all()
    assert 0 <= offsets[0] <= offsets[-1] <= duration_s * 1e9 + 1
    assert (offsets == Poisson(rate=rate).offsets_ns(duration_s, seed)).all()


def test_poisson_gaps_are_exponential() -> None:
    """Mean and spread of an exponential are equal; a constant schedule's spread is 0."""
    gaps = np.diff(Poisson(rate=1000).offsets_ns(20, 1))
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.05)
    assert np.exp(-1) == pytest.approx((gaps > gaps.mean()).mean(), abs=0.02)


def test_seeds_differ() -> None:
    assert (Poisson(rate=100).offsets_ns(1, 1) != Poisson(rate=100).offsets_ns(1, 2)).any()


@pytest.mark.parametrize(
    ("arrival", "label"),
    [
        (Constant(rate=60), "60-per-s"),
        (Constant(rate=29.97), "29.97-per-s"),
        (Constant(rate="90/min"), "1.5-per-s"),
        (Constant(rate=1e7), "10000000-per-s"),
        (Constant(rate=1e-9), "1e-09-per-s"),
        (Poisson(rate="1/min"), "poisson-0.016667-per-s"),
        (Closed(in_flight=4), "closed-4"),
        (Closed(in_flight=1, think="2.5ms"), "closed-1-think-2.5ms"),
    ],
)
def test_labels(arrival: OpenArrival | ClosedArrival, label: str) -> None:
    assert arrival.label() == label


def test_closed() -> None:
    closed = Closed(in_flight=3, think="5ms")
    assert (closed.places, closed.think_s) == (3, 0.005)


@pytest.mark.parametrize("rate", [0, -1, "0/s", float("nan"), float("inf")])
def test_impossible_rates_are_refused(rate: object) -> None:
    for cls in (Constant, Poisson):
        with pytest.raises(ValidationError):
            cls.model_validate({"rate": rate})


def test_registered() -> None:
    assert [registry.load(kind) for kind in ("constant", "poisson", "closed")] == [Constant, Poisson, Closed]
    assert registry.build({"kind": "poisson", "rate": "3/s"}) == Poisson(rate=3)
