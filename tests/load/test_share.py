"""Shares of one schedule are that schedule, each moment once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.load.poisson import Poisson
from benchkit.load.share import share


@given(st.integers(1, 500), st.integers(1, 40), st.integers(0, 2**32))
def test_shares_are_the_schedule(count: int, producers: int, seed: int) -> None:
    offsets = Poisson(rate=count).offsets_ns(1.0, seed)
    together = np.full(len(offsets), -1, np.int64)
    for producer in range(producers):
        moments = share(offsets, producer, producers)
        assert moments.dtype == np.int64
        assert (np.diff(moments) >= 0).all()
        together[producer + producers * np.arange(len(moments))] = moments
    assert (together == offsets).all()


def test_shares_differ_in_size_by_one_at_most() -> None:
    sizes = [len(share(np.arange(10, dtype=np.int64), producer, 4)) for producer in range(4)]
    assert sizes == [3, 3, 2, 2]


def test_more_producers_than_moments() -> None:
    assert share(np.arange(2, dtype=np.int64), 2, 3).shape == (0,)


@pytest.mark.parametrize(("producer", "producers"), [(0, 0), (0, -1), (-1, 2), (2, 2)])
def test_numbers_that_name_no_producer_are_refused(producer: int, producers: int) -> None:
    with pytest.raises(ValueError, match="producer"):
        share(np.arange(4, dtype=np.int64), producer, producers)
