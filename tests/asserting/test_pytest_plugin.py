"""The pytest plug-in, in a pytest of its own; what is measured is planted, but for one real run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from synthetic import a_cell, a_run

from benchkit.analysis.document import document
from benchkit.asserting.result import Result

ROOT = Path(__file__).parents[2]
PLUGINS = ("-p", "benchkit.pytest_plugin", "-p", "pytest_benchmark.plugin")

# What `benchkit run` and `benchkit check` would print.
PLANTED = """\
import json, pathlib, subprocess
from benchkit.asserting.bench import Bench

def planted(self, name, path, options):
    here = pathlib.Path(__file__).parent
    with (here / "asked.txt").open("a") as asked:
        asked.write(" ".join([name, path.name, *options]) + "\\n")
    told = (here / f"{name}.json").read_text("utf-8")
    return subprocess.CompletedProcess([], json.loads(told).get("exit_code", 0), told, "")

Bench._command = planted
"""


def a_document(**changes: Any) -> dict[str, Any]:
    """Two valid cells and one that could not be measured."""
    run = a_run([a_cell(), a_cell("unix/raw/camera/100ps"), a_cell("http/raw/camera/100ps")], count=60)
    run.cells[2] = replace(run.cells[2], skipped="no server", skipped_remedy="start one")
    run.samples.pop(run.cells[2].id)
    run.blocks = [block for block in run.blocks if block.cell != run.cells[2].id]
    for name, value in changes.items():
        setattr(run, name, value)
    return document(run)


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return a_document()


def inner(folder: Path, test: str, *options: str, told: dict[str, Any] | None = None, **env: str) -> Any:
    """A pytest that runs this one test."""
    (folder / "test_it.py").write_text(test, "utf-8")
    (folder / "conftest.py").write_text(PLANTED if told else "", "utf-8")
    if told:
        (folder / "run.json").write_text(json.dumps(told), "utf-8")
    plain = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGINS, "-p", "no:cacheprovider", "-q", "--rootdir", str(folder), *options],
        cwd=folder, capture_output=True, text=True, check=False, timeout=100,
        env={**plain, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200", **env},
    )  # fmt: skip


def counted(done: Any) -> str:
    return done.stdout.strip().splitlines()[-1].rpartition(" in ")[0]


ONE = "def test_it(benchkit):\n    result = benchkit.run('dam.yaml', only='transport=shm', quick=True)\n"


# Figures ---------------------------------------------------------------------------------------------------


class Refused(Exception):
    pass


def refuse(why: str) -> Any:
    raise Refused(why)


def test_a_cell_is_named_by_any_of_its_parts(told: dict[str, Any]) -> None:
    result = Result(told, None, refuse)
    assert result.cell("shm").id == result.cell("shm/raw/camera/100ps").id == result.cell("shm", "raw").id
    with pytest.raises(LookupError, match="several cells are called 'raw': shm/raw"):
        result.cell("raw")
    with pytest.raises(LookupError, match="no cell is called 'redis'"):
        result.cell("redis")


def test_figures_are_those_of_the_document(told: dict[str, Any]) -> None:
    cell, entry = Result(told, None, refuse).cell("unix"), told["cells"][1]
    assert cell.p50_us == entry["latency_us"]["p50"]
    assert cell.p50_ci95_us[0] <= cell.p50_us <= cell.p50_ci95_us[1]
    assert cell.share("compute") == entry["phases_us"]["compute"]["share"]
    assert cell.messages_per_s > 0
    assert cell.loss == 0
    assert cell.cpu_us("stage") == entry["cost"]["stage_cpu_us_per_message"]
    with pytest.raises(KeyError):
        cell.share("computing")


def test_an_invalid_cell_has_no_figure_and_a_small_sample_no_p99(told: dict[str, Any]) -> None:
    result = Result(told, None, refuse)
    with pytest.raises(Refused, match="http/raw/camera/100ps is not valid: skipped: no server; start one"):
        _ = result.cell("http").p50_us
    with pytest.raises(Refused, match="has no p99"):
        _ = result.cell("shm").p99_us


def test_check_names_broken_promises(told: dict[str, Any]) -> None:
    Result(a_document(slo={}), None, refuse).check()
    with pytest.raises(AssertionError, match=r"shm/raw/camera/100ps: p50 <= 1.0 us, measured .* ms: broken"):
        Result(a_document(slo={"p50": 1e-6}), None, refuse).check()
    with pytest.raises(Refused, match=r"http/raw/camera/100ps: p50 .* not decidable"):
        Result(a_document(slo={"p50": 1.0}), None, refuse).check()


# Options ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "outcome"), [((), "1 failed"), (("--benchkit-invalid=skip",), "1 skipped")]
)
def test_an_invalid_cell_fails_or_skips_with_its_reason(
    told: dict[str, Any], tmp_path: Path, options: tuple[str, ...], outcome: str
) -> None:
    done = inner(tmp_path, ONE + "    assert result.cell('http').p50_us < 1\n", "-rs", *options, told=told)
    assert counted(done) == outcome
    assert "is not valid: skipped: no server; start one" in done.stdout


def a_gate(verdict: str, code: int) -> dict[str, Any]:
    row = {"cell": "shm/raw", "metric": "p50", "verdict": verdict, "change": 0.11, "interval": [0.09, 0.13],
           "delta": 0.03, "why": "", "improved": False}  # fmt: skip
    return {
        "verdict": verdict, "exit_code": code, "scenario": "dam", "reasons": ["too noisy"],
        "rows": [row], "missing": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "code", "options", "outcome"),
    [
        ("PASS", 0, (), "2 passed"),
        ("FAIL", 1, (), "2 failed"),
        ("INCONCLUSIVE", 3, (), "2 failed"),
        ("INCONCLUSIVE", 3, ("--benchkit-invalid=skip",), "2 skipped"),
    ],
)
def test_a_base_gates_once_for_all_tests_of_a_scenario(
    told: dict[str, Any], tmp_path: Path, verdict: str, code: int, options: tuple[str, ...], outcome: str
) -> None:
    (tmp_path / "check.json").write_text(json.dumps(a_gate(verdict, code)), "utf-8")
    test = ONE + "    assert result.cell('shm').p50_us > 0\n"
    two = test + test.replace("test_it", "test_again")
    done = inner(tmp_path, two, "--benchkit-base=main", "--benchkit-blocks=8", "-rs", *options, told=told)
    assert counted(done) == outcome
    asked = (tmp_path / "asked.txt").read_text("utf-8").splitlines()
    checks = [line for line in asked if line.startswith("check")]
    assert checks == ["check dam.yaml --only transport=shm --quick --base main --blocks 8"]
    if code:
        assert f"dam against main: {verdict}" in done.stdout
        assert "p50 +11.0% (+9.0% to +13.0%)" in done.stdout


def test_a_wrong_ini_value_is_named(told: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nbenchkit_invalid = ignore\n", "utf-8")
    assert "benchkit_invalid is 'ignore': write fail or skip" in inner(tmp_path, ONE, told=told).stdout


# With pytest-benchmark -------------------------------------------------------------------------------------


def test_cells_are_benchmarks_in_json_groups_and_comparisons(told: dict[str, Any], tmp_path: Path) -> None:
    first = inner(tmp_path, ONE, "--benchmark-json=first.json", "--benchmark-group-by=group", told=told)
    assert first.returncode == 0, first.stdout
    found = json.loads((tmp_path / "first.json").read_text("utf-8"))["benchmarks"]
    assert [each["fullname"] for each in found] == [
        "test_it.py::test_it::dam[shm/raw/camera/100ps]", "test_it.py::test_it::dam[unix/raw/camera/100ps]",
    ]  # fmt: skip
    assert found[0]["stats"]["data"] == [block["p50_us"] / 1e6 for block in told["cells"][0]["blocks_detail"]]
    assert "benchmark 'dam: camera/100ps': 2 tests" in first.stdout
    slower = json.loads(json.dumps(told))
    for block in slower["cells"][0]["blocks_detail"]:
        block["p50_us"] *= 2
    options = ("--benchmark-compare=first.json", "--benchmark-compare-fail=mean:10%")
    assert "Performance has regressed" not in inner(tmp_path, ONE, *options, told=told).stdout
    second = inner(tmp_path, ONE, *options, told=slower)
    assert "Performance has regressed" in second.stdout + second.stderr
    assert second.returncode != 0


def test_benchmark_only_skip_and_disable_mean_measurements_too(told: dict[str, Any], tmp_path: Path) -> None:
    test = ONE + "\ndef test_plain():\n    pass\n"
    assert counted(inner(tmp_path, test, "--benchmark-only", told=told)) == "1 passed, 1 skipped"
    assert counted(inner(tmp_path, test, "--benchmark-skip", told=told)) == "1 passed, 1 skipped"
    done = inner(tmp_path, test, "--benchmark-disable", "--benchmark-json=none.json", told=told)
    assert counted(done) == "2 passed"
    assert not (tmp_path / "none.json").exists()


# Cost, and the real thing ----------------------------------------------------------------------------------


def test_the_plug_in_is_registered() -> None:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert found["project"]["entry-points"]["pytest11"] == {"benchkit": "benchkit.pytest_plugin"}


def test_importing_the_plug_in_loads_nothing_else() -> None:
    code = (
        "import pytest, sys; before = set(sys.modules); import benchkit.pytest_plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["benchkit", "benchkit.pytest_plugin"]


@pytest.mark.quiet
def test_a_test_measures_a_scenario_beside_it(tmp_path: Path) -> None:
    scenario = {
        "name": "small", "source": {"kind": "sensors", "samples": 16, "channels": 4}, "transport": ["inproc", "unix"],
        "load": {"arrival": "constant", "rate": "200/s"}, "slo": {"loss": 0},
        "promises": ["compute share <= 100%", "wire <= 1MB"],
        "blocks": {"rounds": 2, "duration": "150ms", "warmup": "30ms", "warmup_max": "30ms"},
    }  # fmt: skip
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(scenario), "utf-8")
    # Whether the cell is valid is the machine's to say; what follows from it is ours.
    test = (
        "def test_it(benchkit):\n"
        "    result = benchkit.run('small.yaml', only='transport=inproc')\n"
        "    assert [cell.document['transport'] for cell in result] == ['inproc']\n"
        "    assert (result.folder / 'run.json').exists()\n"
        "    assert len(result.document['promises']) == 3\n"
        "    result.check()\n"
    )
    done = inner(
        tmp_path, test, "--benchkit-out=kept", "--benchkit-invalid=skip", "--benchmark-json=it.json", "-rs"
    )
    (kept,) = (tmp_path / "kept").glob("small-*/run.json")
    (cell,) = json.loads(kept.read_text("utf-8"))["cells"]
    if cell["validity"]["valid"]:
        assert counted(done) == "1 passed", done.stdout
        assert len(json.loads((tmp_path / "it.json").read_text("utf-8"))["benchmarks"]) == 1
    else:
        assert counted(done) == "1 skipped", done.stdout
        assert cell["validity"]["reasons"][0]["code"] in done.stdout
    broken = inner(tmp_path, test.replace("small.yaml", "none.yaml"))
    assert "none.yaml" in broken.stdout
    assert "exit code 2" in broken.stdout
