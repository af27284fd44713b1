"""What the documents say is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from benchkit import scenario
from benchkit.analysis.baseline.same import refuse_other
from benchkit.cli import cli
from benchkit.records import baseline
from benchkit.records.plain import storable
from benchkit.selftest.gate.log import Log
from benchkit.selftest.gate.page import page as gate_page
from benchkit.selftest.gate.run import Asked, document
from benchkit.transports.base import registry as transports

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def test_the_readme_opens_with_two_lines_to_paste():
    shown = subprocess.run(
        [sys.executable, ROOT / ".ci" / "readme_lines.py", ROOT / "README.md"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert len(shown) == 2
    assert shown[0].endswith("benchkit run scenarios/dam.yaml")
    assert "[test]" in shown[1]
    assert "pytest" in shown[1]


def test_its_scenario_is_one(tmp_path):
    faults, text = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "service.py").write_text("def infer(arrays):\n    return {}\n")
    path = tmp_path / "my-service.yaml"
    path.write_text(text)
    plan = scenario.load(path)
    # Two codecs over three transports, as the comment beside the lists says.
    assert len(plan.cells) == 6
    path.write_text(text + faults)
    faulted = scenario.load(path, sets=("faults.run=true",)).faulting
    assert faulted is not None
    assert len(faulted.faults) == 5


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["readme", "contributing"])
def test_every_command_that_is_named_exists(text):
    named = set(re.findall(r"\bbenchkit ([a-z]+)\b", text)) & set(
        re.findall(r"`(?:\S*/)?benchkit ([a-z]+)", text)
    )
    assert named <= set(cli.commands)


def test_its_table_of_transports_is_whole_and_true():
    rows = re.findall(
        r"^\| ((?:`[a-z0-9-]+`(?: · )?)+) \| (at most once|at least once)", README, re.MULTILINE
    )
    said = {kind: guarantee for names, guarantee in rows for kind in re.findall(r"`([a-z0-9-]+)`", names)}
    own = {kind for kind, entry in transports.entries().items() if entry.distribution == "benchkit"}
    assert set(said) == own
    for kind, guarantee in said.items():
        promised = transports.build({"kind": kind}).capabilities().delivery
        assert promised.replace("-", " ") == guarantee


def test_the_map_of_the_code_shows_every_room():
    shown = set(re.findall(r"`benchkit/([a-z]+)/`", CONTRIBUTING))
    rooms = {
        path.name for path in (ROOT / "benchkit").iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    assert shown == rooms


def test_the_continuous_integration_calls_the_same_script():
    steps = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["run"]["steps"]
    assert any(step.get("run") == ".ci/run" for step in steps)


def test_the_table_of_killed_parties_is_the_one_that_was_measured():
    measured = (ROOT / "results/truth/kills.md").read_text("utf-8")
    head, *parties = re.split(r"^## (producer|stage|broker)\n", measured, flags=re.MULTILINE)
    expected: dict[str, list[str]] = {}
    for place, text in enumerate(parties[1::2]):
        for name, *cells in _rows(text.split("\n## ")[0]):
            expected.setdefault(name, ["-"] * 6)[2 * place : 2 * place + 2] = (
                _together(cells[:3]),
                _together(cells[3:]),
            )
    shown = README.split("| transport | producer killed |")[1].split("\n\n")[0]
    assert {name: cells for name, *cells in _rows(shown)} == expected
    day, trials = re.search(
        r"^(\S+), AMD EPYC.*\n(\d+) trials, 0 of them invalid, every", head, re.MULTILINE
    ).groups()
    assert f"{day} on a two-core virtual machine (AMD EPYC): {int(trials):,} trials, none invalid" in README


def test_the_readme_shows_what_the_gates_trials_found_and_the_page_is_theirs():
    """All but what is simulated: ten thousand gates take longer than a test may."""
    page = (ROOT / "results" / "gate" / "gate.md").read_text("utf-8")
    lines = Log(ROOT / "results" / "gate").lines
    made = gate_page(
        {**document(Asked(gates=0), lines), "machine": dict.fromkeys(("cpu", "cores", "kernel"))}
    )
    rates = _between(page, "## Says FAIL\n\n", "\n\n")
    assert _between(made, "## Says FAIL\n\n", "\n\n") == rates
    assert set(_between(made, "## Promised\n\n", "\n\n").splitlines()) <= set(page.splitlines())
    assert re.findall(r"^- (\S+) ", page, re.MULTILINE) == ["holds"] * 7
    shown = [" | ".join(row.split(" | ")[:5]) + " |" for row in rates.splitlines()]
    assert "\n".join(shown) in README
    period, minutes = re.search(
        r"^(\S+ to \S+), AMD EPYC.*\n230 gates, (\S+) min each", page, re.MULTILINE
    ).groups()
    assert f"{period} on a two-core virtual machine (AMD EPYC)" in README
    undecided = re.findall(r"^\| alike.* (\d+) INCONCLUSIVE", rates, re.MULTILINE)
    assert f"{' and '.join(undecided)} of the gates over equal builds. A gate took {minutes} min" in README


@pytest.mark.parametrize(
    "path", sorted((ROOT / "results" / "baselines").glob("*.json")), ids=lambda path: path.name
)
def test_a_baseline_that_is_kept_is_whole_and_of_the_scenario_as_it_is(path):
    kept = baseline.read(path)
    name = kept["scenario"]["name"]
    assert path.name == f"{name}-{kept['environment']['fingerprint']}.json"
    assert kept["noise"]["source"] == "learned"
    now = scenario.load(ROOT / "scenarios" / f"{name}.yaml")
    refuse_other(
        kept, {"scenario": storable(now.resolved), "quick": False}, ("the baseline", "the scenario now")
    )
    assert kept["cells"].keys() <= {cell.id for cell in now.cells}


def _between(text: str, start: str, end: str) -> str:
    return text.split(start)[1].split(end)[0].strip()


def _rows(table: str) -> list[list[str]]:
    found = re.findall(r"^\| ([^|-].*) \|$", table, re.MULTILINE)
    return [row.split(" | ") for row in found if not row.startswith("transport")]


def _together(cells: list[str]) -> str:
    """`10/10, 2 lost` of three moments in one."""
    counts = re.findall(r"(\d+)(/\d+| lost| twice)", " ".join(cells))
    kept, lost, twice = (
        sum(int(count) for count, what in counts if what.startswith(which))
        for which in ("/", " lost", " twice")
    )
    of = sum(int(what[1:]) for _, what in counts if what.startswith("/"))
    return f"{kept}/{of}" + (f", {lost} lost" if lost else "") + (f", {twice} twice" if twice else "")
