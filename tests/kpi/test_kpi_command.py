"""`benchkit kpi` over folders of runs, broken ones among them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
import yaml
from click.testing import CliRunner

from benchkit.analysis.document import document
from benchkit.cli.check import check
from benchkit.cli.kpi import kpi
from benchkit.errors import RecordError, UsageError
from benchkit.records.folder import load, save

SCENARIO: dict[str, Any] = {
    "name": "small",
    "source": {"kind": "sensors", "samples": 16, "channels": 4},
    "transport": "inproc",
    "stage": "null",
    "load": {"arrival": "constant", "rate": "200/s"},
    "blocks": {"rounds": 1, "duration": "100ms", "warmup": "10ms", "warmup_max": "10ms", "drain": "1s"},
    "slo": {"p50": "1ns"},
}


def command(*arguments: object) -> Any:
    return CliRunner().invoke(kpi, [str(each) for each in arguments], standalone_mode=False)


def measured(folder: Path) -> Path:
    """A check that fails, as it leaves it."""
    scenario = folder / "small.yaml"
    scenario.write_text(yaml.safe_dump(SCENARIO))
    out = folder / "results"
    done = CliRunner().invoke(check, [str(scenario), "--out", str(out), "-q"], standalone_mode=False)
    assert done.exception is None, done.output
    assert done.return_value in {1, 3}
    return out


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measured(tmp_path_factory.mktemp("kpi"))


def test_a_check_leaves_its_verdict_beside_the_run_and_counts(results: Path) -> None:
    (file,) = results.glob("*/check.json")
    told = json.loads(file.read_text())
    # A promise of a nanosecond is broken, or undecided where the machine disturbed the only block.
    assert (told["verdict"], told["exit_code"]) in {("FAIL", 1), ("INCONCLUSIVE", 3)}
    total = json.loads(command(results, "--json").stdout)["total"]
    assert total["regressions"]["checks"] == 1
    assert total["regressions"]["caught"] == (told["verdict"] == "FAIL")
    assert total["performance"]["runs"] == 1
    assert total["run_lead_s"]["median"] > 0
    assert load(file.parent).cells


def test_what_cannot_be_read_is_named_and_the_rest_counts(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    shutil.copytree(results, out)
    (whole,) = [path for path in out.iterdir() if path.is_dir()]
    for name, content in (
        ("torn", "{"),
        ("later", '{"schema": "benchkit.run/9"}'),
        ("odd", '{"schema": "benchkit.run/1"}'),
    ):
        (out / name).mkdir()
        (out / name / "run.json").write_text(content)
    (out / "gate").mkdir()
    (out / "gate" / "gate.json").write_text('{"schema": "benchkit.gate/1", "verdict": []}')
    (out / ".x.partial").mkdir()
    (out / "link").symlink_to(whole)
    told = json.loads(command(out, "--json").stdout)
    assert told["entries"] == 1
    assert sorted(each["name"] for each in told["left_out"]) == ["gate", "later", "odd", "torn"]
    assert told["never_ended"] == 1
    assert json.loads(command(whole, "--json").stdout)["entries"] == 1
    assert json.loads(command(whole / "run.json", "--json").stdout)["entries"] == 1


def test_table_chart_and_csv(results: Path, tmp_path: Path) -> None:
    done = command(results, "--csv", tmp_path / "k.csv", "--chart", tmp_path / "k.svg")
    assert "stability: a soak" in done.output
    assert (tmp_path / "k.csv").read_text().startswith("release,figure,of,value,unit,n")
    assert (tmp_path / "k.svg").read_bytes().startswith(b"<?xml")
    assert "월" in command(results, "--by", "month", "--lang", "ko").output
    assert " release " not in command(results, "--by", "month").output


def test_wrong_use_has_a_remedy(results: Path, tmp_path: Path) -> None:
    for arguments, error in (
        ((results, "--chart", tmp_path / "k.gif"), UsageError),
        ((tmp_path / "none",), RecordError),
        ((tmp_path,), RecordError),
    ):
        found = command(*arguments).exception
        assert isinstance(found, error)
        assert found.remedy


def test_a_folder_s_name_does_nothing_to_the_terminal(tmp_path: Path) -> None:
    evil = tmp_path / "a\x1b]0;title\x07"
    evil.mkdir()
    (evil / "run.json").write_text('{"schema": "benchkit.run/1", "cells": 5}')
    told = CliRunner().invoke(kpi, [str(tmp_path)])
    assert isinstance(told.exception, RecordError)
    assert "left out: a?]0;title?: damaged" in told.output
    assert "\x1b" not in told.output


def test_what_a_run_calls_itself_is_words_in_the_chart(results: Path, tmp_path: Path) -> None:
    evil = "\x1b]0;x\x07</svg><script>alert(1)</script>$\\frac{"
    made = shutil.copytree(results, tmp_path / "results")
    for file in made.glob("*/run.json"):
        told = json.loads(file.read_text("utf-8"))
        told["benchkit"], told["environment"]["git"] = evil, None
        file.write_text(json.dumps(told))
    drawn = tmp_path / "kpi.svg"
    assert command(made, "--chart", drawn).exit_code == 0
    fromstring(drawn.read_text("utf-8"))  # noqa: S314  (own output)
    assert "<script" not in drawn.read_text("utf-8")


def test_hundreds_of_runs_are_read_without_their_samples(results: Path, tmp_path: Path) -> None:
    (path,) = [each for each in results.iterdir() if each.is_dir()]
    run = load(path)
    saved = save(run, document(run), tmp_path)
    shutil.rmtree(saved / "samples")
    for at in range(200):
        (tmp_path / f"run-{at}").mkdir()
        shutil.copy(saved / "run.json", tmp_path / f"run-{at}")
    assert json.loads(command(tmp_path, "--json").stdout)["entries"] == 201
