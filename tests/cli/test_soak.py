"""Soaks: as long as asked, killed and resumed, and nothing measured twice or lost."""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shell import Done, benchkit, environment, measure, small, start

from benchkit.analysis.account import fates, open_blocks
from benchkit.records import folder as records
from benchkit.records.samples import Status
from benchkit.records.unfinished import unfinished

SEEDS = int(os.environ.get("BENCHKIT_SOAK_KILLS", "5"))
"""BENCHKIT_SOAK_KILLS=50 kills as many soaks."""
BLOCKS = {"rounds": 1, "duration": "40ms", "warmup": "10ms", "drain": "1s"}
TWO: dict[str, Any] = {"transport": ["unix", "shm"], "blocks": BLOCKS}


@pytest.fixture(scope="module")
def place() -> Iterator[dict[str, str]]:
    """A temporary folder of these tests alone, with a short path: sockets live below it."""
    with tempfile.TemporaryDirectory(prefix="bk-") as folder:
        yield environment(TMPDIR=folder)


def killed(arguments: list[str | Path], delay_s: float, out: Path, env: dict[str, str]) -> bool:
    """Start a command and SIGKILL it a time after its first checkpoint, unless it has ended; whether it was killed."""
    before = marks(out)
    process = start(*arguments, env=env)
    while process.poll() is None and marks(out) == before:
        await_end(process, 0.02)
    if await_end(process, delay_s) is None:
        process.kill()
    process.communicate()
    return process.returncode == -9


def marks(out: Path) -> list[int]:
    """Changes with every checkpoint."""
    return [file.stat().st_mtime_ns for file in out.glob(".*.partial/record.json")]


def await_end(process: subprocess.Popen[str], most_s: float) -> int | None:
    try:
        return process.wait(most_s)
    except subprocess.TimeoutExpired:
        return None


def soaked_and_killed(seed: int, folder: Path, env: dict[str, str]) -> tuple[int, Done]:
    """A soak that is killed at two moments of the seed and resumed to its end; how often it was resumed."""
    folder.mkdir()
    moments, out = random.Random(seed), folder / "out"
    scenario = small(folder, **TWO, seed=seed)
    first: list[str | Path] = [
        "run",
        scenario,
        "-q",
        "--out",
        out,
        "--soak",
        "1500ms",
        "--checkpoint",
        "50ms",
    ]
    again: list[str | Path] = ["run", "--resume", "last", "-q", "--out", out, "--checkpoint", "50ms"]
    resumed = 0
    for _ in range(2):
        known = bool(unfinished(out))
        was_killed = killed(again if known else first, moments.uniform(0.0, 0.9), out, env)
        resumed += known
        if not was_killed:
            break
    if not list(out.glob("[!.]*")):
        resumed += bool(unfinished(out))
        done = benchkit(*(again if unfinished(out) else first), out=out, env=env)
        assert done.code in {0, 3}, done.said
    return resumed, Done(0, "", "", out)


@pytest.mark.timeout(60 + 20 * SEEDS)
def test_a_soak_killed_at_random_moments_and_resumed_has_every_block_once(
    tmp_path: Path, place: dict[str, str]
) -> None:
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(
            pool.map(lambda seed: soaked_and_killed(seed, tmp_path / str(seed), place), range(SEEDS))
        )
    for resumed, done in outcomes:
        run = records.load(done.folder)
        document = done.document
        indices = [block.index for block in run.blocks]
        # Rounds are whole: each block of each cell once, in the order that the seed says.
        assert indices == list(range(len(indices)))
        assert len(indices) % 2 == 0
        assert all(
            {a.cell, b.cell} == set(run.samples)
            for a, b in zip(run.blocks[::2], run.blocks[1::2], strict=True)
        )
        assert [block.round for block in run.blocks] == [index // 2 for index in indices]
        assert run.measured_s >= 1.5
        for cell, samples in run.samples.items():
            own = [block for block in run.blocks if block.cell == cell]
            assert open_blocks(fates(samples), own) == []
            assert np.array_equal(samples["seq"], np.arange(len(samples))), "numbers go on where they stopped"
            assert set(samples["status"].tolist()) <= set(map(int, Status)) - {Status.PENDING}
        assert len(document["resumed"]) == len(run.resumed) == resumed
        assert all(0 < each.block <= len(indices) for each in run.resumed)
        assert not document["interrupted"]
        assert [path.name for path in done.out.iterdir()] == [done.folder.name]
    assert sum(resumed for resumed, _ in outcomes) > 0


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory, place: dict[str, str]) -> Path:
    """The partial folder of a soak whose runner was killed."""
    folder = tmp_path_factory.mktemp("left")
    scenario, out = small(folder, **TWO), folder / "out"
    arguments: list[str | Path] = [
        "run",
        scenario,
        "--out",
        out,
        "--soak",
        "1min",
        "--checkpoint",
        "50ms",
        "-q",
    ]
    process = start(*arguments, env=place)
    try:
        while (
            not (found := list(out.glob(".*/record.json"))) or len(records.load(found[0].parent).blocks) < 4
        ):
            assert await_end(process, 0.05) is None
    finally:
        process.kill()
        process.communicate()
    (partial,) = unfinished(out)
    return partial


