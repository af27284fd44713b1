"""The scenario's further promises: read, refused with the word that is wrong, held against a cell."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from benchkit import scenario
from benchkit.analysis.budgets import budgets_of
from benchkit.budgets import PHASES, budget
from benchkit.cli import cli
from benchkit.errors import ScenarioError
from benchkit.records import samples

SCENARIO = """\
name: small
source: {kind: sensors, samples: 16, channels: 4}
transport: inproc
load: {arrival: constant, rate: 200/s}
promises:
"""

CELL = {
    "id": "inproc/raw",
    "validity": {"valid": True},
    "wire_bytes": 8_000,
    "throughput": {"messages_per_s": 200.0},
    "phases_us": {"compute": {"share": 0.61, "mean": 300.0, "p50": 290.0, "p99": None}},
    "cost": {
        "producer_cpu_us_per_message": 100.0, "stage_cpu_us_per_message": 250.0, "broker_cpu_us_per_message": None,
        "peak_rss_bytes": {"producer": 50_000_000, "stage": 90_000_000, "broker": 0},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value", "kept"),
    [
        ("compute share >= 60%", 0.61, True),
        ("compute share >= 0.62", 0.61, False),
        ("compute mean <= 0.3ms", 3e-4, True),
        ("compute p50 <= 289us", 2.9e-4, False),
        ("compute p99 <= 1s", None, None),
        ("producer cpu <= 100us", 1e-4, True),
        ("total cpu <= 1s", None, None),  # the broker is the user's own: what it spends is unknown
        ("stage memory <= 80MB", 9e7, False),
        ("broker memory <= 1GB", None, None),
        ("wire <= 8kB", 8000.0, True),
        ("wire<=7.9kB", 8000.0, False),
        ("throughput >= 200/s", 200.0, True),
    ],
)
def test_a_budget_is_kept_broken_or_not_decidable(text: str, value: float | None, kept: bool | None) -> None:
    (found,) = budgets_of(CELL, [text])
    assert found["kept"] is kept
    assert found["value"] == (None if value is None else pytest.approx(value))


def test_an_invalid_cell_decides_nothing() -> None:
    (found,) = budgets_of({**CELL, "validity": {"valid": False}}, ["wire <= 1B"])
    assert (found["value"], found["kept"]) == (None, None)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("compute share", "not a budget"),
        ("computing share >= 60%", "nothing is called 'computing'"),
        ("compute memory <= 1MB", "of compute there is share, mean, p50, p99, found 'memory'"),
        ("compute >= 60%", "found nothing"),
        ("stage share >= 60%", "of stage there is cpu, memory"),
        ("total memory <= 1GB", "of total there is cpu"),
        ("wire bytes <= 1MB", "wire has no 'bytes'"),
        ("compute share >= 160%", "'160%' is no limit here; write for example 60%"),
        ("compute mean <= 5MB", "'5MB' is no limit here; write for example 300us"),
        ("compute share >= nan", "no limit"),
        ("wire <= -1MB", "no limit"),
    ],
)
def test_a_mistake_is_pointed_at(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(f"{SCENARIO}  - wire <= 1MB\n  - {text!r}\n", "utf-8")
    with pytest.raises(ScenarioError) as found:
        scenario.load(path)
    (problem,) = found.value.problems
    assert problem.where.endswith("small.yaml:7:5")
    assert named in f"{problem.what}; {problem.remedy}"


def test_the_same_thing_is_not_promised_twice_and_a_mapping_is_no_promise(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(f"{SCENARIO}  - wire <= 1MB\n  - wire <= 2MB\n  - {{wire: 1MB}}\n", "utf-8")
    with pytest.raises(ScenarioError) as found:
        scenario.load(path)
    assert [problem.what for problem in found.value.problems] == [
        "promises: wire is promised twice",
        "promises: expected a sentence",
    ]


def test_the_resolved_scenario_loads_into_the_same_promises(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(f"{SCENARIO}  - compute share >=   60%\n", "utf-8")
    plan = scenario.load(path)
    assert plan.budgets == ("compute share >= 60%",)
    assert plan.resolved["promises"] == ["compute share >= 60%"]


def test_the_phases_of_budgets_are_those_of_the_record() -> None:
    assert PHASES == samples.PHASES


@given(
    st.text(max_size=60) | st.from_regex(r"[a-z]{1,8} [a-z]{1,6} (<=|>=) [0-9a-z%./]{1,9}", fullmatch=True)
)
def test_any_text_is_a_budget_or_a_value_error(text: str) -> None:
    try:
        found = budget(text)
    except ValueError:
        return
    assert found.limit >= 0


def test_check_without_any_promise_says_what_could_be_promised(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(SCENARIO, "utf-8")
    done = CliRunner().invoke(cli, ["check", str(path)])
    assert "promises: [compute share >= 60%]" in str(done.exception)


FRESH = {
    **CELL,
    "freshness": {
        "age_us": {"p50": 20e3, "p90": 50e3, "p99": 90e3, "max": 95e3}, "staleness_us": {"mean": 60e3, "p99": 210e3},
        "jitter_us": 4e3, "goodput_share": 0.985, "freezes": {"count": 2},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value", "kept"),
    [
        ("goodput >= 99%", 0.985, False),
        ("goodput >= 98%", 0.985, True),
        ("staleness p99 <= 200 ms", 0.21, False),
        ("staleness mean <= 60ms", 0.06, True),
        ("age p99 <= 100ms", 0.09, True),
        ("jitter <= 5ms", 0.004, True),
        ("freezes = 0", 2.0, False),
        ("freezes <= 2", 2.0, True),
    ],
)
def test_freshness_may_be_promised(text: str, value: float, kept: bool) -> None:
    (found,) = budgets_of(FRESH, [text])
    assert found["value"] == pytest.approx(value)
    assert found["kept"] is kept
    (unknown,) = budgets_of(CELL, [text])
    assert unknown["kept"] is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("goodput = 99%", "only freezes = 0 can be promised with ="),
        ("freezes = 1", "only freezes = 0"),
        ("freezes <= 0.5", "'0.5' is no limit here; write for example 0"),
        ("staleness <= 1s", "of staleness there is mean, p99, found nothing"),
        ("age share >= 1%", "of age there is p50, p90, p99, found 'share'"),
    ],
)
def test_a_mistake_about_freshness_is_pointed_at(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        budget(text)
