"""The spread that was asked for is the spread that comes out; seeds are fixed, so these cannot fail by chance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from benchkit.load.gamma import Gamma
from benchkit.load.mmpp import Mmpp
from benchkit.load.poisson import Poisson
from benchkit.load.ramp import Ramp

DURATION_S = 20.0
Counts = npt.NDArray[np.int64]


def circle_cv(offsets: Counts, duration_s: float) -> float:
    """CV of the gaps, the one over the block's ends included."""
    gaps = np.diff(offsets, append=offsets[0] + round(duration_s * 1e9))
    return float(gaps.std() / gaps.mean())


@pytest.mark.parametrize("cv", [0.1, 0.5, 1.0, 2.0, 4.0])
def test_gamma_has_its_coefficient_of_variation(cv: float) -> None:
    found = [
        circle_cv(Gamma(rate=1000, cv=cv).offsets_ns(DURATION_S, seed), DURATION_S) for seed in range(10)
    ]
    assert np.mean(found) == pytest.approx(cv, rel=0.02)


@pytest.mark.parametrize(("cv", "count"), [(1.0, 10), (3.0, 20), (10.0, 100)])
def test_a_short_block_narrows_the_spread_as_documented(cv: float, count: int) -> None:
    """cv * sqrt((n - 1) / (n + cv^2)): the mean of the squares is exact, gaps of a block have a fixed sum."""
    squares = [circle_cv(Gamma(rate=count, cv=cv).offsets_ns(1, seed), 1) ** 2 for seed in range(3000)]
    assert np.mean(squares) == pytest.approx(cv**2 * (count - 1) / (count + cv**2), rel=0.04)


def test_gamma_of_one_is_poisson() -> None:
    """Counts in windows have the mean for variance, as Poisson's do."""
    gamma = dispersion(Gamma(rate=1000, cv=1).offsets_ns(DURATION_S, 3), 10_000_000)
    poisson = dispersion(Poisson(rate=1000).offsets_ns(DURATION_S, 3), 10_000_000)
    assert gamma == pytest.approx(1, abs=0.1)
    assert poisson == pytest.approx(1, abs=0.1)


def dispersion(offsets: Counts, window_ns: int, duration_s: float = DURATION_S) -> float:
    """Index of dispersion of the counts in windows: variance over mean, 1 for Poisson."""
    counts = np.bincount(offsets // window_ns, minlength=round(duration_s * 1e9) // window_ns)
    return float(counts.var() / counts.mean())


MMPP = Mmpp(quiet_rate=50, burst_rate=1000, quiet_dwell=0.4, burst_dwell=0.1)


def expected_dispersion(mmpp: Mmpp, window_s: float) -> float:
    """Fischer and Meier-Hellstern, "The MMPP cookbook", Performance Evaluation 18 (1993), 149-171."""
    leave_quiet, leave_burst = 1 / mmpp.quiet_dwell, 1 / mmpp.burst_dwell
    both = leave_quiet + leave_burst
    swing = 2 * leave_quiet * leave_burst * (mmpp.burst_rate - mmpp.quiet_rate) ** 2
    excess = swing / (both**2 * (mmpp.quiet_rate * leave_burst + mmpp.burst_rate * leave_quiet))
    return 1 + excess * (1 - (1 - np.exp(-both * window_s)) / (both * window_s))


@pytest.mark.parametrize("window_s", [0.02, 0.1, 0.5])
def test_mmpp_is_as_bursty_as_theory_says(window_s: float) -> None:
    found = [dispersion(MMPP.offsets_ns(DURATION_S, seed), round(window_s * 1e9)) for seed in range(60)]
    assert np.mean(found) == pytest.approx(expected_dispersion(MMPP, window_s), rel=0.1)
    assert np.min(found) > 3  # Poisson's is 1


@pytest.mark.parametrize("duration_s", [0.2, 1.0, 20.0])
def test_mmpp_spends_the_stationary_share_in_bursts(duration_s: float) -> None:
    shares = []
    count = round(MMPP.rate_per_s * duration_s)
    for seed in range(300):
        course = MMPP.course(duration_s, count, np.random.default_rng(seed))
        assert course.edges_s[0] == 0
        assert course.edges_s[-1] == duration_s
        assert (np.diff(course.edges_s) >= 0).all()
        # One switch more where the block's end meets its start.
        assert (course.burst[1:] == course.burst[:-1]).sum() <= 1
        shares.append(np.diff(course.edges_s)[course.burst].sum() / duration_s)
    assert np.mean(shares) == pytest.approx(MMPP.burst_share, rel=0.1)


def test_mmpp_keeps_its_rate_within_a_state() -> None:
    """Not the count alone is right: a burst runs at the burst's rate, and what is between at the other."""
    found: dict[bool, list[float]] = {True: [0, 0], False: [0, 0]}
    for seed in range(40):
        generator = np.random.default_rng(seed)
        course = MMPP.course(DURATION_S, round(MMPP.rate_per_s * DURATION_S), generator)
        counts, _ = np.histogram(MMPP.offsets_ns(DURATION_S, seed) / 1e9, course.edges_s)
        for burst, each in found.items():
            each[0] += counts[course.burst == burst].sum()
            each[1] += np.diff(course.edges_s)[course.burst == burst].sum()
    assert found[True][0] / found[True][1] == pytest.approx(MMPP.burst_rate, rel=0.03)
    assert found[False][0] / found[False][1] == pytest.approx(MMPP.quiet_rate, rel=0.03)


def test_mmpp_of_silence_sends_in_bursts_only() -> None:
    mmpp = Mmpp(quiet_rate=0, burst_rate=1000, quiet_dwell=0.5, burst_dwell=0.1)
    gaps = np.diff(mmpp.offsets_ns(60, 4))
    assert gaps.max() > 500_000_000
    assert np.median(gaps) < 2_000_000


def test_mmpp_of_equal_rates_is_poisson() -> None:
    mmpp = Mmpp(quiet_rate=500, burst_rate=500, quiet_dwell=0.5, burst_dwell=0.1)
    assert dispersion(mmpp.offsets_ns(DURATION_S, 3), 20_000_000) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("start", "end"), [(0, 1000), (1000, 0), (200, 800), (500, 500)])
@pytest.mark.parametrize("spacing", ["constant", "poisson"])
def test_a_ramp_follows_its_line(start: float, end: float, spacing: str) -> None:
    """Its cumulative count is the area under the line, everywhere in the block."""
    ramp = Ramp.model_validate({"from_rate": start, "to_rate": end, "spacing": spacing})
    offsets = ramp.offsets_ns(10, 5)
    at_s = np.linspace(0.5, 10, 20)
    area = start * at_s + (end - start) * at_s**2 / 20
    counted = np.searchsorted(offsets, at_s * 1e9)
    # Constant: the first of it is due at once. Poisson: three standard deviations of a bridge of 5,000 points.
    off = 1.001 if spacing == "constant" else 3 * 0.5 * 5000**0.5
    assert np.abs(counted - area).max() <= off


def test_a_level_ramp_is_constant() -> None:
    ramp = Ramp(from_rate=40, to_rate=40).offsets_ns(2.01, 0)
    assert ramp.tolist() == [25_000_000 * i for i in range(80)]
