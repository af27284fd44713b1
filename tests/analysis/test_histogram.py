"""Percentiles beyond the memory bound: within the stated error of the exact ones, merged or not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from synthetic import block_samples

from benchkit.analysis import pools
from benchkit.analysis.histogram import RELATIVE_ERROR, Histogram
from benchkit.analysis.measure import measure
from benchkit.analysis.pools import Distribution, Exact
from benchkit.analysis.quantiles import quantiles
from benchkit.records.samples import Samples

DURATIONS = arrays.arrays(
    np.int64,
    st.integers(1, 400),
    elements=st.one_of(st.integers(0, 100), st.integers(0, 10**6), st.integers(0, 10**14)),
)


def exact(values: np.ndarray) -> Distribution:
    made = Exact(len(values))
    made.add(values)
    return made.describe()


def within(found: Distribution, truth: Distribution) -> bool:
    """Every percentile is within the error of the exact one; what is counted and added up is exact."""
    return (
        (found.count, found.max_ns) == (truth.count, truth.max_ns)
        and found.mean_ns == pytest.approx(truth.mean_ns, rel=1e-12)
        and all(
            mine is None if true is None else abs(mine - true) <= RELATIVE_ERROR * true * (1 + 1e-9) + 0.5
            for mine, true in zip(found.quantiles_ns.values(), truth.quantiles_ns.values(), strict=True)
        )
    )


@given(DURATIONS)
def test_percentiles_are_within_the_stated_error(values: np.ndarray) -> None:
    made = Histogram()
    made.add(values)
    assert within(made.describe(), exact(values))
    assert made.describe().error == RELATIVE_ERROR


@given(DURATIONS, st.integers(0, 400), st.integers(0, 400))
def test_merged_histograms_are_the_histogram_of_all(values: np.ndarray, one: int, other: int) -> None:
    together, merged = Histogram(), Histogram()
    together.add(values)
    for part in np.split(values, sorted((min(one, len(values)), min(other, len(values))))):
        own = Histogram()
        own.add(part)
        merged.merge(own)
    assert merged.describe() == together.describe()


@given(DURATIONS)
def test_what_is_kept_is_exact_however_large(values: np.ndarray) -> None:
    found = exact(values)
    assert found.quantiles_ns == quantiles(values)
    assert (found.max_ns, found.error) == (values.max(), 0.0)
    assert found.mean_ns == pytest.approx(float(values.mean()))


@settings(max_examples=20)
@given(st.lists(st.integers(-5, 2**33), min_size=1, max_size=50), st.integers(1, 7))
def test_a_late_large_value_spoils_none_before_it(values: list[int], size: int) -> None:
    made = Exact(len(values))
    for at in range(0, len(values), size):
        made.add(np.array(values[at : at + size], np.int64))
    assert made.values.tolist() == values


def cell(blocks: int, count: int) -> Samples:
    rng = np.random.default_rng(3)
    phases = {"queue": 3000.0, "compute": 500.0, "send": 20.0}
    return np.concatenate(
        [
            block_samples(rng, index, count=count, warmup=5, phase_us=phases, noise=0.6)
            for index in range(blocks)
        ]
    )


@pytest.mark.parametrize(("blocks", "count"), [(5, 900), (40, 150), (2, 3000)], ids=["few", "many", "two"])
def test_a_cell_beyond_the_bound_says_the_same_within_its_error(
    blocks: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = cell(blocks, count)
    truth = measure(samples)
    monkeypatch.setattr(pools, "EXACT_MESSAGES", 100)
    found = measure(samples)
    assert (truth.latency.error, found.latency.error) == (0.0, RELATIVE_ERROR)
    for name in ("latency", "service"):
        assert within(getattr(found, name), getattr(truth, name))
    assert all(within(found.phases[name], truth.phases[name]) for name in truth.phases)
    assert within(found.pace.lateness, truth.pace.lateness)
    assert found.blocks == truth.blocks, "blocks are exact"
    assert within(found.moved, truth.moved)
    left_out = {"latency", "service", "phases", "moved", "pace", "p50_ci_ns", "p99_ci_ns"}
    for field in {each.name for each in dataclasses.fields(truth)} - left_out:
        assert getattr(found, field) == getattr(truth, field)
    assert truth.p50_ci_ns and found.p50_ci_ns
    assert found.p50_ci_ns[0] <= found.latency.quantiles_ns["p50"] <= found.p50_ci_ns[1]  # type: ignore[operator]
    if count > 459:
        assert found.p50_ci_ns == pytest.approx(truth.p50_ci_ns, rel=2 * RELATIVE_ERROR)