def test_a_report_on_a_run_that_never_ended_says_so(left: Path, tmp_path: Path) -> None:
    done = benchkit("report", left, "--out", tmp_path, out=tmp_path)
    assert done.code == 0, done.said
    (page,) = tmp_path.glob("*/report.md")
    assert "interrupted" in page.read_text()


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--set", "blocks.duration=60ms"], "blocks.duration was 0.04 and is 0.06"),
        (["--set", "load.rate=300/s"], "load.rate was 200.0 and is 300.0"),
        (["--only", "transport=shm"], "cells was"),
    ],
)
def test_another_scenario_is_refused_by_the_name_of_the_field(
    left: Path, more: list[str], named: str
) -> None:
    done = benchkit("run", "--resume", left, *more, out=left.parent)
    assert done.code == 2
    assert named in done.stderr
    assert "Traceback" not in done.said
    assert unfinished(left.parent) == [left]


def test_what_cannot_be_resumed_says_why(left: Path, tmp_path: Path) -> None:
    for name, said in (
        (str(tmp_path), "never ended"),
        ("last", "no unfinished run"),
        ("none", "no such folder"),
    ):
        done = benchkit("run", "--resume", name, "--out", tmp_path, out=tmp_path)
        assert (done.code, said in done.stderr) == (2, True), done.said
    assert benchkit("run", out=tmp_path).code == 2


def test_a_run_mentions_the_ones_that_never_ended(left: Path, tmp_path: Path) -> None:
    done = measure(small(tmp_path, blocks=BLOCKS), left.parent)
    assert "--resume last" in " ".join(done.stdout.split())
    assert left.exists(), "nobody's data is removed"


def test_a_secret_is_not_written_down_and_asked_for_again(tmp_path: Path, place: dict[str, str]) -> None:
    from benchkit.cli.resume import Asked, asked
    from benchkit.errors import UsageError

    password = "transport.password=hunter2"  # noqa: S105  (what must not be written down)
    given = Asked("s.yaml", (password, "blocks.rounds=2", "load.rate=5/s"), ("transport=shm",), True)
    text = json.dumps(given.plain())
    assert "hunter2" not in text
    (tmp_path / "asked.json").write_text(text)
    with pytest.raises(UsageError, match=r"transport\.password"):
        asked(tmp_path, Asked(""))
    again = asked(tmp_path, Asked("", (password,)))
    assert set(again.sets) == set(given.sets)
    assert (again.only, again.quick, Path(again.scenario).name) == (given.only, True, "s.yaml")


def test_dry_run_says_how_long_a_soak_lasts(tmp_path: Path) -> None:
    done = benchkit("run", small(tmp_path, **TWO), "--soak", "2h", "--dry-run", out=tmp_path)
    said = " ".join(done.stdout.split())
    assert done.code == 0, done.said
    assert "a soak of 2 h" in said
    assert "Expected to take about 7203 s" in said


def test_dry_run_tells_of_every_scenario(tmp_path: Path) -> None:
    scenario = small(tmp_path, **TWO)
    done = benchkit("run", scenario, scenario, "--dry-run", out=tmp_path)
    assert (done.code, done.stdout.count("Expected to take")) == (0, 2), done.said


def test_a_soak_without_room_for_a_round_is_refused_with_the_smallest_that_would_do(tmp_path: Path) -> None:
    done = measure(
        small(tmp_path, **{**TWO, "blocks": {**BLOCKS, "duration": "2s"}}), tmp_path / "out", "--soak", "3s"
    )
    assert done.code == 2
    assert "blocks.soak: 5s or more" in done.stderr
    search = small(tmp_path, **TWO, load={"find": "capacity", "slo": {"p99": "50ms"}})
    done = measure(search, tmp_path / "out", "--soak", "1min")
    assert (done.code, "leave blocks.soak out" in done.stderr) == (2, True), done.said
    done = measure(small(tmp_path, **TWO), tmp_path / "out", "--soak", "soon")
    assert (done.code, "not a duration" in done.stderr) == (2, True)
