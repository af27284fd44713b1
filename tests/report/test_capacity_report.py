"""What a search looks like: a table that fits 80 columns, and a chart of its levels."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from searched import SimulatedStage, searched

from benchkit.analysis.document import document
from benchkit.load.search import Capacity
from benchkit.report import terminal
from benchkit.report.charts.capacity import capacities
from benchkit.report.charts.gallery import gallery
from benchkit.report.groups import groups
from benchkit.report.story import story

SOUGHT = Capacity(slo={"p99": 0.1, "loss": 0}, arrival="constant")


@pytest.fixture(scope="module")
def run():
    return searched(SimulatedStage(0.005), SimulatedStage(0.007), SimulatedStage(0.2), load=SOUGHT)


def printed(run, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(terminal.report(document(run)))
    return console.file.getvalue()


def test_the_table_fits_eighty_columns_and_says_rate_interval_and_limit(run):
    said = printed(run)
    assert max(map(len, said.splitlines())) <= 80
    row = next(line for line in said.splitlines() if line.startswith("shm"))
    assert "stage, a cliff" in row
    assert " to " in row
    assert "none" in next(line for line in said.splitlines() if line.startswith("http"))
    assert "highest that keeps p99 <= 100 ms and no loss" in " ".join(said.split())


def test_a_search_that_did_not_end_says_so():
    unfinished = searched(SimulatedStage(0.005), load=SOUGHT, ended="time")
    assert "search-unfinished" in printed(unfinished)


def test_the_chart_holds_every_level_the_promise_and_the_interval(run):
    (group,) = groups(run, document(run))
    chart = capacities(group)
    assert chart is not None
    first = chart.edges[0]
    found = document(run)["cells"][0]["capacity"]
    assert len(first.points) == len(found["levels"])
    assert first.interval == tuple(found["interval"])
    assert {point.kept for point in first.points} == {True, False}
    assert chart.limits_us == (("p99", 100e3),)
    assert len(chart.words.values) == sum(len(cell["capacity"]["levels"]) for cell in document(run)["cells"])


def test_the_gallery_begins_with_it_and_has_no_ratios_of_latency(run):
    (group,) = groups(run, document(run))
    charts = list(gallery(group, run.slo))
    assert charts[0].kind == "capacity"
    assert "ratios" not in [chart.kind for chart in charts]
    assert charts[0].png().startswith(b"\x89PNG")
    assert "promised p99" in charts[0].svg("x").inline


def test_pages_tell_the_sentence(run):
    told = story(run, document(run))
    assert any("holds" in claim.text and "a cliff" in claim.text for claim in told.answer)
