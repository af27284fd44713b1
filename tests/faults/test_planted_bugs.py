"""A planted bug of each class of the account, through the whole of `run --faults`: it is counted as what it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import planted_queues
import pytest
import yaml

SITE = "Metadata-Version: 2.1\nName: benchkit-planted\nVersion: 1.0\n"
SCENARIO = {
    "name": "planted",
    "seed": 7,
    "source": {"kind": "sensors", "samples": 16, "channels": 4, "distinct": 4},
    "transport": ["redis-list", *planted_queues.NAMES],
    "stage": "null",
    # An answer would say of a message that its sender gave up that it has come.
    "replies": False,
    "load": {"arrival": "constant", "rate": "200/s"},
    "blocks": {"rounds": 2, "duration": "50ms", "warmup": "10ms", "warmup_max": "10ms", "drain": "200ms"},
    "faults": {
        "warmup": "50ms", "before": "600ms", "after": "200ms", "spread": "50ms", "patience": "2s",
        "inject": [{"kind": "stop", "party": "stage", "lasting": "100ms"}],
    },
}  # fmt: skip
CLASSES = ("lost", "duplicated", "recovered", "unexpected")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("planted")
    site = folder / "site"
    metadata = site / "benchkit_planted-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(SITE)
    lines = [f"{kind} = planted_queues:{name}" for kind, name in planted_queues.NAMES.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[benchkit.transports]", *lines, ""]))
    shutil.copy(planted_queues.__file__, site / "planted_queues.py")
    scenario = folder / "planted.yaml"
    scenario.write_text(yaml.safe_dump(SCENARIO), "utf-8")
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(site), str(root), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "benchkit", "run", str(scenario), "--faults", "--no-floors", "--json", "-q",
         "--out", str(folder / "out")],
        env={**os.environ, "PYTHONPATH": path}, cwd=root, capture_output=True, encoding="utf-8", timeout=120,
        check=False,
    )  # fmt: skip
    assert done.stdout.startswith("{"), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["faults"]
    return found


def of(document: dict[str, Any], transport: str) -> list[dict[str, Any]]:
    """The control, and the trial in which the stage was stopped."""
    found = [trial for trial in document["trials"] if trial["transport"] == transport]
    assert [trial["control"] for trial in found] == [True, False]
    return found


def test_the_queue_without_a_bug_has_none_of_them(document: dict[str, Any]) -> None:
    for trial in of(document, "redis-list"):
        assert [trial["account"][name] for name in CLASSES] == [0, 0, 0, 0], trial["account"]
        assert not trial["breaches"]


@pytest.mark.parametrize("bug", CLASSES)
def test_a_planted_bug_is_counted_as_what_it_is_and_as_nothing_else(
    document: dict[str, Any], bug: str
) -> None:
    for trial in of(document, f"planted-{bug}"):
        account = trial["account"]
        sevenths = account["attempted"] // 7
        # With the end that failed go the answers to what was sent just before.
        most = 2 * sevenths if bug == "recovered" else sevenths + 1
        assert sevenths - 1 <= account[bug] <= most, account
        assert {name: account[name] for name in CLASSES if name != bug} == dict.fromkeys(
            set(CLASSES) - {bug}, 0
        )


@pytest.mark.parametrize("bug", ["lost", "unexpected"])
def test_what_at_least_once_does_not_allow_breaks_the_control_and_with_it_the_cell(
    document: dict[str, Any], bug: str
) -> None:
    control, fault = of(document, f"planted-{bug}")
    assert control["held"] is False
    assert control["breaches"]
    assert "control-not-clean" in {reason["code"] for reason in fault["reasons"]}
    (entry,) = [each for each in document["matrix"] if each["transport"] == f"planted-{bug}"]
    assert (entry["valid"], entry["held"]) == (0, None)


@pytest.mark.parametrize("bug", ["duplicated", "recovered"])
def test_what_it_allows_is_told_and_not_held_against_it(document: dict[str, Any], bug: str) -> None:
    assert [trial["held"] for trial in of(document, f"planted-{bug}")] == [True, True]
