"""Rate, cv and peak that were asked for are those that come out; seeds are fixed, so nothing fails by chance."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchkit.load.bursty import Bursty
from benchkit.load.mmpp import Mmpp
from benchkit.load.trace import Trace

TRACES = Path(__file__).parents[2] / "scenarios" / "traces"
RATES = st.floats(0.5, 2000)
CVS = st.floats(1.05, 8)
PEAKS = st.floats(1.2, 20)
BURSTS = st.floats(0.05, 30)


def gap_cv(process: Mmpp) -> float:
    """From the moments of the phase-type gap itself, by linear algebra; no closed form is used.

    Gap after an arrival: states left with D0, arrivals D1; the state that an arrival finds is stationary for
    (-D0)^-1 D1; E[X^n] = n! p (-D0)^-n 1 (Neuts, Matrix-Geometric Solutions, 1981).
    """
    u, v = 1 / process.burst_dwell, 1 / process.quiet_dwell
    a, b = process.burst_rate, process.quiet_rate
    inverse = np.linalg.inv(-np.array([[-(u + a), u], [v, -(v + b)]]))
    found = inverse @ np.diag([a, b])
    values, vectors = np.linalg.eig(found.T)
    state = np.real(vectors[:, np.argmax(np.real(values))])
    state = state / state.sum()
    mean = float((state @ inverse).sum())
    square = 2 * float((state @ inverse @ inverse).sum())
    return math.sqrt(square / mean**2 - 1)


def possible(**options: float) -> Bursty:
    try:
        return Bursty(**options)
    except ValidationError:
        assume(False)
        raise AssertionError from None


@given(RATES, CVS, PEAKS, BURSTS)
def test_the_process_has_exactly_what_was_asked(rate: float, cv: float, peak: float, burst: float) -> None:
    process = possible(rate=rate, cv=cv, peak_to_mean=peak, burst=burst).process
    assert process.rate_per_s == pytest.approx(rate, rel=1e-6)
    assert process.burst_rate == pytest.approx(rate * peak, rel=1e-9)
    assert process.burst_dwell == burst
    assert gap_cv(process) == pytest.approx(cv, rel=1e-3)


@given(RATES, PEAKS, st.floats(0.01, 5))
def test_the_refusal_names_the_cv_that_is_possible(rate: float, peak: float, burst: float) -> None:
    beyond = math.sqrt(1 + 2 * rate * peak * burst * (1 - 1 / peak) ** 2) * 1.01
    assume(1.01 < beyond <= 100)
    with pytest.raises(ValidationError) as caught:
        Bursty(rate=rate, cv=beyond, peak_to_mean=peak, burst=burst)
    most = float(str(caught.value).partition("to a cv of ")[2].split()[0])
    assume(most > 1)
    assert Bursty(rate=rate, cv=most, peak_to_mean=peak, burst=burst).burst_share <= 1 / peak


@pytest.mark.parametrize(("cv", "peak"), [(1.5, 2.0), (2.5, 4.0), (4.0, 8.0)])
def test_schedules_have_the_rate_the_cv_and_the_peak(cv: float, peak: float) -> None:
    load, duration_s = Bursty(rate=40, cv=cv, peak_to_mean=peak, burst=1.0), 200.0
    squares, rates = [], []
    for seed in range(24):
        offsets = load.offsets_ns(duration_s, seed)
        assert len(offsets) == 8000
        assert (np.diff(offsets) >= 0).all()
        gaps = np.diff(offsets)
        squares.append((gaps.std() / gaps.mean()) ** 2)
        # The course of the states is what the same seed drew first.
        course = load.process.course(duration_s, len(offsets), np.random.default_rng(seed))
        at = np.searchsorted(course.edges_s[1:-1], offsets / 1e9, side="right")
        rates.append(course.burst[at].sum() / np.diff(course.edges_s)[course.burst].sum())
    error = 4 * np.std(squares) / math.sqrt(len(squares))
    assert np.mean(squares) == pytest.approx(cv**2, abs=error + 0.02 * cv**2)
    assert np.mean(rates) / 40 == pytest.approx(peak, rel=0.05)


def test_equal_seeds_make_equal_schedules() -> None:
    load = Bursty(rate=40, cv=2, peak_to_mean=4, burst=1.0)
    assert (load.offsets_ns(3, 7) == load.offsets_ns(3, 7)).all()
    assert len(load.offsets_ns(3, 8)) == 120
    assert load.label() == "bursty-40-per-s-cv-2-peak-4"
    assert load.most_messages(3) == 120


def test_a_cv_of_one_has_no_bursts() -> None:
    with pytest.raises(ValidationError, match="greater than 1"):
        Bursty(rate=10, cv=1, peak_to_mean=4, burst=1.0)


def test_the_bundled_trace_has_the_figures_of_its_readme() -> None:
    path = TRACES / "inference-bursts.csv"
    assert path.stat().st_size < 100_000
    assert len(Trace(path=path, rate=12).offsets_ns(10, 0)) == 120
    moments = np.loadtxt(path, skiprows=1)
    gaps = np.diff(moments)
    assert len(moments) == 5976
    assert len(gaps) / (moments[-1] - moments[0]) == pytest.approx(8.30, abs=0.03)
    assert gaps.std() / gaps.mean() == pytest.approx(2.96, abs=0.01)
    counts = np.bincount((moments // 10).astype(int))[:-1]
    assert counts.max() / counts.mean() == pytest.approx(2.95, abs=0.05)
