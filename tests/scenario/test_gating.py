"""The `gate:` section: limits by cell and metric, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchkit import scenario
from benchkit.errors import ScenarioError
from benchkit.scenario.plan import Plan

TEXT = """\
name: gated
source: {kind: sensors, samples: 16, channels: 4}
transport: [shm, http]
load: {arrival: constant, rate: 100/s}
blocks: {rounds: 2, duration: 300ms}
"""


def load(folder: Path, gate: str, **given: list[str]) -> Plan:
    path = folder / "gated.yaml"
    path.write_text(TEXT + gate, "utf-8")
    return scenario.load(path, **given)


def test_without_a_section_the_limits_are_those_of_the_manual(tmp_path: Path) -> None:
    gate = load(tmp_path, "").gate
    assert set(map(str, gate.deltas.values())) == {"{'p50': 0.03, 'p99': 0.1, 'throughput': 0.03}"}
    assert (gate.blocks, gate.duration_s) == (20, pytest.approx(0.6))


def test_the_last_entry_that_matches_a_cell_and_names_a_metric_counts(tmp_path: Path) -> None:
    text = "gate: {p50: 4%, cells: [{transport: '*', p50: 5%}, {transport: http, p50: 6%, p99: null}]}\n"
    plan = load(tmp_path, text)
    limits = {cell.split("/")[0]: own for cell, own in plan.gate.deltas.items()}
    assert limits["shm"] == {"p50": 0.05, "p99": 0.10, "throughput": 0.03}
    assert limits["http"] == {"p50": 0.06, "p99": None, "throughput": 0.03}
    assert plan.resolved["gate"]["cells"][1] == {"transport": ["http"], "p50": 0.06, "p99": None}


def test_it_can_be_set_from_the_command_line(tmp_path: Path) -> None:
    gate = load(tmp_path, "", sets=["gate.throughput=null", "gate.duration=2s"]).gate
    assert gate.duration_s == 2.0
    assert all(own["throughput"] is None for own in gate.deltas.values())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gate: {p50: 100%}", "p50"),
        ("gate: {p50: 0}", "p50"),
        ("gate: {p95: 3%}", "p95"),
        ("gate: {blocks: 2}", "blocks"),
        ("gate: {cells: [{p50: 3%}]}", "without a cell"),
        ("gate: {cells: [{trnsport: shm, p50: 3%}]}", "did you mean 'transport'"),
        ("gate: {cells: [{transport: shm, p50: fast}]}", "p50"),
        ("gate: {cells: 3}", "cells"),
    ],
)
def test_mistakes_are_named_where_they_stand(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=r"gated\.yaml:6:") as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
