from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from benchkit.analysis.intervals import order_ranks
from benchkit.analysis.quantiles import DOUBT, PERCENTILES, median, minimum_samples, quantiles, rank


# p99 and p99.9: LoadGen's own table; the others follow from 1 - p to the n <= 0.01.
@pytest.mark.parametrize(
    ("name", "beyond", "least"),
    [("p50", 0, 7), ("p90", 0, 44), ("p99", 0, 459), ("p99", 1, 662), ("p999", 0, 4603)],
)
def test_minimum_samples(name: str, beyond: int, least: int) -> None:
    assert minimum_samples(PERCENTILES[name], beyond) == least


@given(st.sampled_from(sorted(PERCENTILES)), st.integers(0, 20))
def test_the_minimum_is_the_smallest_that_meets_the_bound(name: str, beyond: int) -> None:
    share = PERCENTILES[name]
    least = minimum_samples(share, beyond)
    above = float(1 - share)
    assert binom.cdf(beyond, least, above) <= DOUBT < binom.cdf(beyond, least - 1, above)


@given(st.lists(st.integers(0, 2**62), min_size=7, max_size=600))
def test_a_percentile_is_an_observed_value_with_its_share_at_or_below(values: list[int]) -> None:
    column = np.array(values, np.int64)
    for name, value in quantiles(column).items():
        least = minimum_samples(PERCENTILES[name])
        assert (value is None) == (len(values) < least)
        if value is not None:
            assert value in values
            assert np.count_nonzero(column <= value) >= len(values) * PERCENTILES[name]
            assert np.count_nonzero(column < value) < len(values) * PERCENTILES[name]


def test_ranks_are_exact_where_floats_are_not() -> None:
    assert rank(100, Fraction(7, 100)) == 7  # 100 * 0.07 is 7.000000000000001
    assert rank(1000, Fraction(999, 1000)) == 999
    assert rank(1, Fraction(1, 2)) == 1


def test_the_sample_is_left_as_it_is() -> None:
    column = np.arange(1000, 0, -1)
    quantiles(column)
    assert column[0] == 1000
    assert median(np.array([3, 1, 2])) == 2


@pytest.mark.parametrize("count", [8, 30, 117, 1000, 5000])
@pytest.mark.parametrize("name", ["p50", "p99"])
def test_order_ranks_cover_95_percent_exactly_enough(count: int, name: str) -> None:
    share = PERCENTILES[name]
    ranks = order_ranks(count, share)
    if ranks is None:
        # No sample of this size can bound it: even the largest value is too often below.
        assert binom.cdf(count - 1, count, float(share)) < 0.975
        return
    lower, upper = ranks
    assert binom.cdf(upper - 1, count, float(share)) - binom.cdf(lower - 1, count, float(share)) >= 0.95
