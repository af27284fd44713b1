"""The GitHub Action and the examples beside it: their structure, and its script with a benchkit that takes notes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from benchkit.cli import cli

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github" / "actions" / "benchkit"

NOTES = """\
#!{python}
import json, os, sys
with open(os.environ["NOTES"], "w") as notes:
    json.dump(sys.argv[1:], notes)
sys.exit(int(os.environ.get("CODE", "0")))
"""


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "action.yml").read_text("utf-8"))


def examples() -> list[Any]:
    text = (FOLDER / "README.md").read_text("utf-8")
    # YAML 1.1 reads GitHub's key `on` as a truth value.
    return [
        yaml.safe_load(each.replace("\non:", '\n"on":'))
        for each in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    ]


def test_the_action_has_the_structure_of_a_composite_one(action: dict[str, Any]) -> None:
    assert action["runs"]["using"] == "composite"
    for step in action["runs"]["steps"]:
        assert ("uses" in step) != ("run" in step)
        if "run" in step:
            assert step["shell"] == "bash"
    for name, each in action["inputs"].items():
        assert each["description"], name
        assert each.get("required") or isinstance(each["default"], str), name
    used = set(re.findall(r"inputs\.([a-z-]+)", (FOLDER / "action.yml").read_text("utf-8")))
    assert used == set(action["inputs"])
    ids = {step["id"] for step in action["runs"]["steps"] if "id" in step}
    assert {each["value"].split(".")[1] for each in action["outputs"].values()} <= ids


def test_no_input_is_text_of_a_script_and_no_secret_is_asked_for(action: dict[str, Any]) -> None:
    for step in action["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
    for file in ("action.yml", "README.md"):
        assert "secrets." not in (FOLDER / file).read_text("utf-8")


def test_every_option_of_the_script_is_one_of_benchkit_check(action: dict[str, Any]) -> None:
    (step,) = (step for step in action["runs"]["steps"] if step.get("id") == "check")
    told = CliRunner().invoke(cli, ["check", "--help"]).output
    lines = [line for line in step["run"].splitlines() if "git fetch" not in line]
    options = set(re.findall(r"[( ](--[a-z]+) ", "\n".join(lines)))
    assert options == {"--out", "--export", "--base", "--baseline"}
    assert all(option in told for option in options)


def ran(
    action: Mapping[str, Any], folder: Path, code: int = 0, **given: str
) -> tuple[list[str], int, str, str]:
    """Arguments that benchkit got, exit code, what was said, and the step's outputs."""
    (step,) = (step for step in action["runs"]["steps"] if step.get("id") == "check")
    binary = folder / "benchkit" / "bin" / "benchkit"
    binary.parent.mkdir(parents=True, exist_ok=True)
    binary.write_text(NOTES.format(python=sys.executable), "utf-8")
    binary.chmod(0o755)
    notes, outputs = folder / "notes.json", folder / "outputs"
    outputs.write_text("", "utf-8")
    env = {
        "PATH": os.environ["PATH"], "RUNNER_TEMP": str(folder), "GITHUB_OUTPUT": str(outputs), "NOTES": str(notes),
        "CODE": str(code), **dict.fromkeys(step["env"], ""), "SCENARIO": "scenarios/dam.yaml", **given,
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    arguments = json.loads(notes.read_text("utf-8")) if notes.exists() else []
    return arguments, done.returncode, done.stdout + done.stderr, outputs.read_text("utf-8")


def test_scenarios_arguments_and_base_reach_benchkit_whole(action: dict[str, Any], tmp_path: Path) -> None:
    arguments, code, _, outputs = ran(
        action,
        tmp_path,
        SCENARIO="a.yaml b.yaml",
        BASE="v1.0",
        ASKED="v1.0",
        ARGUMENTS="--quick --only transport=shm",
    )
    assert code == 0
    assert arguments[:8] == [
        "check",
        "a.yaml",
        "b.yaml",
        "--base",
        "v1.0",
        "--quick",
        "--only",
        "transport=shm",
    ]
    assert "exit-code=0" in outputs


def test_a_branch_may_be_called_anything(action: dict[str, Any], tmp_path: Path) -> None:
    name = "x; touch hacked $(touch hacked) `touch hacked`"
    arguments, code, _, _ = ran(action, tmp_path, BASE=name, ASKED=name)
    assert (arguments[3], code) == (name, 0)
    assert not (tmp_path / "hacked").exists()


def test_a_baseline_takes_the_place_of_a_base_and_none_means_promises(
    action: dict[str, Any], tmp_path: Path
) -> None:
    arguments, *_ = ran(action, tmp_path, BASELINE="results/baselines", BASE="main", PULL_REQUEST="main")
    assert arguments[:4] == ["check", "scenarios/dam.yaml", "--baseline", "results/baselines"]
    arguments, *_ = ran(action, tmp_path, BASE="none", ASKED="none")
    assert arguments[2] == "--out"


def test_the_base_of_a_pull_request_is_fetched_into_a_shallow_checkout(
    action: dict[str, Any], tmp_path: Path
) -> None:
    def git(*arguments: str, cwd: Path) -> None:
        own = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *own, *arguments], cwd=cwd, check=True, capture_output=True, timeout=30)

    far = tmp_path / "far"
    far.mkdir()
    git("init", "-q", "-b", "main", cwd=far)
    git("commit", "-q", "--allow-empty", "-m", "one", cwd=far)
    git("checkout", "-q", "-b", "topic", cwd=far)
    git("commit", "-q", "--allow-empty", "-m", "two", cwd=far)
    git("clone", "-q", "--depth=1", "--branch=topic", far.as_uri(), "here", cwd=tmp_path)
    here = tmp_path / "here"
    arguments, code, said, _ = ran(action, here, BASE="main", PULL_REQUEST="main")
    assert code == 0, said
    assert arguments[2:4] == ["--base", "origin/main"]
    git("rev-parse", "--verify", "origin/main^{commit}", cwd=here)


@pytest.mark.parametrize(
    ("code", "fails", "expected"),
    [(0, "", 0), (1, "", 1), (3, "false", 0), (3, "true", 3), (4, "", 4), (2, "", 2)],
)
def test_undecided_fails_the_job_only_where_it_is_asked_to(
    action: dict[str, Any], tmp_path: Path, code: int, fails: str, expected: int
) -> None:
    _, found, said, outputs = ran(action, tmp_path, code, UNDECIDED_FAILS=fails)
    assert found == expected
    assert f"exit-code={code}" in outputs
    assert ("::warning title=benchkit::undecided" in said) == (code == 3 and expected == 0)


def test_the_examples_are_workflows_of_this_action_and_of_gitlab(action: dict[str, Any]) -> None:
    workflow, gitlab = examples()
    assert workflow["on"] == "pull_request"  # never pull_request_target
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    (step,) = (step for step in job["steps"] if step["uses"].endswith("actions/benchkit"))
    assert (ROOT / step["uses"]).is_dir()
    assert set(step["with"]) <= set(action["inputs"])
    assert (ROOT / step["with"]["scenario"]).is_file()
    (job,) = gitlab.values()
    assert job["allow_failure"] == {"exit_codes": [3]}
    assert job["artifacts"]["reports"] == {"junit": "check.xml"}
    assert any(line.startswith("benchkit check scenarios/dam.yaml --base ") for line in job["script"])
