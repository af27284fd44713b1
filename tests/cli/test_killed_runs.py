"""Runs killed at seeded moments leave nothing that lives and nothing that cannot be read; see killed_runs.py."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import killed_runs
import pytest
from killed_runs import LIVES, Campaign, Kill, Seen, campaign, table, told
from shell import benchkit, environment

from benchkit.errors import RecordError
from benchkit.records import folder as records
from benchkit.runtime.folders import SEGMENTS

KILLS = int(os.environ.get("BENCHKIT_KILLED_RUNS", "6"))
"""BENCHKIT_KILLED_RUNS=300 is the long form; BENCHKIT_KILLED_RUNS_LOG=FILE goes on with what the file holds."""
LOG = os.environ.get("BENCHKIT_KILLED_RUNS_LOG", "")
STAYS = """
import socket, sys
listening = socket.create_server(("127.0.0.1", 0))
segment = open(sys.argv[1], "wb")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.timeout(120 + 15 * KILLS)
def test_killed_runs_leave_nothing_behind_and_nothing_that_report_cannot_read(tmp_path: Path) -> None:
    outcomes = campaign(
        Path(LOG) if LOG else tmp_path / "kills.jsonl", KILLS, time.monotonic() + 100 + 14 * KILLS
    )
    assert [what for each in outcomes for what in each["wrong"]] == []
    assert sum(each["met"] for each in outcomes) >= KILLS, table(outcomes)


def test_moments_are_of_every_kind_and_the_same_each_time() -> None:
    kills = [Kill.of(number) for number in range(300)]
    assert kills == [Kill.of(number) for number in range(300)]
    assert {kill.life for kill in kills} == set(LIVES)
    assert {kill.by for kill in kills} == {"clock", "operation"}
    assert {kill.signal for kill in kills} == {2, 9, 15}
    assert len({kill.at for kill in kills}) == 300


def test_that_a_process_a_socket_a_segment_and_a_file_that_stay_would_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(killed_runs, "GONE_S", 0.1)
    segment = SEGMENTS / f"killed-runs-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="bk-") as place:
        env = environment(TMPDIR=place)
        process = subprocess.Popen(
            [sys.executable, "-c", STAYS, str(segment)],
            env=env,
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            seen = Seen(place)
            seen.look()
            assert [each.pid for each in seen.own()] == [process.pid]
            assert len(killed_runs._await_gone(seen.own())) == 1
            assert len(seen.listening()) == 1
            assert seen.segments == {segment}
            (Path(place) / "stays").touch()
            _, left = Campaign(Path(place), tmp_path, guess=True)._sweep(seen.segments)
            assert sorted(left) == sorted([f"{place}/stays", str(segment)])
        finally:
            process.kill()
            process.communicate()
            segment.unlink(missing_ok=True)
        assert killed_runs._await_gone(seen.own()) == []
        assert seen.listening() == []


def test_a_folder_whose_runner_died_before_its_first_block_is_told_as_empty(tmp_path: Path) -> None:
    empty = tmp_path / ".dam-20261123T090000Z-abcdef.partial"
    (empty / "samples").mkdir(parents=True)
    (empty / "blocks.jsonl").touch()
    code, said = told(["report", str(empty)])
    assert code == 0
    assert "nothing was measured" in said
    with pytest.raises(RecordError, match="nothing was measured"):
        records.load(empty)
    done = benchkit("run", "--resume", empty, out=tmp_path)
    assert (done.code, "Traceback" in done.said) == (4, False), done.said
