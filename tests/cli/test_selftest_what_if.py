"""The check of what-if against truth: what it counts, and what it runs."""

from __future__ import annotations

import pytest

from benchkit.selftest import whatif
from benchkit.selftest.whatif import Compared, Found, Sloped
from benchkit.selftest.whatif_page import page


def found(errors, slopes=()) -> Found:
    compared = [Compared("swaps", "x", 50.0, 100.0 * (1 + error), 100.0) for error in errors]
    sloped = [Sloped("one in flight", "x", 1.0, (low + high) / 2, low, high) for low, high in slopes]
    return Found(compared, sloped)


def test_bars_are_the_promised_ones():
    kept = found([0.02, 0.05, 0.09, -0.1, 0.2], [(0.9, 1.1)] * 9 + [(1.1, 1.2)]).plain()
    assert kept["kept"] == {"median_error": True, "p90_error": True, "contained": True}
    broken = found([0.12, 0.15, -0.3], [(0.9, 1.1)] * 8 + [(1.1, 1.2)] * 2).plain()
    assert broken["kept"] == {"median_error": False, "p90_error": False, "contained": False}
    assert broken["sensitivity"]["contained"] == pytest.approx(0.8)


def test_nothing_to_compare_is_not_a_bar_that_is_kept():
    plain = found([]).plain()
    assert set(plain["kept"].values()) == {None}
    assert any("nothing to compare" in line for line in found([]).lines())


def test_a_miss_is_said():
    assert any("MISSED" in line for line in found([], [(1.1, 1.2)]).lines())


def test_every_kind_of_change_is_among_the_pipelines_and_all_of_it_fits_into_ten_minutes():
    every = list(whatif.plans())
    assert {family for family, _ in every} >= {"swaps", "twice as fast", "workers", "batch", "one in flight"}
    assert sum(plan.expected_s for _, plan in every) <= 600
    assert whatif.expected_s(short=True) <= 120
    for _, plan in every:
        assert len({cell.id for cell in plan.cells}) == len(plan.cells)


def test_its_page_has_every_comparison_and_every_bar():
    text = page(found([0.02, -0.1], [(0.9, 1.1), (1.1, 1.2)]))
    assert "| swaps: x | 50 | 102 | 100 | +2.0% |" in text
    assert "| swaps: x | 50 | 90 | 100 | -10.0% |" in text
    assert text.count("one in flight: x") == 2
    assert text.count("missed") == 1
    assert "(<= 10%) kept" in text
    assert "(>= 90%) BROKEN" in text
