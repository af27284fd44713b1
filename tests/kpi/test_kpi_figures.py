"""The team's figures by hand: what each run counts as, and what is made of many."""

from __future__ import annotations

import csv
import io
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
from rich.console import Console

from benchkit.analysis.kpi.figures import kpi, rows
from benchkit.analysis.kpi.read import Check, Entry, Repair, of_gate, of_run
from benchkit.errors import RecordError
from benchkit.records.shelf import Left
from benchkit.report.charts import team
from benchkit.report.charts.gallery import Chart
from benchkit.report.kpi.table import as_csv
from benchkit.report.kpi.terminal import kpi as render
from benchkit.words import speaking

RUN: dict[str, Any] = {
    "schema": "benchkit.run/1", "benchkit": "0.1.0", "started_utc": "2026-11-23T09:00:00Z", "duration_s": 40.0,
    "interrupted": False, "scenario": {"name": "dam"}, "environment": {"git": "a" * 40},
    "cells": [
        {"latency_us": {"p50": 900.0, "p99": 2000.0}, "validity": {"valid": True, "reasons": []}},
        {"latency_us": {"p50": 100.0, "p99": None}, "validity": {"valid": False, "reasons": [{"code": "x"}]}},
    ],
    "ranking": [{"cell": "x"}], "promises": [], "failures": [],
}  # fmt: skip
FAULTS: dict[str, Any] = {
    "trials": [{}, {}],
    "matrix": [
        {"fault": "kill", "transport": "redis-stream", "held": True,
         "mttr_s": {"n": 3, "never": 1, "samples_s": [1.0, None, 3.0]}},
        {"fault": "kill", "transport": "nats", "held": True, "mttr_s": {"n": 1, "samples_s": [5.0]}},
    ],
}  # fmt: skip


def run(**changes: Any) -> Entry:
    return of_run({**deepcopy(RUN), **changes}, "dam-1")


def test_a_run_is_what_it_says_of_itself() -> None:
    entry = run()
    assert (entry.kind, entry.outcome, entry.scenario, entry.release) == (
        "performance",
        "passed",
        "dam",
        "aaaaaaaa",
    )
    assert entry.latencies_us == ((900.0, 2000.0),)
    assert entry.lead_s == 40.0


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"interrupted": True, "failures": [{}]}, "interrupted"),
        ({"failures": [{}]}, "failed"),
        ({"promises": [{"kept": True}, {"kept": False}]}, "failed"),
        ({"promises": [{"kept": True}, {"kept": None}]}, "undecided"),
        ({"ranking": []}, "undecided"),
        (
            {
                "cells": [
                    {"latency_us": {}, "validity": {"valid": False, "reasons": [{"code": "party-died"}]}}
                ]
            },
            "failed",
        ),
    ],
)
def test_how_a_run_ended(changes: dict[str, Any], outcome: str) -> None:
    assert run(**changes).outcome == outcome


def test_a_soak_is_a_stability_run_and_fails_where_memory_grows() -> None:
    soak = {"name": "dam", "blocks": {"soak": 3600.0}}
    assert (run(scenario=soak).kind, run(scenario=soak).outcome) == ("stability", "passed")
    for held in ({"flat": False, "grown": []}, {"flat": True, "grown": ["descriptors"]}):
        assert run(scenario=soak, growth={"runner": held}).outcome == "failed"
    assert run(scenario=soak, growth={"runner": {"flat": None, "grown": []}}).outcome == "passed"


def test_a_run_with_faults_passes_by_what_the_transports_kept() -> None:
    entry = run(faults=FAULTS, ranking=[], cells=[])
    assert (entry.kind, entry.outcome) == ("stability", "passed")
    assert entry.repairs == (
        Repair("redis-stream", 1.0), Repair("redis-stream", None), Repair("redis-stream", 3.0), Repair("nats", 5.0)
    )  # fmt: skip
    for held, outcome in ((False, "failed"), (None, "undecided")):
        changed = deepcopy(FAULTS)
        changed["matrix"][1]["held"] = held
        assert run(faults=changed, ranking=[]).outcome == outcome
    assert run(faults={"trials": [], "matrix": []}).kind == "performance"


def test_gates_and_checks_say_what_they_caught() -> None:
    gate = {"schema": "benchkit.gate/1", "verdict": "FAIL", "scenario": "dam", "seconds": 9.0,
            "rows": [{"verdict": "FAIL"}, {"verdict": "PASS"}], "missing": [{}]}  # fmt: skip
    assert of_gate(gate, "g").check == Check(True, 2)
    assert of_gate({**gate, "same_build": True}, "g").check == Check(True, 2, alike=True)
    assert of_gate({**gate, "verdict": "WARN"}, "g").outcome == "passed"
    against_baseline = {"verdict": "FAIL", "comparison": {"rows": [{"verdict": "FAIL"}] * 3}}
    caught = of_run(RUN, "x", against_baseline)
    assert (caught.check, caught.outcome) == (Check(True, 3), "failed")
    promised = of_run({**RUN, "promises": [{"kept": False}]}, "x", {"verdict": "FAIL", "comparison": None})
    assert promised.check == Check(True, 1)


