"""The kill matrix: every trial once, in shards that merge; what is broken is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.cli import cli
from benchkit.selftest.kills.log import Log
from benchkit.selftest.kills.page import page
from benchkit.selftest.kills.plan import Column, columns, planned, shard
from benchkit.selftest.kills.run import document
from benchkit.transports.base import registry

UNIX = Column("unix", {"kind": "unix"})
STREAM = Column("redis-stream", {"kind": "redis-stream"})


def test_every_transport_whose_parties_are_processes_is_in_it() -> None:
    chosen, left = columns()
    there = {column.config["kind"] for column in chosen}
    assert there | set(left) == set(registry.entries())
    assert "inproc" in left
    for kind in left:
        cls = registry.load(kind)
        assert (
            cls.lacks() is not None
            or cls().capabilities().same_process
            or cls().capabilities().external_stage
        )
    # What memory alone holds is told apart from what a disk holds.
    names = {column.name: column.build().capabilities().durability for column in chosen}
    assert names["redis-stream"] == "memory"
    assert names["redis-stream (AOF always)"] == "disk"


def test_three_parties_two_faults_three_moments_and_a_control() -> None:
    trials = planned([UNIX, STREAM], seeds=10)
    assert len({each.key for each in trials}) == len(trials) == 10 * (12 + 1 + 18 + 1)
    assert not [each for each in trials if each.party == "broker" and each.column is UNIX]


@given(st.integers(1, 12), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_shards_are_a_partition(of: int, seeds: int) -> None:
    trials = planned([UNIX, STREAM], seeds)
    parts = [shard(trials, number, of) for number in range(1, of + 1)]
    assert sorted(each.key for part in parts for each in part) == sorted(each.key for each in trials)


def line(trial: Any, **changes: Any) -> dict[str, Any]:
    counts = ("attempted", "acknowledged", "lost", "unknown", "recovered", "duplicated", "unexpected", "torn")
    return {
        "trial": trial.key, "transport": trial.column.name, "fault": trial.fault, "party": trial.party,
        "moment": trial.moment, "seed": trial.seed, "valid": True, "reasons": [], "held": True, "breaches": [],
        "allowed": "", "declared": {"delivery": "at-least-once", "durability": "memory", "level": ""}, "in_flight": 2,
        "account": dict.fromkeys(counts, 0), "noticed": [], "load": 1.0, "measured_utc": "2026-01-02T03:04:05+00:00",
        "seconds": 1.0, **changes,
    }  # fmt: skip


def test_files_of_shards_count_together_and_what_was_invalid_is_tried_again(tmp_path: Path) -> None:
    trials = planned([UNIX], seeds=2)
    first, second = Log(tmp_path / "a", (1, 2)), Log(tmp_path / "b", (2, 2))
    for each in trials[:5]:
        first.keep(line(each))
    second.keep(line(trials[5]))
    second.keep(line(trials[6], valid=False, held=None))
    both = Log(tmp_path / "a", (1, 1), [tmp_path / "b"])
    assert len(both.lines) == 7
    assert both.left(trials) == trials[6:]


def test_a_line_that_a_kill_cut_is_run_again(tmp_path: Path) -> None:
    trials = planned([UNIX], seeds=1)
    log = Log(tmp_path)
    for each in trials[:2]:
        log.keep(line(each))
    file = tmp_path / "kills.jsonl"
    file.write_bytes(file.read_bytes()[:-9])
    assert Log(tmp_path).left(trials) == trials[1:]


def test_one_broken_guarantee_breaks_the_whole_and_stands_on_the_page() -> None:
    trials = planned([UNIX, STREAM], seeds=1)
    whole = [line(each) for each in trials]
    assert document(whole)["holds"] is True
    assert "every declared guarantee kept\n" in page(document(whole))
    part = {**document(whole), "to_go": 7}
    assert "every declared guarantee kept so far; 7 trials of the matrix are still to be run" in page(part)
    lost = {**whole[0]["account"], "lost": 3}
    whole[-1] = line(trials[-1], held=False, breaches=["3 acknowledged messages lost"], account=lost)
    found = document(whole)
    assert found["holds"] is False
    assert found["broken"] == [trials[-1].key]
    text = page(found)
    assert "**0/1, 3 lost**" in text
    assert "not kept in 1" in text
    assert "3 acknowledged messages lost" in text


@pytest.mark.parametrize(
    "changes", [{"held": None}, {"valid": False, "held": None, "reasons": ["nothing bit"]}]
)
def test_what_is_not_decided_is_not_kept(changes: dict[str, Any]) -> None:
    trials = planned([UNIX], seeds=1)
    lines = [line(each) for each in trials[:-1]]
    assert document([*lines, line(trials[-1], **changes)])["holds"] is None
    assert document([])["holds"] is None


@pytest.mark.parametrize("shard_", ["0/2", "3/2", "1", "a/b"])
def test_a_shard_that_is_none_is_refused(shard_: str) -> None:
    found = CliRunner().invoke(cli, ["selftest", "--kills", "--shard", shard_])
    assert found.exit_code == 2


def test_real_trials_are_kept_and_taken_up_again(tmp_path: Path) -> None:
    arguments = ["selftest", "--kills", "--quick", "--only", "unix", "--out", str(tmp_path), "-q"]
    # Of the thirteen trials of a seed only the last is left to run.
    trials = planned([UNIX], seeds=1)
    log = Log(tmp_path)
    for each in trials[:-1]:
        log.keep(line(each))
    found = CliRunner().invoke(cli, arguments)
    assert found.exit_code == 0, found.output
    lines = [json.loads(text) for text in (tmp_path / "kills.jsonl").read_text().splitlines()]
    assert [each["trial"] for each in lines] == [each.key for each in trials]
    last = lines[-1]
    assert last["valid"], last["reasons"]
    assert "state T" in last["proof"]
    assert last["account"]["attempted"] > 20
    assert (tmp_path / "kills.md").read_text() in found.output
