"""Stored baselines in the terminal, 80 columns wide: cells are named whole, and what is said of many is said once."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console, RenderableType

from benchkit.report.baseline import comparison, content, figure

CELLS = ("http/json-base64/sensors-144x12/poisson-300-per-s", "shm/raw/camera-1920x1080/20-per-s")


def lines(shown: RenderableType) -> list[str]:
    console = Console(width=80, file=StringIO(), color_system=None)
    console.print(shown)
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def row(cell: str, metric: str, verdict: str, why: str = "") -> dict[str, Any]:
    return {
        "cell": cell, "metric": metric, "verdict": verdict, "base": 12.5, "now": 14427.8, "change": 0.08,
        "interval": [-0.654, 6.009], "improved": False, "why": why,
    }  # fmt: skip


def compared(rows: list[dict[str, Any]], not_compared: list[str]) -> list[str]:
    return lines(
        comparison(
            {
                "rows": rows,
                "not_compared": not_compared,
                "mode": "as measured",
                "reasons": [],
                "verdict": "WARN",
            }
        )
    )


def test_the_name_of_a_cell_stands_once_and_whole_over_its_figures() -> None:
    told = compared([row(cell, metric, "WARN") for cell in CELLS for metric in ("p50_us", "moved_us")], [])
    for cell in CELLS:
        at = told.index(cell)
        assert told.count(cell) == 1
        assert [line.split()[0] for line in told[at + 1 : at + 3]] == ["p50_us", "moved_us"]
        assert "12.5" in told[at + 1]
        assert told[at + 1].endswith("14,428  +8.0% (-65.4% to +600.9%)  WARN")
    assert len({line.find("WARN") for line in told if "600.9%" in line}) == 1


def test_what_passes_is_counted_where_something_does_not() -> None:
    told = compared([row(CELLS[0], "p50_us", "PASS"), row(CELLS[1], "p50_us", "FAIL")], [])
    assert CELLS[0] not in told
    assert CELLS[1] in told
    assert "compared as measured; 1 of 2 rows pass" in told


def test_reasons_of_many_cells_are_told_once() -> None:
    wide = [row(cell, "p50_us", "INCONCLUSIVE", "too wide") for cell in CELLS]
    told = " ".join(
        compared(wide, [f"{CELLS[0]}: not measured now", *(f"{cell}: cpu (no floor)" for cell in CELLS)])
    )
    assert f"! 2 cells, such as {CELLS[0]}: too wide" in told
    assert f"not compared: {CELLS[0]}: not measured now" in told
    assert f"not compared: 2 cells, such as {CELLS[0]}: cpu (no floor)" in told


def test_rows_of_one_cell_count_as_one_cell() -> None:
    told = compared([row(CELLS[0], metric, "INCONCLUSIVE", "too wide") for metric in ("a", "b")], [])
    assert f"! {CELLS[0]}: too wide" in told


def test_a_baseline_lists_every_figure_under_its_cell() -> None:
    kept = {
        "p50_us": {"value": 1210.0, "ci95": [946.6, 1547.0], "log_sd": 0.154},
        "wire_bytes": {"value": 9380.0},
    }
    told = lines(
        content(
            {
                "cells": dict.fromkeys(CELLS, kept), "noise": {"log_sd": None, "source": "learned"},
                "runs": [{}] * 4, "environment": {"fingerprint": "abc"}, "digest": "0" * 64,
            }
        )
    )  # fmt: skip
    for cell in CELLS:
        at = told.index(cell)
        assert told[at + 1].split() == ["p50_us", "1210", "946.6", "to", "1547", "15.4%"]
        assert told[at + 2].split() == ["wire_bytes", "9380", "exact", "-"]


def test_figures_are_read_without_exponents() -> None:
    assert [figure(value) for value in (None, 0.01234, 9999.4, 14427.8, 6_220_930.0)] == [
        "-", "0.01234", "9999", "14,428", "6,220,930",
    ]  # fmt: skip
