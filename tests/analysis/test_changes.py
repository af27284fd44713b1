"""Change points against planted levels, and against series that never change."""

import sys

import numpy as np
import pytest

from benchkit.analysis import changes
from benchkit.errors import MissingLibrary


def series(levels: list[tuple[int, float]], noise: float = 0.05, seed: int = 1) -> list[float]:
    """p50 of consecutive runs: so many at each level, with lognormal noise."""
    random = np.random.default_rng(seed)
    return [
        float(level * np.exp(noise * random.standard_normal())) for many, level in levels for _ in range(many)
    ]


def test_without_the_library_the_error_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ruptures", None)
    with pytest.raises(MissingLibrary, match=r"benchkit\[history\]"):
        changes.change_points([1.0] * 20)


class TestFound:
    @pytest.fixture(autouse=True)
    def library(self) -> None:
        pytest.importorskip("ruptures", reason="pip install 'benchkit[history]'")

    @pytest.mark.parametrize(
        ("levels", "places"),
        [
            ([(20, 1000.0), (12, 1300.0)], [20]),
            ([(9, 1000.0), (3, 1500.0)], [9]),
            ([(15, 1000.0), (15, 800.0), (15, 1000.0)], [15, 30]),
            ([(12, 1000.0), (5, 1300.0), (20, 1000.0)], [12, 17]),
        ],
    )
    def test_levels_are_found_where_they_begin(
        self, levels: list[tuple[int, float]], places: list[int]
    ) -> None:
        found = changes.change_points(series(levels))
        assert len(found) == len(places)
        assert all(abs(at - place) <= 1 for at, place in zip(found, places, strict=True))

    def test_a_scale_does_not_matter_and_the_same_values_give_the_same_answer(self) -> None:
        values = series([(20, 1000.0), (12, 1300.0)])
        assert changes.change_points(values) == changes.change_points([each * 1e4 for each in values])
        assert changes.change_points(values) == changes.change_points(values)

    def test_one_slow_run_is_no_level(self) -> None:
        values = series([(30, 1000.0)])
        values[17] *= 8
        assert changes.change_points(values) == ()

    def test_too_few_runs_and_equal_runs_have_none(self) -> None:
        assert changes.change_points(series([(5, 1000.0), (changes.FEWEST_RUNS - 6, 9000.0)], 0.0)) == ()
        assert changes.change_points([1000.0] * 40) == ()
        assert changes.change_points([]) == ()

    def test_series_that_never_change_seldom_show_a_change(self) -> None:
        """At most two in a hundred; of 200 more than 12 would be a one in a thousand chance."""
        found = [changes.change_points(series([(20, 1000.0)], 0.1, seed)) for seed in range(200)]
        assert sum(map(bool, found)) <= 12
