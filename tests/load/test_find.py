"""Loads that look for something, as a scenario writes them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from benchkit import scenario
from benchkit.errors import ScenarioError
from benchkit.load.search import Backlog, Capacity
from benchkit.scenario.description import describe

BASE = {
    "name": "x",
    "source": {"kind": "sensors", "samples": 4, "channels": 4},
    "transport": {"kind": "inproc", "depth": 16},
    "stage": {"kind": "synthetic", "service": "5ms"},
    "load": {"find": "capacity", "slo": {"p99": "100ms", "loss": 0}},
    "blocks": {"rounds": 3, "duration": "1s", "warmup": "200ms"},
}


def plan(tmp_path: Path, *sets: str, quick: bool = False, **sections):
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump({**BASE, **sections}), "utf-8")
    return scenario.load(path, sets=sets, quick=quick)


def refused(tmp_path: Path, *sets: str, **sections) -> str:
    with pytest.raises(ScenarioError) as told:
        plan(tmp_path, *sets, **sections)
    return str(told.value)


def test_find_names_a_search_and_its_options_have_units(tmp_path):
    (cell,) = plan(tmp_path, load={**BASE["load"], "precision": "5%", "start": "10/s"}).cells
    assert isinstance(cell.load, Capacity)
    assert cell.load.slo.given() == {"p99": 0.1, "loss": 0}
    assert (cell.load.precision, cell.load.start, cell.load.arrival) == (0.05, 10.0, "poisson")


def test_blocks_of_a_search_are_not_planned_but_bounded(tmp_path):
    made = plan(tmp_path, load=[BASE["load"], {"arrival": "constant", "rate": "10/s"}])
    assert len(tuple(made.order)) == 3
    assert {made.cells[at].load.kind for at in made.order} == {"constant"}
    assert 120 < made.expected_s < 135
    assert "1 cell searched for its capacity, 120 s at most" in describe(made).blocks
    assert plan(tmp_path, quick=True).expected_s < 15


def test_a_search_may_be_set_over_any_load(tmp_path):
    sets = ("load.find=capacity", "load.slo.p99=50ms")
    for load, arrival in (
        ({"arrival": "constant", "rate": "10/s"}, "constant"),
        ({"arrival": "closed", "in_flight": 2}, "poisson"),
        ({"arrival": "poisson", "rate": "10/s"}, "poisson"),
    ):
        (cell,) = plan(tmp_path, *sets, load=load).cells
        assert isinstance(cell.load, Capacity)
        assert cell.load.arrival == arrival
    (cell,) = plan(tmp_path, "load.arrival=constant").cells
    assert isinstance(cell.load, Capacity)
    assert cell.load.arrival == "constant"


def test_what_was_resolved_loads_into_the_same_cells(tmp_path):
    made = plan(tmp_path, load=[BASE["load"], {"find": "backlog", "messages": 16}])
    again = plan(tmp_path, **made.resolved)
    assert [cell.load for cell in again.cells] == [cell.load for cell in made.cells]
    assert [cell.id for cell in again.cells] == [cell.id for cell in made.cells]


@pytest.mark.parametrize(
    ("load", "words"),
    [
        ({"find": "capacity"}, ("needs `slo`", "p99: 100ms")),
        ({"find": "capacity", "slo": {}}, ("slo promises nothing",)),
        ({"find": "capacity", "slo": {"p99": 0}}, ("slo.p99", "more than 0")),
        ({"find": "capacity", "slo": {"p98": "1s"}}, ("slo.p98", "p99")),
        ({"find": "capacity", "slo": {"p99": "3ms"}}, ("no rate keeps p99 <= 3.0 ms", "slo.p99 above 5.0 ms")),
        ({"find": "capacity", "slo": {"p99": "2s"}}, ("load.longest: 960s", "load.arrival: constant")),
        ({"find": "capacity", "slo": {"p99": "1s"}, "start": "9/s", "max_rate": "8/s"}, ("above max_rate",)),
        ({"find": "capacity", "slo": {"p99": "1s"}, "arrival": "closed"}, ("'poisson' or 'constant'",)),
        ({"find": "capacity", "slo": {"p99": "1s"}, "precision": "nine%"}, ("not a share",)),
        ({"find": "constant", "rate": "1/s"}, ("constant is an arrival, not a search", "write arrival: constant")),
        ({"arrival": "backlog", "messages": 4}, ("backlog is a search", "write find: backlog")),
        ({"find": "capasity", "slo": {"p99": "1s"}}, ("unknown arrival 'capasity'", "'capacity'")),
        ({"find": "backlog", "messages": 17}, ("holds 16 messages", "transport.depth: 17, or load.messages: 16")),
        ({"find": "backlog", "messages": 1}, ("at least 2",)),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_refused_with_what_would_do(tmp_path, load, words):
    said = refused(tmp_path, load=load)
    for each in words:
        assert each in said


def test_without_replies_a_start_is_needed(tmp_path):
    assert "start: 10/s" in refused(tmp_path, replies=False)
    assert plan(tmp_path, "load.start=10/s", replies=False).cells


def test_a_sweep_of_promises_makes_a_cell_for_each(tmp_path):
    made = plan(tmp_path, load={"find": "capacity", "slo": [{"p99": "50ms"}, {"p99": "100ms"}]})
    assert [cell.load.label() for cell in made.cells] == ["capacity-p99-50ms", "capacity-p99-100ms"]


def test_the_schema_knows_searches_by_find():
    known = scenario.schema()["$defs"]["load"]["oneOf"]
    tags = {next(iter(each["properties"])): each for each in known if "properties" in each}
    assert {"arrival", "find"} == set(tags)
    named = [each["properties"]["find"]["const"] for each in known if "find" in each.get("properties", {})]
    assert sorted(named) == ["backlog", "capacity"]


def test_a_backlog_is_all_due_at_once():
    load = Backlog(messages=5)
    assert load.offsets_ns(1.0, 0).tolist() == [0] * 5
    assert load.rate_per_s is None
