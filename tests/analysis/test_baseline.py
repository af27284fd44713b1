"""Stored baselines: the file, what is refused, and how often a comparison is wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from synthetic import a_cell, a_run

from benchkit.analysis.baseline.compare import compare
from benchkit.analysis.baseline.judge import Claim, judge
from benchkit.analysis.baseline.make import make
from benchkit.analysis.document import document
from benchkit.cli import cli
from benchkit.errors import RecordError, UsageError
from benchkit.records import baseline
from benchkit.records.folder import save
from benchkit.records.run import Floor

SCENARIO = {"name": "dam", "seed": 1, "blocks": {"rounds": 3, "duration": 1.0}, "codec": ["raw", "npy"]}
SECTIONS = ("scenario", "environment", "floors", "cells", "noise")
HOURS = tuple(f"2026-11-22T{hour:02}:00:00Z" for hour in range(10, 20))


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """One run of two cells, with the floors beneath them."""
    floor = Floor(
        30.0, 1e10, {"p50": 5.0, "p99": 20.0}, {"p50": 60.0, "p99": 200.0},
        paths_us={"ring": {"1128": {"exchange": 50.0, "one_way": 30.0}}},
    )  # fmt: skip
    run = a_run([a_cell(floor="ring"), a_cell("unix/raw/camera/100ps", floor="ring")], count=60)
    run.floor = floor
    run.scenario = dict(SCENARIO)
    return document(run)


def remade(
    run: dict[str, Any], *, factor: float = 1.0, floors: float = 1.0, at: str = HOURS[0]
) -> dict[str, Any]:
    """The same run with its latencies and its floors multiplied, begun at another hour."""
    found = copy.deepcopy(run)
    found["started_utc"] = at
    for cell in found["cells"]:
        cell["latency_us"]["p50"] *= factor
        for block in cell["blocks_detail"]:
            block["p50_us"] *= factor
        for role in ("producer", "stage"):
            cell["cost"][f"{role}_cpu_us_per_message"] *= factor
        cell["floor"]["moved_p50_us"] *= factor
        cell["floor"]["p50_us"] *= floors
    for name in ("null_us", "wake_us"):
        found["floor"][name]["p50"] *= floors
    found["floor"]["memcpy_bytes_per_s"] /= floors
    return found


def several(run: dict[str, Any], spread: float, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Runs of the same thing an hour apart each; what they differ by has this standard deviation."""
    rng = np.random.default_rng(seed)
    return [
        remade(run, factor=float(np.exp(spread * rng.standard_normal())), at=HOURS[at]) for at in range(count)
    ]


def sealed(runs: Sequence[dict[str, Any]], **more: Any) -> baseline.Content:
    return baseline.sealed(make(runs, **more))


# The file --------------------------------------------------------------------------------------------------


def test_a_baseline_has_one_cell_a_line_and_reads_back(measured: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "dam.json"
    baseline.write(path, make([measured]))
    lines = path.read_text("utf-8").splitlines()
    assert [line.split('"')[1] for line in lines if line.startswith(' "') and "raw/camera" in line] == [
        "shm/raw/camera/100ps", "unix/raw/camera/100ps",
    ]  # fmt: skip
    top = [line.split('"')[1] for line in lines if line.startswith('"')]
    assert top == sorted(top)
    assert baseline.read(path) == baseline.sealed(make([measured]))
    assert path.stat().st_size < 8000


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda text: text[: len(text) // 2], "not whole JSON"),
        (lambda text: "", "not whole JSON"),
        (
            lambda text: text.replace('"p50_us": {"ci95": [', '"p50_us": {"ci95": [1', 1),
            "changed since it was saved",
        ),
        (
            lambda text: text.replace("benchkit.baseline/1", "benchkit.baseline/2"),
            "another schema: benchkit.baseline/2",
        ),
        (lambda text: text.replace("benchkit.baseline/1", "benchkit.run/1"), "not a baseline"),
        (lambda text: "[1]", "not a baseline"),
        (lambda text: text.replace('"seed": 1', '"seed": NaN'), "not whole JSON"),
        (lambda text: "[" * 100_000, "not whole JSON"),
    ],
)
def test_what_is_no_baseline_is_refused(
    measured: dict[str, Any], spoil: Callable[[str], str], what: str, tmp_path: Path
) -> None:
    path = tmp_path / "dam.json"
    path.write_text(spoil(baseline.text_of(sealed([measured]))), "utf-8")
    with pytest.raises(RecordError, match=what):
        baseline.read(path)


