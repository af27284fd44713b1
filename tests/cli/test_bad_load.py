"""Loads that make no sense are refused at the command line before anything runs, and those that do are played."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shell import Done, benchkit, environment, measure, small

BURSTS = {"arrival": "mmpp", "quiet_rate": 0, "burst_rate": "100/s", "quiet_dwell": "1s", "burst_dwell": "1s"}
CASES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "rate of zero": (
        {"load": {"arrival": "gamma", "rate": "0/s", "cv": 1}},
        ("small.yaml:", "arrival gamma: rate: expected more than 0, found '0/s'"),
    ),
    "negative cv": (
        {"load": {"arrival": "gamma", "rate": "5/s", "cv": -1}},
        ("small.yaml:", "arrival gamma: cv: expected at least 0.01, found -1"),
    ),
    "negative dwell": (
        {"load": {**BURSTS, "burst_dwell": "-1s"}},
        ("small.yaml:", "arrival mmpp: burst_dwell: not a duration", "found '-1s'"),
    ),
    "ramp from nothing to nothing": (
        {"load": {"arrival": "ramp", "from_rate": 0, "to_rate": 0}},
        ("small.yaml:", "a ramp from 0 to 0 has no message", "say 10/s"),
    ),
    "unsorted trace": (
        {"load": {"arrival": "trace", "path": "unsorted.csv"}},
        ("small.yaml:", "unsorted.csv:4: is 1 earlier than the stamp before it", "sort the file by time"),
    ),
    "empty trace": (
        {"load": {"arrival": "trace", "path": "empty.csv"}},
        ("small.yaml:", "empty.csv: holds no stamp", "two stamps at least"),
    ),
    "two scales": (
        {"load": {"arrival": "trace", "path": "good.csv", "rate": "5/s", "speed": 2}},
        ("small.yaml:", "scaled by rate or by speed, not by both; remove one"),
    ),
    "too short for its percentile": (
        {"load": {"arrival": "constant", "rate": "100/s"}, "slo": {"p99": "1s"}},
        ("small.yaml:", "p99 needs 459", "blocks.duration: 2.3s, or blocks.rounds: 31"),
    ),
}


def files(folder: Path) -> None:
    (folder / "unsorted.csv").write_text("time\n1\n3\n2\n")
    (folder / "empty.csv").write_text("time\n")
    (folder / "good.csv").write_text("time\n1\n1.02\n1.04\n1.2\n")


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    def outcome(name: str, folder: Path) -> Done:
        files(folder)
        path = small(folder, **CASES[name][0])
        return benchkit("run", path, "--dry-run", "--out", folder / "out", out=folder / "out")

    folders = [tmp_path_factory.mktemp("load") for _ in CASES]
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(CASES, pool.map(outcome, CASES, folders), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_with_the_smallest_change(refused: dict[str, Done], name: str) -> None:
    done, words = refused[name], CASES[name][1]
    assert done.code == 2, done.said
    said = " ".join(done.stderr.split())
    assert [word for word in words if word not in said] == [], done.stderr
    assert "Traceback" not in done.said
    assert done.stdout == ""
    assert not done.out.exists()


def test_each_arrival_is_played(tmp_path: Path) -> None:
    """One block each, and the samples are as many as its schedule has; the last trace repeats."""
    files(tmp_path)
    loads = [
        {"arrival": "gamma", "rate": "200/s", "cv": 2},
        {**BURSTS, "quiet_rate": "100/s", "burst_rate": "300/s"},
        {"arrival": "ramp", "from_rate": 0, "to_rate": "400/s", "spacing": "poisson"},
        {"arrival": "trace", "path": "good.csv", "rate": "200/s"},
        {"arrival": "trace", "path": "good.csv", "speed": 10},
    ]
    blocks = {"rounds": 1, "duration": "170ms", "warmup": "30ms", "drain": "1s"}
    done = measure(small(tmp_path, load=loads, blocks=blocks), tmp_path / "out")
    assert "Traceback" not in done.said
    assert {cell["arrival"] for cell in done.record["cells"]} == {"gamma", "mmpp", "ramp", "trace"}
    for cell in done.document["cells"]:
        (path,) = done.folder.glob(f"samples/{cell['id'].replace('/', '*')}.npy")
        # It lasts 0.2 s and a mean gap, so at ten times the speed seven times and three stamps fit in 0.2 s.
        count = 7 * 4 + 3 if cell["id"].endswith("x10") else 40
        samples = np.load(path)
        assert len(samples) == count, cell["id"]


def test_list_and_schema_name_them() -> None:
    listed = benchkit("list", "arrivals", "--json", out=Path(), env=environment())
    rows = {row["kind"]: row for row in json.loads(listed.stdout)["arrivals"]}
    assert set(rows) >= {"constant", "poisson", "gamma", "mmpp", "ramp", "trace", "closed"}
    assert all(row["what"] and not row["missing"] for row in rows.values())
    schema = json.loads(benchkit("schema", out=Path()).stdout)
    described = {
        one["properties"][tag]["const"]: one["properties"]
        for one in schema["$defs"]["load"]["oneOf"][1:]
        for tag in ("arrival", "find")
        if "const" in one["properties"].get(tag, {})
    }
    assert set(described["trace"]) == {"arrival", "path", "column", "key", "unit", "rate", "speed"}
    assert set(described["mmpp"]) == {"arrival", "quiet_rate", "burst_rate", "quiet_dwell", "burst_dwell"}
    assert all(
        option.get("description")
        for name in rows
        for key, option in described[name].items()
        if key not in {"arrival", "find"}
    )
