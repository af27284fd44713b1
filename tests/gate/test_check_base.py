"""`benchkit check --base` as a person uses it: a repository in which one commit made one cell slower."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-m", "benchkit", "check", "s.yaml", *arguments],
        cwd=folder, capture_output=True, text=True, check=False, timeout=280, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


@pytest.mark.quiet
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_slower_stage_fails_with_its_cell(repository: Path) -> None:
    stage = repository / "stage.py"
    stage.write_text(stage.read_text("utf-8").replace("8: 1_000_000", "8: 4_000_000"), "utf-8")
    done = check(repository, "--base", "main", "--json", "--only", "id=*16x8*", "--blocks", "5")
    assert done.returncode == 1, done.stdout + done.stderr
    made = json.loads(done.stdout)
    (row,) = made["rows"]
    assert (row["cell"], row["metric"], row["verdict"]) == ("unix/raw/sensors-16x8/closed-1", "p50", "FAIL")
    (folder,) = (repository / "results").iterdir()
    assert json.loads((folder / "gate.json").read_text("utf-8")) == made
    runs = [json.loads(line) for line in (folder / "runs.jsonl").read_text("utf-8").splitlines()]
    assert {(run["phase"], run["side"]) for run in runs} == {
        (phase, side) for phase in ("measure", "confirm") for side in ("base", "candidate")
    }
    assert "about" in done.stderr.splitlines()[0]  # how long, before anything is measured


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--base", "nosuch"), 2, "nosuch"),
        (("--base", "main", "--blocks", "5"), 2, "6 blocks or more"),
        (("--base", "main", "--profile"), 2, "--profile"),
        (("--blocks", "9"), 2, "--base"),
    ],
)
def test_wrong_use(repository: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = check(repository, *arguments)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