@given(st.integers(0, 10_000), st.characters(codec="ascii"))
def test_no_single_changed_character_passes(at: int, character: str) -> None:
    content = {"schema": baseline.SCHEMA, **{key: {} for key in SECTIONS},
               "runs": []}  # fmt: skip
    text = baseline.text_of(baseline.sealed(content))
    at %= len(text)
    changed = text[:at] + character + text[at + 1 :]
    try:
        found = baseline._checked(json.loads(changed), Path("dam.json"))
    except (RecordError, ValueError):
        return
    assert found == json.loads(text)  # white space


def test_a_missing_file_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as found:
        baseline.read(tmp_path / "none.json")
    assert "benchkit baseline list" in found.value.remedy


# What is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"seed": 2}, "seed is 1 in the baseline and 2 in this run"),
        ({"blocks": {"rounds": 3, "duration": 0.5}}, "blocks.duration is 1.0"),
        ({"codec": ["raw", "jpeg"]}, r"codec\[1\] is 'npy'"),
        ({"codec": "raw"}, "codec is"),
        ({"workers": 2}, "workers is None"),
    ],
)
def test_another_scenario_is_refused_with_the_field(
    measured: dict[str, Any], change: Any, field: str
) -> None:
    with pytest.raises(UsageError, match=field):
        compare(sealed([measured]), {**measured, "scenario": {**SCENARIO, **change}})


