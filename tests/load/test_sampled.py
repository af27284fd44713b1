"""Every open arrival: ascending whole nanoseconds within the block, the asked number, decided by the seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchkit.load.base import OpenArrival, registry
from benchkit.load.gamma import Gamma
from benchkit.load.mmpp import Mmpp
from benchkit.load.poisson import Poisson
from benchkit.load.ramp import Ramp

RATES = st.floats(0.1, 20_000)
DURATIONS = st.floats(0.001, 2)
SEEDS = st.integers(0, 2**63 - 1)
DWELLS = st.floats(0.001, 100)


@st.composite
def mmpps(draw: st.DrawFn) -> Mmpp:
    quiet, burst = sorted((draw(st.one_of(st.just(0.0), RATES)), draw(RATES)))
    return Mmpp(quiet_rate=quiet, burst_rate=burst, quiet_dwell=draw(DWELLS), burst_dwell=draw(DWELLS))


@st.composite
def ramps(draw: st.DrawFn) -> Ramp:
    ends = draw(st.permutations([draw(st.one_of(st.just(0.0), RATES)), draw(RATES)]))
    return Ramp(from_rate=ends[0], to_rate=ends[1], spacing=draw(st.sampled_from(["constant", "poisson"])))


ARRIVALS = st.one_of(
    st.builds(Gamma, rate=RATES, cv=st.floats(0.01, 100)), mmpps(), ramps(), st.builds(Poisson, rate=RATES)
)


@given(ARRIVALS, DURATIONS, SEEDS)
def test_a_block_has_what_was_asked(arrival: OpenArrival, duration_s: float, seed: int) -> None:
    offsets = arrival.offsets_ns(duration_s, seed)
    assert offsets.dtype == np.int64
    assert arrival.rate_per_s is not None
    assert len(offsets) == max(1, round(arrival.rate_per_s * duration_s)) == arrival.most_messages(duration_s)
    assert (np.diff(offsets) >= 0).all()
    assert 0 <= offsets[0] <= offsets[-1] <= duration_s * 1e9 + 1
    again = registry.build(arrival.config())
    assert isinstance(again, OpenArrival)
    assert (again.offsets_ns(duration_s, seed) == offsets).all()


SOME: list[OpenArrival] = [
    Poisson(rate=100),
    Gamma(rate=100, cv=2),
    Mmpp(quiet_rate=20, burst_rate=400, quiet_dwell=0.4, burst_dwell=0.1),
    Ramp(from_rate=0, to_rate=200, spacing="poisson"),
]


@pytest.mark.parametrize("arrival", SOME, ids=lambda arrival: arrival.kind)
def test_seeds_differ(arrival: OpenArrival) -> None:
    schedules = {arrival.offsets_ns(1, seed).tobytes() for seed in range(50)}
    assert len(schedules) == 50


@pytest.mark.parametrize(
    "arrival",
    [
        Poisson(rate=100),
        Gamma(rate=100, cv=2),
        Gamma(rate=100, cv=10),
        Mmpp(quiet_rate=20, burst_rate=400, quiet_dwell=0.4, burst_dwell=0.1),
        Mmpp(quiet_rate=20, burst_rate=400, quiet_dwell=4, burst_dwell=1),
    ],
    ids=lambda arrival: arrival.label(),
)
def test_no_part_of_a_block_is_busier_than_another(arrival: OpenArrival) -> None:
    """So that cutting the warm-up off leaves the asked rate: 2000 blocks together are flat within chance."""
    blocks = [np.bincount(arrival.offsets_ns(1, seed) // 200_000_001, minlength=5) for seed in range(2000)]
    parts, spread = np.mean(blocks, axis=0), np.std(blocks, axis=0) / 2000**0.5
    assert (np.abs(parts - parts.mean()) < 3 * spread).all(), parts


@pytest.mark.parametrize(
    ("arrival", "label"),
    [
        (Gamma(rate=60, cv=2.5), "gamma-60-per-s-cv-2.5"),
        (
            Mmpp(quiet_rate=20, burst_rate=400, quiet_dwell="800ms", burst_dwell="200ms"),
            "mmpp-96-per-s-burst-400-for-200ms",
        ),
        (Ramp(from_rate=0, to_rate="90/min"), "ramp-0-to-1.5-per-s"),
        (Ramp(from_rate=200, to_rate=10, spacing="poisson"), "ramp-200-to-10-per-s-poisson"),
    ],
)
def test_labels(arrival: OpenArrival, label: str) -> None:
    assert arrival.label() == label


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("gamma", {"rate": 0, "cv": 1}, "rate"),
        ("gamma", {"rate": 1, "cv": -0.5}, "cv"),
        ("gamma", {"rate": 1, "cv": float("nan")}, "cv"),
        ("mmpp", {"quiet_rate": 0, "burst_rate": 0, "quiet_dwell": 1, "burst_dwell": 1}, "burst_rate"),
        ("mmpp", {"quiet_rate": 0, "burst_rate": 9, "quiet_dwell": -1, "burst_dwell": 1}, "quiet_dwell"),
        ("mmpp", {"quiet_rate": 0, "burst_rate": 9, "quiet_dwell": 1, "burst_dwell": 0}, "burst_dwell"),
        ("mmpp", {"quiet_rate": 9, "burst_rate": 1, "quiet_dwell": 1, "burst_dwell": 1}, "swap them"),
        ("ramp", {"from_rate": 0, "to_rate": 0}, "from 0 to 0"),
        ("ramp", {"from_rate": -1, "to_rate": 5}, "from_rate"),
    ],
)
def test_what_cannot_be_is_refused(kind: str, options: dict[str, float], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        registry.load(kind).model_validate(options)