@pytest.mark.parametrize(
    "broken",
    [{"cells": 3}, {"started_utc": "x", "cells": [{}]}, {"cells": [], "duration_s": float("nan")}, {}],
)
def test_what_cannot_be_a_run_is_an_error_that_names_the_field(broken: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match="damaged"):
        of_run(broken, "x")


def test_an_old_run_without_what_came_later_counts_too() -> None:
    old = {name: RUN[name] for name in ("started_utc", "cells", "benchkit")}
    assert of_run(old, "x").release == "0.1.0"


def many() -> list[Entry]:
    passed = run()
    return [
        passed,
        run(started_utc="2026-11-24T00:00:00Z", duration_s=20.0, promises=[{"kept": False}]),
        run(started_utc="2026-12-01T00:00:00Z", environment={"git": "b" * 40}, faults=FAULTS, ranking=[]),
        run(started_utc="2026-12-02T00:00:00Z", environment={"git": "b" * 40}, interrupted=True, duration_s=999.0),
        of_gate({"verdict": "FAIL", "environment": {"git": "b" * 40}, "started_utc": "2026-12-03", "seconds": 30.0,
                 "rows": [{"verdict": "FAIL"}]}, "gate"),
    ]  # fmt: skip


def test_the_figures_of_a_release() -> None:
    told = kpi(many())
    one, two = told["groups"]
    assert [group["name"] for group in told["groups"]] == ["aaaaaaaa", "bbbbbbbb"]
    assert one["performance"] == {
        "runs": 2, "passed": 1, "failed": 1, "undecided": 0, "interrupted": 0, "pass_rate": 0.5
    }  # fmt: skip
    assert one["run_lead_s"] == {"n": 2, "median": 30.0, "longest": 40.0}
    assert one["message_lead_us"] == {"dam": {"n": 2, "p50": 900.0, "p99": 2000.0}}
    assert one["mttr_s"] == {}
    assert one["stability"]["pass_rate"] is None
    # An interrupted run is counted, and neither in the pass rate nor in the time to a result.
    assert (two["performance"]["runs"], two["performance"]["pass_rate"]) == (2, 0.0)
    assert two["run_lead_s"]["longest"] == 40.0
    assert two["mttr_s"]["redis-stream"] == {"n": 3, "mean": 2.0, "median": 2.0, "longest": 3.0, "never": 1}
    assert two["regressions"] == {"checks": 1, "caught": 1, "figures": 1, "false_alarms": 0}
    assert told["total"]["mttr_s"]["nats"]["mean"] == 5.0
    assert [group["name"] for group in kpi(many(), "month")["groups"]] == ["2026-11", "2026-12"]


def test_every_figure_of_the_document_is_a_line_of_the_csv() -> None:
    told = kpi(many())
    lines = list(csv.DictReader(io.StringIO(as_csv(told))))
    assert len(lines) == len(list(rows(told)))
    found = {(line["release"], line["figure"], line["of"]): line["value"] for line in lines}
    assert found["bbbbbbbb", "mttr_mean", "redis-stream"] == "2.0"
    assert found["aaaaaaaa", "stability_pass_rate", ""] == ""
    assert found["total", "performance_runs", ""] == "4"


def test_the_table_fits_80_columns_and_says_what_the_figures_mean() -> None:
    releases = [
        run(environment={"git": f"{at:040x}"[::-1], "x": 0}, started_utc=f"2026-11-{at + 1:02d}")
        for at in range(15)
    ]
    for language in ("en", "ko"):
        console = Console(width=80, record=True, file=io.StringIO())
        with speaking(language):
            told = kpi([*many(), *releases], left=[Left("broken", "damaged")] * 7, never_ended=2)
            console.print(render(told))
        shown = console.export_text()
        assert max(map(len, shown.splitlines())) <= 80
        assert "50% (1/2)" in shown
        assert "3 s (3/4)" in shown
    with speaking("en"):
        console = Console(width=80, record=True, file=io.StringIO())
        console.print(render(kpi(many(), left=[Left("bro[red]ken", "dam\x1baged")] * 7, never_ended=2)))
    shown = " ".join(console.export_text().split())
    assert "left out: bro[red]ken: dam?aged" in shown
    assert "2 run(s) never ended" in shown
    assert "and 2 more that cannot be read" in shown


def test_the_chart_carries_every_run_and_every_recovery() -> None:
    told = kpi(many())
    found = team.team(told)
    assert found is not None
    chart = Chart("team", found.words, partial(team.draw, found))
    words = [mark.words for mark in chart.svg("kpi").marks]
    assert "aaaaaaaa: performance, passed: 1" in words
    assert "bbbbbbbb: redis-stream: 2 s, n=3" in words
    assert sum("performance" in each for each in words) == 4
    assert chart.png().startswith(b"\x89PNG")
    assert team.team(kpi([])) is None


def test_every_transport_that_recovered_is_named_beside_the_chart() -> None:
    names = [f"t{at:02}" for at in range(20)]
    rows = [{"transport": name, "held": True, "mttr_s": {"samples_s": [1.0]}} for name in names]
    for shown, more in ((11, ""), (20, "and 3 more")):
        own = {"trials": [{}], "matrix": rows[:shown]}
        found = team.team(kpi([run(faults=own)]))
        assert found is not None
        written = {text.get_text() for axes in team.draw(found).axes for text in axes.texts}
        assert set(names[: min(shown, 17)]) <= written
        assert not more or more in written