def test_a_quick_run_is_another_scenario_and_promises_are_not(measured: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--quick is False in the baseline and True in this run"):
        compare(sealed([measured]), {**measured, "quick": True})
    compare(
        sealed([measured]),
        {**measured, "scenario": {**SCENARIO, "slo": {"p99": 1}, "blocks": {"rounds": 3.0, "duration": 1}}},
    )


def test_runs_of_two_machines_interrupted_or_invalid_make_no_baseline(measured: dict[str, Any]) -> None:
    other = {**measured, "environment": {**measured["environment"], "fingerprint": "ff"}}
    with pytest.raises(UsageError, match="another machine"):
        make([measured, other])
    with pytest.raises(UsageError, match="interrupted"):
        make([{**measured, "interrupted": True}])
    spoiled = copy.deepcopy(measured)
    for cell in spoiled["cells"]:
        cell["validity"]["valid"] = False
    with pytest.raises(UsageError, match="no cell is valid"):
        make([spoiled])


# Noise -----------------------------------------------------------------------------------------------------


def test_noise_is_learned_of_runs_that_were_spread_over_time_only(measured: dict[str, Any]) -> None:
    spread = several(measured, 0.02, 6)
    assert make(spread)["noise"]["source"] == "learned"
    assert make([{**run, "started_utc": HOURS[0]} for run in spread])["noise"]["source"] == "assumed"
    assert make(spread[:3])["noise"] == {"source": "assumed", "log_sd": 0.24, "runs": 3, "span_s": 7200.0}
    assert make(spread[:1], stated=0.05)["noise"]["log_sd"] == pytest.approx(np.log(1.05))


def test_promoting_one_run_keeps_what_was_learned(measured: dict[str, Any]) -> None:
    before = sealed(several(measured, 0.02, 6))
    after = sealed([remade(measured, factor=0.8, at=HOURS[9])], before=before)
    assert after["noise"] == before["noise"]
    assert after["replaces"] == before["digest"]
    name = "shm/raw/camera/100ps"
    assert after["cells"][name]["p50_us"]["log_sd"] == before["cells"][name]["p50_us"]["log_sd"]
    row = next(
        row for row in compare(after, remade(measured, factor=0.8))["rows"] if row["metric"] == "p50_us"
    )
    assert row["verdict"] == "PASS"


# Verdicts --------------------------------------------------------------------------------------------------


def test_one_run_of_unknown_noise_decides_little_and_says_so(measured: dict[str, Any]) -> None:
    found = compare(sealed([measured]), measured)
    assert (found["verdict"], found["exit_code"]) == ("INCONCLUSIVE", 3)
    assert "4 runs or more" in found["reasons"][-1]
    assert compare(sealed([measured]), remade(measured, factor=1.3))["exit_code"] == 3
    assert compare(sealed([measured]), remade(measured, factor=9.0))["verdict"] == "FAIL"


def test_with_learned_noise_the_same_passes_and_slower_fails(measured: dict[str, Any]) -> None:
    content = sealed(several(measured, 0.01, 8))
    assert compare(content, measured)["verdict"] == "PASS"
    slower = compare(content, remade(measured, factor=1.3))
    assert slower["verdict"] == "FAIL"
    assert {row["metric"] for row in slower["rows"] if row["verdict"] == "FAIL"} == {
        "p50_us", "cpu_us_per_message", "moved_us",
    }  # fmt: skip
    faster = compare(content, remade(measured, factor=0.7))
    assert faster["verdict"] == "PASS"
    assert any(row["improved"] for row in faster["rows"])


def test_a_throughput_that_falls_is_worse_and_its_change_is_its_own(measured: dict[str, Any]) -> None:
    closed = copy.deepcopy(measured)
    for cell in closed["cells"]:
        cell["load"]["offered_per_s"] = None
    lower = copy.deepcopy(closed)
    for cell in lower["cells"]:
        cell["throughput"]["messages_per_s"] *= 0.5
    rows = compare(sealed(several(closed, 0.01, 8)), lower)["rows"]
    row = next(row for row in rows if row["metric"] == "messages_per_s")
    assert row["verdict"] == "FAIL"
    assert row["change"] == pytest.approx(-0.5, abs=0.01)
    assert row["interval"][0] <= row["change"] <= row["interval"][1] < 0


def test_bytes_on_the_wire_have_no_noise(measured: dict[str, Any]) -> None:
    heavier = copy.deepcopy(measured)
    heavier["cells"][0]["wire_bytes"] = int(1.2 * heavier["cells"][0]["wire_bytes"])
    rows = compare(sealed([measured]), heavier)["rows"]
    failed = [(row["cell"], row["metric"]) for row in rows if row["verdict"] == "FAIL"]
    assert failed == [("shm/raw/camera/100ps", "wire_bytes")]


def test_an_invalid_cell_decides_nothing(measured: dict[str, Any]) -> None:
    spoiled = remade(measured, factor=9.0)
    for cell in spoiled["cells"]:
        cell["validity"] = {"valid": False, "reasons": [{"code": "disturbed", "message": "", "remedy": ""}]}
    found = compare(sealed([measured]), spoiled)
    assert found["exit_code"] == 3
    assert {row["why"] for row in found["rows"]} == {"the cell is not valid now: disturbed"}


def elsewhere(run: dict[str, Any]) -> dict[str, Any]:
    return {**run, "environment": {**run["environment"], "fingerprint": "ffff", "cpu": "another"}}


@pytest.mark.parametrize("speed", [0.3, 0.5, 1.0, 2.0, 4.0])
def test_a_machine_of_another_speed_is_no_regression(measured: dict[str, Any], speed: float) -> None:
    """All floors and all figures are `speed` times as long there: nothing changed but the machine."""
    content = sealed(several(measured, 0.01, 8))
    found = compare(content, elsewhere(remade(measured, factor=speed, floors=speed)))
    assert found["verdict"] in ("PASS", "INCONCLUSIVE")
    assert found["mode"] == "as multiples of floors"
    assert "another machine: cpu was 'some', now 'another'" in found["reasons"]
    assert {row["metric"] for row in found["rows"]} == {"moved_x_floor", "wire_bytes"}


def test_floors_that_differ_on_the_same_machine_are_taken_as_another(measured: dict[str, Any]) -> None:
    content = sealed(several(measured, 0.01, 8))
    found = compare(content, remade(measured, factor=1.6, floors=1.6))
    assert found["verdict"] != "FAIL"
    assert any("floor null_us is 1.60x what it was" in reason for reason in found["reasons"])


def test_floors_that_changed_unlike_each_other_leave_more_open(measured: dict[str, Any]) -> None:
    content = sealed(several(measured, 0.01, 8))
    now = elsewhere(remade(measured, factor=1.5))
    now["floor"]["null_us"]["p50"] *= 3
    found = compare(content, now)
    row = next(row for row in found["rows"] if row["metric"] == "moved_x_floor")
    assert found["verdict"] == row["verdict"] == "INCONCLUSIVE"
    assert found["reasons"][-1].startswith("compare in one job")  # it has the runs that would teach it
    assert row["interval"][0] < 0.5 < row["interval"][1]


def test_a_gross_regression_shows_on_another_machine_too(measured: dict[str, Any]) -> None:
    content = sealed(several(measured, 0.01, 8))
    assert compare(content, elsewhere(remade(measured, factor=20.0, floors=2.0)))["verdict"] == "FAIL"


def test_without_floors_nothing_measured_is_compared(measured: dict[str, Any]) -> None:
    found = compare(sealed(several(measured, 0.01, 8)), {**remade(measured, factor=9.0), "floor": None})
    assert found["exit_code"] == 3
    assert "floors are not known of both" in found["reasons"][0]


def test_a_tree_of_equal_runs_is_seldom_said_to_be_slower(measured: dict[str, Any]) -> None:
    """A/A: each trial saves a baseline of six runs and compares a seventh; what runs differ by is 10%."""
    failed = 0
    for seed in range(150):
        runs = several(measured, 0.10, 7, seed)
        failed += compare(sealed(runs[:6]), runs[6], 0.03)["verdict"] == "FAIL"
    assert failed <= 12  # 5% would be 7.5; delta makes it rarer


def test_neighbours_that_teach_nothing_raise_no_alarm(measured: dict[str, Any]) -> None:
    """Runs back to back differ by 1%, the next day's level by 24%: the usual way to cry wolf."""
    rng = np.random.default_rng(5)
    failed = 0
    for seed in range(100):
        runs = [{**run, "started_utc": HOURS[0]} for run in several(measured, 0.01, 6, seed)]
        tomorrow = remade(measured, factor=float(np.exp(0.24 * rng.standard_normal())))
        failed += compare(sealed(runs), tomorrow)["verdict"] == "FAIL"
    assert failed <= 5


def test_holm_holds_over_all_claims() -> None:
    claims = [Claim(str(at), "p50_us", 0.14, 0.14, 0.02, 1e9, 0.10) for at in range(40)]
    assert [each.verdict for each in judge(claims[:1])] == ["FAIL"]
    assert {each.verdict for each in judge(claims)} == {"WARN"}


# The commands ----------------------------------------------------------------------------------------------


def invoke(*arguments: str | Path) -> Any:
    return CliRunner().invoke(cli, list(map(str, arguments)))


def test_save_list_show_promote(tmp_path: Path) -> None:
    folders = []
    for seed in range(2):
        run = a_run(seed=seed, count=60)
        run.scenario = dict(SCENARIO)
        folders.append(save(run, document(run), tmp_path / "results"))
    shelf = tmp_path / "baselines"
    done = invoke("baseline", "save", *folders, "--to", shelf)
    assert done.exit_code == 0, done.output
    file = shelf / "dam-00ff.json"
    assert "assumed, 24%" in done.output
    again = invoke("baseline", "save", folders[0], "--to", shelf)
    assert "is there already" in str(again.exception)
    (shelf / "torn.json").write_text(file.read_text("utf-8")[:50], "utf-8")
    listed = invoke("baseline", "list", shelf).output
    assert "dam-00ff.json" in listed
    assert "not whole JSON" in listed
    assert json.loads(invoke("baseline", "show", file, "--json").output) == baseline.read(file)
    assert "p50_us" in invoke("baseline", "show", file).output
    before = baseline.read(file)
    done = invoke("baseline", "promote", folders[1], "--baseline", shelf)
    assert done.exit_code == 0, done.output
    assert baseline.read(file)["replaces"] == before["digest"]


def test_check_refuses_before_it_measures(tmp_path: Path) -> None:
    scenario = tmp_path / "dam.yaml"
    scenario.write_text(
        "name: dam\nsource: sensors\ntransport: inproc\nload: {arrival: constant, rate: 100/s}\n", "utf-8"
    )
    run = a_run(count=60)
    run.scenario = dict(SCENARIO)
    path = tmp_path / "dam.json"
    baseline.write(path, make([document(run)]))
    done = invoke("check", scenario, "--baseline", path, "--out", tmp_path / "results")
    assert "another scenario: " in str(done.exception)
    assert not (tmp_path / "results").exists()
    both = invoke("check", scenario, "--baseline", path, "--base", "HEAD")
    assert "give one of them" in both.output
