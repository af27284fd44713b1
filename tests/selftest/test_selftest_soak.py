"""A soak is measured, judged, and judged again without measuring."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchkit.cli.selftest import selftest
from benchkit.errors import BenchkitError
from benchkit.selftest import soak
from benchkit.selftest.soak import judged, kept
from benchkit.selftest.soak_page import lines, page

SLOPE = {
    "per_hour": 0.1e6,
    "per_hour_ci95": [-0.1e6, 0.3e6],
    "first": 70e6,
    "last": 70.1e6,
    "most": 71e6,
    "windows": 60,
    "flat": True,
}
COUNT = {"first": 11, "last": 11, "most": 12, "grown": False}


def told() -> dict[str, Any]:
    account = dict.fromkeys(
        (
            "dropped",
            "rejected",
            "dead_lettered",
            "lost",
            "pending",
            "duplicated",
            "reordered",
            "corrupted",
            "unexpected",
        ),
        0,
    )
    return {
        "benchkit": "0.1.0", "started_utc": "2026-11-23T09:00:00Z", "measured_s": 3600.0, "resumed": [],
        "interrupted": False,
        "environment": {"cpu": "x", "cores": 2, "kernel": "Linux", "python": "CPython 3.11", "git": None},
        "growth": {"runner": {"flat": True, "grown": [], "looks": 360, "span_s": 3590.0, "memory": {"rss_bytes": SLOPE},
                              "counts": {"descriptors": dict(COUNT), "threads": dict(COUNT)}}},
        "cells": [{
            "id": "redis-stream", "blocks": 360, "warmup": 3, "latency_us": {"p50": 1.0},
            "account": {"scheduled": 1000, "delivered": 1000, **account},
            "load": {"offered_per_s": 80.0, "achieved_per_s": 79.9},
            "parameters": {"stage": {"service": 0.01}},
        }],
    }  # fmt: skip


def test_a_soak_in_which_all_is_well_holds() -> None:
    found = judged(told())
    assert found.holds is True
    assert "holds: memory of runner flat: +0.10 MB/h [-0.10, 0.30]" in page(found)
    assert len(list(lines(found))) == len(found.bars) == 5


@pytest.mark.parametrize(
    ("path", "value", "bar"),
    [
        (("growth", "runner", "flat"), False, "memory of runner flat"),
        (("growth", "runner", "counts", "descriptors", "grown"), True, "no growth of descriptors"),
        (("cells", 0, "account", "lost"), 1, "every message accounted for"),
        (("cells", 0, "account", "delivered"), 999, "every message accounted for"),
        (("cells", 0, "account", "duplicated"), 1, "every message accounted for"),
        (("cells", 0, "load", "achieved_per_s"), 70.0, "under load at 80% of capacity"),
        (("cells", 0, "load", "offered_per_s"), 70.0, "under load at 80% of capacity"),
    ],
)
def test_each_bar_breaks_by_what_it_is_about(path: tuple[Any, ...], value: Any, bar: str) -> None:
    changed = deepcopy(told())
    at: Any = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    found = judged(changed)
    assert [each.name for each in found.bars if each.holds is False] == [bar]
    assert found.holds is False


def test_a_soak_that_measured_nothing_is_an_error() -> None:
    nothing = told()
    nothing["cells"][0]["account"]["scheduled"] = 0
    with pytest.raises(BenchkitError, match="measured nothing"):
        judged(nothing)


def test_the_command_measures_and_then_judges_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = tmp_path / "quick.yaml"
    text = (
        soak.SCENARIO.read_text().replace("9s", "600ms").replace("1s,", "100ms,").replace("224x224", "32x32")
    )
    quick.write_text(text.replace("service: 10ms", "service: 1ms").replace("80/s", "800/s"))
    monkeypatch.setattr(soak, "SCENARIO", quick)
    out = tmp_path / "out"
    arguments = ["--soak", "1500ms", "--out", str(out), "--json", "-q"]
    first = CliRunner().invoke(selftest, arguments, standalone_mode=False)
    found = json.loads(first.stdout)
    # Too short for a slope, and on a busy machine the load may not be reached; nothing is lost for all that.
    assert first.return_value in {1, 3}
    bars = {bar["name"]: bar["holds"] for bar in found["bars"]}
    assert bars["memory flat"] is None
    assert bars["every message accounted for"] is True
    assert (out / "soak.md").read_text().startswith("# 0 minutes under load")
    path = kept(out, 1.5)
    assert path is not None
    run = json.loads((path / "run.json").read_text())
    held = [json.loads(line)["held"] for line in (path / "blocks.jsonl").read_text().splitlines()]
    assert {"runner", "producer", "stage-0", "broker"} <= held[0].keys()
    assert kept(out, 3600.0) is None
    again = CliRunner().invoke(selftest, arguments, standalone_mode=False)
    assert json.loads(again.stdout) == found
    assert found["started_utc"] == run["started_utc"]
