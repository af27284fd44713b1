"""Interrupted runs: what was measured is kept, and nothing is left behind; killed ones are in test_killed_runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from shell import Done, await_line, benchkit, environment, interrupt_group, relatives, small, start

from benchkit.records import folder as records
from benchkit.runtime.folders import SEGMENTS

ROUNDS = {"rounds": 10, "duration": "150ms", "warmup": "20ms", "drain": "1s"}
EVERYTHING: dict[str, Any] = {
    "transport": ["http", {"kind": "redis-list", "socket": "tcp"}, "shm", "unix"],
    "load": {"arrival": "constant", "rate": "100/s"},
    "source": {"kind": "camera", "size": "160x120", "distinct": 2},
}


def finished(process: subprocess.Popen[str], out: Path) -> Done:
    stdout, stderr = process.communicate(timeout=60)
    return Done(process.returncode, stdout, stderr, out)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A temporary folder of these tests alone: what other runs have on this machine is not ours."""
    # Not pytest's: the path of a socket below it would be too long.
    with tempfile.TemporaryDirectory(prefix="bk-") as folder:
        yield Path(folder)


def left_in(place: Path) -> list[str]:
    return sorted(path.name for path in place.glob(f"benchkit-{os.getuid()}/*"))


def names_in(place: Path) -> set[str]:
    """The names of runs that have or had something here."""
    return {Path(name).stem for name in left_in(place)}


def segments(names: set[str]) -> list[str]:
    """Shared memory that carries one of these names."""
    return sorted(path.name for name in names for path in SEGMENTS.glob(f"benchkit-{name}*"))


@pytest.fixture(scope="module", params=[signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def interrupted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, place: Path
) -> Done:
    folder = tmp_path_factory.mktemp("interrupted")
    scenario = small(folder, **EVERYTHING, blocks=ROUNDS)
    process = start("run", scenario, "--out", folder / "out", "--json", env=environment(TMPDIR=str(place)))
    await_line(process, "measuring: 4/")
    below, names = relatives(process.pid), names_in(place)
    assert len(below) >= 3
    # It is interrupted while a block holds shared memory.
    until = time.monotonic() + 30
    while not segments(names):
        assert time.monotonic() < until
    if request.param is signal.SIGINT:
        interrupt_group(process)
    else:
        process.terminate()
    done = finished(process, folder / "out")
    assert left_in(place) == []
    assert segments(names) == []
    assert not [pid for pid in below if alive(pid)]
    return done


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_an_interrupt_is_exit_code_130_and_no_traceback(interrupted: Done) -> None:
    assert interrupted.code == 130, interrupted.stderr
    assert "Traceback" not in interrupted.said


def test_what_was_measured_until_then_is_saved_whole_and_says_so(interrupted: Done) -> None:
    document = interrupted.document
    assert document["interrupted"] is True
    assert json.loads(interrupted.stdout) == document
    assert "interrupted" in interrupted.stderr
    run = records.load(interrupted.folder)
    assert len(run.blocks) >= 4
    assert sum(cell["account"]["delivered"] for cell in document["cells"]) > 40
    assert [path.name for path in interrupted.out.iterdir()] == [interrupted.folder.name]


def test_an_interrupted_run_can_be_compared(interrupted: Done) -> None:
    done = benchkit("compare", interrupted.folder, interrupted.folder, out=interrupted.out)
    assert done.code == 0, done.stderr


def test_an_interrupt_before_anything_was_measured_is_readable_too(tmp_path: Path) -> None:
    process = start("run", small(tmp_path, blocks=ROUNDS), "--out", tmp_path / "out")
    await_line(process, "making messages")
    interrupt_group(process)
    done = finished(process, tmp_path / "out")
    assert done.code == 130
    assert "Traceback" not in done.said
    assert records.load(done.folder).interrupted


def test_an_interrupt_leaves_out_the_scenarios_that_were_to_come(tmp_path: Path) -> None:
    first = small(tmp_path, blocks=ROUNDS)
    second = small(tmp_path, name="second").rename(tmp_path / "second.yaml")
    first = small(tmp_path, blocks=ROUNDS)
    process = start("run", first, second, "--out", tmp_path / "out")
    await_line(process, "measuring: 4/")
    interrupt_group(process)
    done = finished(process, tmp_path / "out")
    assert done.code == 130
    assert done.folder.name.startswith("small-")


def test_two_runs_at_the_same_time_do_not_disturb_each_other(place: Path, tmp_path: Path) -> None:
    scenario = small(tmp_path, **EVERYTHING, blocks={**ROUNDS, "rounds": 1})
    out = tmp_path / "out"
    processes = [
        start("run", scenario, "--out", out, "--json", env=environment(TMPDIR=str(place))) for _ in range(2)
    ]
    documents = []
    for process in processes:
        stdout, stderr = process.communicate(timeout=90)
        assert process.returncode in {0, 3}, stderr
        documents.append(json.loads(stdout))
    for document in documents:
        assert all(
            cell["account"]["delivered"] == cell["account"]["scheduled"] > 0 for cell in document["cells"]
        )
        assert not any(cell["account"]["unexpected"] for cell in document["cells"])
    assert len(list(out.glob("small-*/run.json"))) == 2
    assert left_in(place) == []
