"""Exports of figures and findings, read back by the programs that they are for, or by their schemas."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from hostile import hostile_run
from junitparser import JUnitXml
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from pytest_benchmark.stats import Stats
from synthetic import a_cell, a_run

from benchkit.analysis.document import document
from benchkit.cli import cli
from benchkit.cli.announce import Announced, wanted
from benchkit.errors import MissingLibrary
from benchkit.records.folder import save
from benchkit.records.run import Failure, Run
from benchkit.report.exports import FORMATS, Figures, format_named
from benchkit.report.exports.findings import RULES, findings
from benchkit.report.exports.measures import measures
from benchkit.report.exports.rounds import rounds_s, stats

OF_FIGURES = [name for name, each in FORMATS.items() if each.of == "figures" and name != "parquet"]

# bencher.dev/bmf.json
BMF: dict[str, Any] = {
    "type": "object",
    "patternProperties": {".+": {"type": "object", "patternProperties": {".+": {
        "type": "object", "required": ["value"], "additionalProperties": False,
        "properties": {name: {"type": "number"} for name in ("value", "lower_value", "upper_value")},
    }}}},
}  # fmt: skip

# What code scanning needs of SARIF 2.1.0 (GitHub, "SARIF support for code scanning").
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
SARIF: dict[str, Any] = {
    "type": "object", "required": ["$schema", "version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["tool", "results"],
            "properties": {
                "tool": {"type": "object", "required": ["driver"], "properties": {"driver": {
                    "type": "object", "required": ["name", "rules"],
                    "properties": {"rules": {"type": "array", "items": {
                        "type": "object", "required": ["id", "shortDescription", "fullDescription", "help"],
                        "properties": {"id": {"type": "string", "maxLength": 255}, "shortDescription": TEXT,
                                       "fullDescription": TEXT, "help": TEXT},
                    }}},
                }}},
                "results": {"type": "array", "items": {
                    "type": "object", "required": ["ruleId", "message", "locations", "partialFingerprints"],
                    "properties": {
                        "level": {"enum": ["none", "note", "warning", "error"]},
                        "message": TEXT,
                        "locations": {"type": "array", "minItems": 1, "items": {
                            "type": "object", "required": ["physicalLocation"],
                            "properties": {"physicalLocation": {
                                "type": "object", "required": ["artifactLocation", "region"],
                                "properties": {
                                    "artifactLocation": {"type": "object", "required": ["uri"]},
                                    "region": {"type": "object", "required": ["startLine"]},
                                },
                            }},
                        }},
                        "partialFingerprints": {
                            "type": "object", "minProperties": 1, "additionalProperties": {"type": "string"},
                        },
                    },
                }},
            },
        }},
    },
}  # fmt: skip


def a_judged_run() -> Run:
    """Two valid cells, one that is not, promises kept, broken and open, and a failure."""
    run = a_run([a_cell(), a_cell("unix/raw/camera/100ps"), a_cell("http/raw/camera/100ps")], count=60)
    run.cells[2] = replace(run.cells[2], skipped="no server", skipped_remedy="start one")
    run.samples.pop(run.cells[2].id)
    run.blocks = [block for block in run.blocks if block.cell != run.cells[2].id]
    run.slo = {"p50": 1.0, "p90": 1e-6}
    run.budgets = ("compute share >= 10%", "wire <= 1B", "broker memory <= 1GB")
    run.failures = [Failure("broker", "BrokerError", "it died, at 100%", "start it again")]
    return run


def a_gate() -> dict[str, Any]:
    row = {"cell": "shm/raw", "delta": 0.03, "why": "", "improved": False}
    return {
        "schema": "benchkit.gate/1", "verdict": "FAIL", "exit_code": 1, "scenario": "dam", "seconds": 61.0,
        "started_utc": "2026-11-22T20:17:53Z", "reasons": ["1 cell on one side only"], "base": {"told": "main"},
        "on_missing": "fail", "missing": [{"cell": "unix/raw", "side": "base", "why": "candidate: it is gone"}],
        "rows": [
            {**row, "metric": "p50", "verdict": "FAIL", "change": 0.11, "interval": [0.09, 0.13]},
            {**row, "metric": "p99", "verdict": "INCONCLUSIVE", "change": 0.2, "interval": [None, 0.5], "why": "wide"},
            {**row, "metric": "throughput", "verdict": "WARN", "change": -0.05, "interval": [-0.07, -0.04]},
            {**row, "metric": "p50", "cell": "a|b", "verdict": "PASS", "change": -0.2, "interval": [-0.3, -0.1],
             "improved": True},
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return document(a_judged_run())


@pytest.fixture(scope="module")
def source(told: dict[str, Any]) -> Figures:
    return Figures((told,), (a_gate(),), ("scenarios/dam.yaml",))


def exported(kind: str, source: Figures) -> str:
    return "".join(str(piece) for piece in format_named(kind).load()(source))


# Figures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 20, 21, 22, 23])
def test_statistics_are_those_of_pytest_benchmark(count: int) -> None:
    data = np.random.default_rng(count).lognormal(-6, 0.5, count).tolist()
    theirs = Stats()
    for value in data:
        theirs.update(value)
    own = stats(data)
    assert own["data"] == data
    for name, value in theirs.as_dict().items():
        assert own[name] == (value if isinstance(value, str) else pytest.approx(value)), name


def test_pytest_benchmark_compares_two_runs(told: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(exported("pytest-benchmark", Figures((told,))), "utf-8")
    other = document(a_run([a_cell(), a_cell("unix/raw/camera/100ps")], seed=9, count=60))
    (tmp_path / "b.json").write_text(exported("pytest-benchmark", Figures((other,))), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", "a.json", "b.json", "--columns=median,rounds"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("dam[shm/raw/camera/100ps]") == 2
    assert "http/raw" not in done.stdout  # an invalid cell is no benchmark


def test_rounds_are_the_medians_of_blocks(told: dict[str, Any]) -> None:
    content = json.loads(exported("pytest-benchmark", Figures((told,))))
    first = content["benchmarks"][0]
    assert first["stats"]["data"] == rounds_s(told["cells"][0])
    assert first["stats"]["rounds"] == 3
    assert content["machine_info"]["node"] == ""


def test_github_action_benchmark_gets_names_units_values_and_ranges(source: Figures) -> None:
    smaller = json.loads(exported("customSmallerIsBetter", source))
    bigger = json.loads(exported("customBiggerIsBetter", source))
    for each in (*smaller, *bigger):
        assert {"name", "unit", "value"} <= each.keys() <= {"name", "unit", "value", "range", "extra"}
        assert isinstance(each["value"], (int, float))
    assert {each["name"].rpartition(" ")[2] for each in bigger} == {"throughput"}
    p50 = next(each for each in smaller if each["name"] == "shm/raw/camera/100ps latency p50")
    assert p50["value"] == pytest.approx(source.runs[0]["cells"][0]["latency_us"]["p50"])
    assert p50["range"].startswith("± ")
    assert not any("http" in each["name"] for each in smaller)


def test_bencher_takes_it(source: Figures) -> None:
    found = json.loads(exported("bencher", source))
    jsonschema.validate(found, BMF)
    latency = found["shm/raw/camera/100ps"]["latency"]
    assert latency["value"] == pytest.approx(
        1e3 * source.runs[0]["cells"][0]["latency_us"]["p50"]
    )  # nanoseconds
    assert latency["lower_value"] <= latency["value"] <= latency["upper_value"]


def test_prometheus_reads_openmetrics(source: Figures) -> None:
    families = {each.name: each for each in text_string_to_metric_families(exported("openmetrics", source))}
    assert families["benchkit_latency_seconds"].unit == "seconds"
    p50 = {
        sample.labels["cell"]: sample.value
        for sample in families["benchkit_latency_seconds"].samples
        if sample.labels["statistic"] == "p50"
    }
    assert p50["unix/raw/camera/100ps"] == pytest.approx(
        source.runs[0]["cells"][1]["latency_us"]["p50"] / 1e6
    )
    valid = {sample.labels["cell"]: sample.value for sample in families["benchkit_cell_valid"].samples}
    assert valid == {"shm/raw/camera/100ps": 1, "unix/raw/camera/100ps": 1, "http/raw/camera/100ps": 0}
    assert "http/raw/camera/100ps" not in p50


def test_csv_has_a_line_for_each_figure(source: Figures) -> None:
    rows = list(csv.DictReader(io.StringIO(exported("csv", source))))
    assert len(rows) == len(list(measures(source)))
    assert {row["valid"] for row in rows} == {"true", "false"}
    hostile = Figures(({**source.runs[0], "scenario": {"name": "=HYPERLINK(1)"}},))
    assert next(csv.DictReader(io.StringIO(exported("csv", hostile))))["scenario"] == "'=HYPERLINK(1)"


def test_parquet_holds_the_same_rows_or_names_what_to_install(source: Figures) -> None:
    try:
        from pyarrow import parquet
    except ImportError:
        with pytest.raises(MissingLibrary, match=r"benchkit\[parquet\]"):
            list(format_named("parquet").load()(source))
        return
    (content,) = format_named("parquet").load()(source)
    assert isinstance(content, bytes)
    rows = parquet.read_table(io.BytesIO(content)).to_pylist()
    assert [row["value"] for row in rows] == [each.value for each in measures(source)]


# Findings --------------------------------------------------------------------------------------------------


def test_findings_name_what_is_wrong_and_nothing_else(source: Figures) -> None:
    found = findings(source)
    codes = [(each.level, each.code) for each in found]
    assert codes.count(("error", "promise-broken")) == 4  # p90 and wire of two cells
    assert codes.count(("warning", "cell-invalid")) == 1
    assert codes.count(("error", "regression")) == 1
    assert codes.count(("error", "missing")) == 1
    assert codes.count(("notice", "improved")) == 1
    assert {each.code for each in found} <= RULES.keys()
    assert [each.level for each in found] == sorted(
        (each.level for each in found), key=("error", "warning", "notice").index
    )


def test_junit_is_read_back_with_the_right_counts(source: Figures, tmp_path: Path) -> None:
    path = tmp_path / "check.xml"
    path.write_text(exported("junit", source), "utf-8")
    suites = list(JUnitXml.fromfile(str(path)))
    assert [(suite.tests, suite.failures, suite.errors) for suite in suites] == [
        (len(list(suites[0])), 4, 1), (5, 2, 0),
    ]  # fmt: skip
    skipped = [case for suite in suites for case in suite if case.result and case.result[0]._tag == "skipped"]
    assert {case.name for case in skipped} >= {"valid", "broker memory <= 1.0 GB", "p99"}


def test_sarif_has_what_code_scanning_needs(source: Figures) -> None:
    log = json.loads(exported("sarif", source))
    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "scenarios/dam.yaml"
    prints = [result["partialFingerprints"]["benchkit/v1"] for result in run["results"]]
    assert len(set(prints)) == len(prints)


def test_an_alert_is_the_same_when_its_figures_change(told: dict[str, Any]) -> None:
    def prints(found: dict[str, Any]) -> list[str]:
        log = json.loads(exported("sarif", Figures((found,))))
        return [
            each["partialFingerprints"]["benchkit/v1"]
            for each in log["runs"][0]["results"]
            if each["level"] == "error"
        ]

    slower = {
        **told,
        "promises": [{**each, "value": each["value"] and 1.1 * each["value"]} for each in told["promises"]],
    }
    assert prints(told) == prints(slower)


def test_annotations_are_escaped_and_at_most_ten_of_a_kind(told: dict[str, Any], source: Figures) -> None:
    lines = exported("github", source).splitlines()
    assert all(
        line.startswith(("::error file=scenarios/dam.yaml,", "::warning file=", "::notice file="))
        for line in lines
    )
    failure = next(line for line in lines if "it died" in line)
    assert failure.endswith("it died, at 100%25; start it again")
    assert "title=benchkit dam%3A failure" in failure
    many = {**told, "promises": 40 * [each for each in told["promises"] if each["kept"] is False]}
    errors = [
        line for line in exported("github", Figures((many,))).splitlines() if line.startswith("::error")
    ]
    assert len(errors) == 10
    assert errors[-1].endswith("and 152 more; see the step's summary")


def test_markdown_says_the_verdict_first_and_markup_is_text(source: Figures) -> None:
    text = exported("markdown", source)
    assert text.lstrip().startswith("## ❌ FAIL: dam against main")
    assert "| ❌ | shm/raw | p50 | +11.0% | +9.0% to +13.0% | 3% |" in text
    assert "a\\|b" in text
    table = [line for line in text.splitlines() if line.startswith("| ✅")]
    assert table == ["| ✅ | a\\|b | p50 | -20.0% (better) | -30.0% to -10.0% | 3% |"]


@pytest.mark.parametrize("kind", OF_FIGURES)
def test_a_hostile_run_is_exported_as_text(kind: str) -> None:
    text = exported(kind, Figures((document(hostile_run()),)))
    if kind == "junit":
        ET.fromstring(text)  # noqa: S314  (our own text)
    elif kind == "openmetrics":
        list(text_string_to_metric_families(text))
    elif kind == "markdown":
        assert "<script" not in text
    elif kind == "github":
        assert all(line.startswith("::") for line in text.splitlines())
    elif kind != "csv":
        json.loads(text)


@pytest.mark.parametrize("kind", OF_FIGURES)
def test_nothing_at_all_is_still_a_whole_file(kind: str) -> None:
    assert isinstance(exported(kind, Figures()), str)


# The commands ----------------------------------------------------------------------------------------------


def test_export_writes_a_file_of_a_saved_run(tmp_path: Path) -> None:
    run = a_judged_run()
    folder = save(run, document(run), tmp_path)
    path = tmp_path / "check.sarif"
    done = CliRunner().invoke(
        cli, ["export", str(folder), "--format", "sarif", "--file", "a/b.yaml", "--out", str(path)]
    )
    assert done.exit_code == 0, done.output
    assert '"uri": "a/b.yaml"' in path.read_text("utf-8")


def test_in_github_actions_annotations_summary_and_files_are_written_by_themselves(
    told: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    announced = Announced(
        wanted([f"junit={tmp_path}/check.xml"]), (tmp_path / "scenarios/dam.yaml",), as_json=True
    )
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    announced.tell([told])
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    announced.tell([told])
    out, err = capsys.readouterr()
    assert out == ""  # the document has it
    assert "::error file=scenarios/dam.yaml," in err
    assert "### What was found" in (tmp_path / "summary.md").read_text("utf-8")
    assert (tmp_path / "check.xml").read_text("utf-8").startswith("<?xml")
