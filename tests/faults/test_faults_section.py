"""`faults:` in a scenario: what it means, and where it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from benchkit import scenario
from benchkit.engine.faulted import lane
from benchkit.errors import ScenarioError
from benchkit.records.faults import LeftOut
from benchkit.scenario.json_schema import schema
from benchkit.scenario.plan import Plan

BASE = """name: x
source: {kind: sensors, samples: 4}
transport: [unix, redis-stream, inproc]
load: {arrival: constant, rate: 100/s}
"""


def plan(tmp_path: Path, text: str, *sets: str, quick: bool = False) -> Plan:
    file = tmp_path / "s.yaml"
    file.write_text(BASE + text)
    return scenario.load(file, sets=sets, only=(), quick=quick)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        plan(tmp_path, text)
    return [str(each) for each in caught.value.problems]


def test_nothing_goes_wrong_unless_asked(tmp_path: Path) -> None:
    assert plan(tmp_path, "").faulting is None
    assert plan(tmp_path, "faults: [{kind: kill, party: stage}]\n").faulting is None


def test_the_command_line_asks_for_it(tmp_path: Path) -> None:
    given = plan(tmp_path, "faults: [{kind: kill, party: stage}]\n", "faults.run=true").faulting
    assert given is not None
    assert [fault.label() for fault in given.faults] == ["kill stage"]
    empty = plan(tmp_path, "", "faults.run=true").faulting
    assert empty is not None
    assert empty.faults == ()


def test_lists_are_swept(tmp_path: Path) -> None:
    entry = "{kind: [kill, stop], party: [producer, stage], moment: [idle, backlog]}"
    text = f"faults:\n  run: true\n  inject:\n    - {entry}\n"
    given = plan(tmp_path, text).faulting
    assert given is not None
    found = {(fault.kind, fault.parties, fault.moment) for fault in given.faults}
    assert len(found) == len(given.faults) == 8


def test_the_record_says_it_in_full_and_loads_into_the_same(tmp_path: Path) -> None:
    text = "faults: {run: true, before: 2s, rate: 50/s, inject: [{kind: stop, party: broker, at: 1s, lasting: 5s}]}\n"
    first = plan(tmp_path, text)
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(first.resolved))
    second = scenario.load(again, sets=(), only=(), quick=False)
    assert second.faulting == first.faulting
    assert second.resolved == first.resolved


def test_quick_makes_it_short(tmp_path: Path) -> None:
    text = "faults: {run: true, times: 9, after: 60s, inject: [{kind: kill, party: stage}]}\n"
    given = plan(tmp_path, text, quick=True).faulting
    assert given is not None
    assert given.options.times == 1
    assert given.options.after < 1


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("faults: 3\n", "s.yaml:5:9", "expected a list of faults"),
        ("faults:\n  - kill\n", "s.yaml:6:5", "expected a mapping with `kind`"),
        ("faults:\n  - {party: stage}\n", "s.yaml:6:5", "expected a mapping with `kind`"),
        ("faults:\n  - {kind: kil, party: stage}\n", "s.yaml:6:12", "did you mean 'kill'"),
        ("faults:\n  - {kind: 7}\n", "s.yaml:6:12", "expected the name of a fault"),
        ("faults:\n  - {kind: kill}\n", "s.yaml:6:5", "party"),
        ("faults:\n  - {kind: kill, party: stages}\n", "s.yaml:6:25", "stages"),
        ("faults:\n  - {kind: kill, party: stage, lasting: soon}\n", "s.yaml:6:41", "not a duration"),
        ("faults:\n  - {kind: stop, party: stage, how: hard}\n", "s.yaml:6:", "how"),
        ("faults: {befor: 1s}\n", "s.yaml:5:10", "befor"),
        ("faults: {times: 0}\n", "s.yaml:5:17", "times"),
        ("faults:\n  - {kind: combined, faults: [{kind: nonsense}, {kind: kill}]}\n", "s.yaml:6", "nonsense"),
        ("faults:\n  - {kind: combined, faults: [{kind: kill, party: x}, {kind: stop}]}\n", "s.yaml:6", "party"),
    ],
)  # fmt: skip
def test_a_mistake_is_shown_where_it_stands(tmp_path: Path, text: str, where: str, words: str) -> None:
    found = problems(tmp_path, text)
    assert any(where in each and words in each for each in found), found


def test_editors_know_it() -> None:
    made = schema()
    check = jsonschema.Draft202012Validator(made)

    def valid(faults: Any) -> bool:
        base = {
            "name": "x",
            "source": "sensors",
            "transport": "unix",
            "load": {"arrival": "constant", "rate": 9},
        }
        return bool(check.is_valid({**base, "faults": faults}))

    assert valid([{"kind": "kill", "party": "stage"}])
    assert valid({"before": "2s", "inject": [{"kind": "stop", "party": ["stage", "broker"], "at": "1s"}]})
    assert not valid([{"kind": "kill"}])
    assert not valid([{"kind": "nonsense", "party": "stage"}])
    assert not valid({"nonsense": 1})


def test_each_cell_that_can_has_every_fault_and_a_control(tmp_path: Path) -> None:
    text = "faults: {run: true, times: 2, inject: [{kind: kill, party: [stage, broker]}]}\n"
    planned = plan(tmp_path, text)
    assert planned.faulting is not None
    trials, left = lane.asked(planned, planned.faulting)
    assert [each.number for each in trials] == list(range(len(trials)))
    assert len({each.seed for each in trials}) == len(trials)
    by_cell = {each.cell.transport.kind: [] for each in trials}
    for each in trials:
        by_cell[each.cell.transport.kind].append(each.label)
    assert by_cell == {
        "unix": ["nothing (control)", "kill stage"] * 2,
        "redis-stream": ["nothing (control)", "kill stage", "kill broker"] * 2,
    }
    # What cannot be done is named, with the reason.
    assert LeftOut(planned.cells[0].id, "kill broker", "unix has no broker") in left
    (inproc,) = (each for each in left if each.cell == planned.cells[2].id)
    assert "one process" in inproc.why


def test_without_a_list_each_party_is_killed_and_stopped(tmp_path: Path) -> None:
    planned = plan(tmp_path, "", "faults.run=true")
    assert planned.faulting is not None
    trials, left = lane.asked(planned, planned.faulting)
    own = [each.label for each in trials if each.cell.transport.kind == "redis-stream"]
    assert own == [
        "nothing (control)", "kill producer", "kill stage", "kill broker", "stop producer", "stop stage", "stop broker",
    ]  # fmt: skip
    # Nobody asked for a broker's death where there is none.
    assert [each.cell for each in left] == [planned.cells[2].id]
