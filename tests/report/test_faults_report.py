"""Fault trials in run.json, on a terminal, on a page, in a decision record, as charts, compared and exported."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from drawn import outside, overlapping, says, words
from fault_runs import CELLS, FAULTS, MOMENTS, faulty, trials
from fault_trials import control, simulated
from rich.console import Console
from synthetic import dam

from benchkit.analysis.document import document
from benchkit.analysis.recovery.matrix import over_moments
from benchkit.analysis.summary import summary
from benchkit.records import faults as kept
from benchkit.records.folder import load, save
from benchkit.records.run import Run
from benchkit.report import compare, terminal
from benchkit.report.charts.gallery import fault_charts
from benchkit.report.exports import Figures
from benchkit.report.exports.csv_table import export
from benchkit.report.faults import faults, left_out, outcome, reasons
from benchkit.report.html import html
from benchkit.report.markdown import markdown
from benchkit.report.story import story
from benchkit.report.terminal_faults import fault_parts

DURABILITY = "Killing a process does not prove durability"


@pytest.fixture(scope="module")
def run() -> Run:
    return faulty()


@pytest.fixture(scope="module")
def found(run: Run) -> dict[str, Any]:
    return document(run)


def shown(view: object, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(view)
    return console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above


# run.json -----------------------------------------------------------------------------------------------


def test_the_matrix_says_what_each_guarantee_delivered(found: dict[str, Any]) -> None:
    rows = {(each["transport"], each["fault"], each["moment"]): each for each in found["faults"]["matrix"]}
    assert len(rows) == len(CELLS) * len(FAULTS) * len(MOMENTS)
    assert outcome(rows["rabbitmq", "kill broker", "idle"]).code == "broken"
    assert outcome(rows["redis-stream", "kill broker", "idle"]).code == "allowed"
    assert outcome(rows["unix", "kill stage", "backlog"]).code == "allowed"
    assert outcome(rows["shm", "kill broker", "idle"]).code == "invalid"
    assert outcome(rows["shm", "stop stage", "backlog"]).code == "undecided"
    assert outcome(rows["shm", "stop stage", "idle"]).code == "kept"
    broken = rows["rabbitmq", "kill broker", "idle"]
    assert (broken["lost"], broken["trials"], broken["valid"]) == (2, 2, 2)
    assert broken["breaches"] == ["acknowledged and lost: 1"]
    assert broken["mttr_s"]["n"] == len(broken["mttr_s"]["samples_s"]) == 2
    json.dumps(found, allow_nan=False)


def test_invalid_trials_say_why_and_are_in_no_figure(found: dict[str, Any]) -> None:
    by_number = {each["number"]: each for each in found["faults"]["trials"]}
    for each in found["faults"]["matrix"]:
        if each["transport"] == "shm" and each["fault"] == "kill broker":
            assert (each["valid"], each["held"], each["attempted"], each["mttr_s"]["n"]) == (0, None, 0, 0)
            codes = {reason["code"] for number in each["numbers"] for reason in by_number[number]["reasons"]}
            assert codes == {"fault-did-not-bite"}


def test_a_trial_without_its_control_is_invalid_and_so_is_one_whose_control_is_not_clean() -> None:
    run, every = dam(), trials(1)
    alone = tuple(each for each in every.all if not (each.control and each.transport == "shm"))
    run.faults = kept.Trials(alone, every.read)
    codes = {
        (each["transport"], reason["code"])
        for each in document(run)["faults"]["trials"]
        for reason in each["reasons"]
        if reason["code"].startswith("control")
    }
    assert codes == {("shm", "control-missing")}
    dirty = next(each for each in every.all if each.control and each.transport == "unix")
    rows = every.read(dirty).copy()
    rows["deliveries"][3] = 2
    run.faults = kept.Trials(every.all, lambda trial: rows if trial is dirty else every.read(trial))
    told = document(run)["faults"]["trials"]
    spoiled = {each["transport"] for each in told if "control-not-clean" in str(each["reasons"])}
    assert spoiled == {"unix"}


def test_a_missed_moment_and_a_trial_that_broke_off_are_invalid() -> None:
    run = dam()
    calm, one = control(), simulated([(0.0, 0.3)])
    missed = replace(one.trial, number=1, moment={"asked": "backlog", "found": "2 queued", "reached": False})
    broke = replace(one.trial, number=2, errors=("the fault could not be undone: gone",))
    held = {0: calm.operations, 1: one.operations, 2: one.operations}
    run.faults = kept.Trials((calm.trial, missed, broke), lambda trial: held[trial.number])
    told = {each["number"]: each for each in document(run)["faults"]["trials"]}
    assert [each["code"] for each in told[1]["reasons"]] == ["moment-missed"]
    assert [each["code"] for each in told[2]["reasons"]] == ["trial-broke-off"]
    assert told[0]["valid"]
    assert not told[1]["valid"]


def test_unlike_declarations_stand_apart_and_nothing_is_ranked(found: dict[str, Any]) -> None:
    told = found["faults"]
    assert len(told["alike"]) == 4  # two at-least-once in memory differ by their level
    assert {each["alike"] for each in told["matrix"] if each["transport"] == "shm"} == {
        told["alike"].index("at-least-once, memory")
    }
    assert "at-least-once, memory (no persistence)" in told["alike"]
    assert any("not ranked" in note for note in told["notes"])
    assert any(DURABILITY in note for note in told["notes"])
    # Inside a fault by declaration, never by time.
    for fault in {each["fault"] for each in told["matrix"]}:
        own = [each["alike"] for each in told["matrix"] if each["fault"] == fault]
        assert own == sorted(own)


def test_moments_put_together_have_all_samples(found: dict[str, Any]) -> None:
    together = over_moments(found["faults"]["matrix"])
    assert len(together) == len(CELLS) * len(FAULTS)
    for each in together:
        own = [
            one
            for one in found["faults"]["matrix"]
            if (one["fault"], one["cell"]) == (each["fault"], each["cell"])
        ]
        assert each["mttr_s"]["n"] == sum(one["mttr_s"]["n"] for one in own)
        assert each["lost"] == sum(one["lost"] for one in own)
    broken = next(each for each in together if outcome(each).code == "broken")
    assert broken["moment"] == "backlog, idle"


def test_a_run_without_faults_says_nothing_of_them() -> None:
    plain = document(dam())
    assert "faults" not in plain
    assert faults(plain) is None
    assert "What faults did" not in shown(terminal.report(plain))
    assert story(dam(), plain).faults is None


# Terminal, page, record ---------------------------------------------------------------------------------


def test_the_terminal_s_table_fits_80_columns(found: dict[str, Any]) -> None:
    printed = shown(terminal.report(found))
    assert max(map(len, printed.splitlines())) <= 80
    part = printed[printed.index("What faults did") :]
    head = next(line for line in part.splitlines() if line.startswith("fault"))
    assert head.split() == ["fault,", "cell", "guarantee", "lost", "twice", "noticed", "steady", "n"]
    # A line for the fault, below it one line for each cell with nothing broken in the middle.
    after = part[part.index("\nkill broker") :].splitlines()[2:]
    names = [line.split()[0] for line in after[: len(CELLS)]]
    assert sorted(names) == sorted(transport for transport, _ in CELLS.values())
    row = next(line for line in after if line.startswith("  rabbitmq"))
    assert row.split()[1:4] == ["A", "broken", "4"]
    assert DURABILITY in part
    assert "A: at-least-once, disk (confirms)" in part
    assert "[fault-did-not-bite]" in part


def test_cells_of_unlike_loads_have_tables_of_their_own_and_their_rows_names(found: dict[str, Any]) -> None:
    several = json.loads(json.dumps(found))
    labels = [
        {"group": "camera at 20/s", "row": "redis-list raw"},
        {"group": "camera at 20/s", "row": "redis-list json-base64"},
        {"group": "camera at 600/s", "row": "redis-list raw"},
        {"group": "camera at 600/s", "row": "redis-list (socket=unix/persistence=aof-everysec)"},
    ]
    ids = [f"redis-list/raw/camera-1920x1080/{at}-per-s" for at in range(4)]
    several["cells"] = [
        {**several["cells"][0], "id": cell, "labels": own} for cell, own in zip(ids, labels, strict=True)
    ]
    known = dict(zip(CELLS, ids, strict=True))
    for each in several["faults"]["matrix"]:
        each["cell"], each["transport"] = known[each["cell"]], "redis-list"
    printed = "".join(f"{shown(piece)}\n" for piece in fault_parts(several))
    assert max(map(len, printed.splitlines())) <= 80
    lines = [line.rstrip() for line in printed.splitlines()]
    assert [line for line in lines if line.startswith("camera at")] == ["camera at 20/s", "camera at 600/s"]
    assert "redis-list/raw/camera" not in printed[: printed.index("- declares")]
    assert sum(line.startswith("  redis-list json-base64 ") for line in lines) == len(FAULTS)
    assert sum("persistence=aof-everysec)" in line for line in lines) == len(FAULTS)


def test_what_differs_in_its_figures_alone_is_told_once(found: dict[str, Any]) -> None:
    several = json.loads(json.dumps(found))
    for at, trial in enumerate(several["faults"]["trials"]):
        reason = {
            "severity": "note",
            "code": "watched-too-short",
            "message": f"not within {at}.5 s",
            "remedy": "x",
        }
        trial["reasons"] = [] if trial["control"] else [reason]
    (told,) = reasons(several["faults"])
    assert told[1] == "not within 1.5 s (the first of them)"
    assert len(told[3]) == sum(not trial["control"] for trial in several["faults"]["trials"])


def test_what_could_not_be_done_is_told_once_for_each_reason() -> None:
    why = "http has no broker"
    left = [
        {"cell": cell, "fault": fault, "why": why}
        for cell in ("a", "b")
        for fault in ("kill broker", "stop broker")
    ]
    left.append({"cell": "a", "fault": "broker-oom", "why": why})
    assert left_out({"left_out": left}, {"a": "http raw"}) == [
        ("kill broker, stop broker", why, "http raw, b"),
        ("broker-oom", why, "http raw"),
    ]


def test_a_cell_that_cannot_hold_its_load_is_told_so() -> None:
    run = dam()
    calm, one = control(before_s=0.3, after_s=0.1), simulated([(0.0, 0.1)], before_s=0.3, after_s=0.1)
    rows = [calm.operations.copy(), one.operations.copy()]
    for each in rows:
        each["taken"] += (each["taken"] - each["taken"].min()) * 9
    short = [replace(each.trial, number=at, window_s=0.2) for at, each in enumerate((calm, one))]
    run.faults = kept.Trials(tuple(short), lambda trial: rows[trial.number])
    told = document(run)["faults"]["trials"][1]["reasons"]
    assert "cannot-hold-load" in {each["code"] for each in told}
    assert "no-band" not in {each["code"] for each in told}


def test_page_and_record_say_what_was_broken_and_what_killing_does_not_prove(
    run: Run, found: dict[str, Any]
) -> None:
    told = story(run, found)
    charts = {name: "<svg></svg>" for name, _ in told.overview}
    charts |= {name: "<svg></svg>" for section in told.sections for name, _ in section.charts}
    page = html(told, charts, ("benchkit run",))
    assert '<h2 id="faults">' in page
    assert page.count(DURABILITY) == 1
    assert "rabbitmq does not keep what it declares" in page
    assert "What each guarantee delivered, beside what it declares" in page
    record = markdown(told, dict.fromkeys(charts, "charts/x"), ("benchkit run",))
    assert "## Faults and recovery" in record
    assert record.count(DURABILITY) == 1
    assert "| kill stage | backlog | unix |" in record


def test_hostile_names_are_words_only() -> None:
    evil = "<script>alert(1)</script>\x1b[31m\u202e]]>"
    every = trials(1)
    run = dam()
    run.faults = kept.Trials(
        tuple(
            replace(
                each,
                transport=each.transport + evil,
                fault={**each.fault, "party": each.fault["party"] + evil} if each.fault else {},
                moment={**each.moment, "asked": f"{each.moment.get('asked')}{evil}"},
                capabilities={**each.capabilities, "level": evil},
                detections=tuple({**told, "by": evil} for told in each.detections),
                proof=each.proof and each.proof + evil,
                errors=(evil,) if each.transport == "shm" else (),
                notes=(evil,),
            )
            for each in every.all
        ),
        lambda trial: every.read(next(each for each in every.all if each.number == trial.number)),
    )  # fmt: skip
    found = document(run)
    assert "\x1b" not in shown(terminal.report(found))
    told = story(run, found)
    drawn = [chart.svg("x").inline for chart in fault_charts(found, run.faults)]
    for svg in drawn:
        ET.fromstring(svg)  # noqa: S314  (drawn here)
    names = [name for name, _ in told.overview] + [name for each in told.sections for name, _ in each.charts]
    page = html(told, dict.fromkeys(names, drawn[-1]), ())
    record = markdown(told, dict.fromkeys(names, "charts/x"), ())
    assert "does not keep what it declares" in page
    assert "<script>alert" not in page
    for made in (*drawn, page, record):
        assert not {"\x1b", "\u202e"} & set(made)


# Charts -------------------------------------------------------------------------------------------------


def test_charts_hold_every_square_and_moment_and_no_words_collide(run: Run, found: dict[str, Any]) -> None:
    matrix, around = fault_charts(found, run.faults)
    assert len(says(matrix.figure)) == len(found["faults"]["matrix"])
    assert any("rabbitmq: broken; lost 2" in each for each in says(matrix.figure))
    assert len(matrix.words.values) == len(found["faults"]["matrix"])
    named = says(around.figure)
    assert any("injected after 0 s" in each for each in named)
    assert any("steady after" in each for each in named)
    assert any("noticed by supervisor after 20.0 ms" in each for each in named)
    for chart in (matrix, around):
        assert overlapping(chart.figure) == []
        assert outside(chart.figure) == []
        assert DURABILITY in " ".join(words(matrix.figure))
        chart.svg("x")


def test_the_trials_in_which_something_broke_are_drawn_first(run: Run, found: dict[str, Any]) -> None:
    _, around = fault_charts(found, run.faults)
    assert around.words.values[0][0].startswith("kill broker, backlog, rabbitmq")


# Saved, compared, exported --------------------------------------------------------------------------------


def test_a_saved_run_has_its_trials_again(tmp_path: Path) -> None:
    run = faulty(1)
    folder = save(run, document(run), tmp_path)
    assert document(load(folder))["faults"] == document(run)["faults"]
    old = save(dam(), document(dam()), tmp_path)
    assert load(old).faults is None


def test_compare_puts_the_same_faults_side_by_side(found: dict[str, Any]) -> None:
    other = json.loads(json.dumps(found))
    kill = next(each for each in other["faults"]["matrix"] if outcome(each).code == "broken")
    kill["held"], kill["lost"] = True, 0
    other["faults"]["alike"][kill["alike"]] = "at-least-once, disk (no confirms)"
    other["faults"]["matrix"] = other["faults"]["matrix"][:-1]
    printed = shown(compare.compare([summary(found, "a"), summary(other, "b")]))
    assert max(map(len, printed.splitlines())) <= 80
    part = printed[printed.index("Fault trials side by side") :]
    assert "broken; lost 2" in " ".join(part.split())
    assert "only in run 1: 1 of the matrix's 24 cells" in part
    assert "declares different things" in part
    alone = shown(compare.compare([summary(found, "a"), summary(document(dam()), "b")]))
    assert "run 2 holds no fault trials" in alone
    assert "Fault trials" not in shown(compare.compare([summary(document(dam()), "a")] * 2))


def test_the_figures_are_in_the_csv(found: dict[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO("".join(export(Figures((found,)))))))
    own = [each for each in rows if each["cell"] == "kill broker, idle: rabbitmq/raw"]
    told = {(each["metric"], each["of"]): float(each["value"]) for each in own}
    assert told["lost", "faults"] == 2
    assert told["broken guarantee", "faults"] == 1
    assert told["recover", "median"] == pytest.approx(1.4, abs=0.2)
