"""Wilcoxon's test against scipy's, and its interval against its own p value."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from benchkit.analysis import signed_rank


@pytest.mark.parametrize("count", [1, 2, 5, 12, 30, 60])
def test_it_is_the_exact_test(count: int) -> None:
    rng = np.random.default_rng(count)
    for _ in range(20):
        values = rng.standard_normal(count) + 0.3
        assert signed_rank.p_value(values) == pytest.approx(wilcoxon(values, method="exact").pvalue)


def test_many_differences_take_the_normal_distribution() -> None:
    values = np.random.default_rng(0).standard_normal(200) + 0.1
    found = wilcoxon(values, method="approx", correction=True).pvalue
    assert signed_rank.p_value(values) == pytest.approx(found, rel=0.01)


@given(st.integers(2, 80), st.floats(-1, 1), st.sampled_from([0.3, 0.05, 0.01, 0.001]), st.integers(0, 1000))
def test_the_interval_excludes_0_where_the_test_claims_a_difference(
    count: int, shift: float, level: float, seed: int
) -> None:
    values = np.random.default_rng(seed).standard_normal(count) + shift
    low, high = signed_rank.interval(values, level)
    assert low <= high
    assert (low > 0 or high < 0) == (signed_rank.p_value(values) <= level)


def test_too_few_differences_bound_nothing() -> None:
    assert signed_rank.interval(np.ones(4), 0.05) == (-math.inf, math.inf)


def test_equal_sides_are_no_difference() -> None:
    assert signed_rank.p_value(np.zeros(20)) == 1.0
    assert signed_rank.p_value(np.array([1.0, -1.0] * 10)) == 1.0


def test_one_far_contrary_difference_in_twelve_does_not_hide_the_others() -> None:
    values = np.full(12, 0.1) + np.arange(12) * 1e-3
    values[3] = -50.0
    assert signed_rank.p_value(values) <= 0.05
    assert signed_rank.bears_a_contrary_one(12, 0.05)
    assert not signed_rank.bears_a_contrary_one(11, 0.05)
