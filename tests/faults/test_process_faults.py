"""Processes killed and stopped under load, at their moments, through the whole lane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from small_trials import Lane, lane

from benchkit.analysis.recovery import accounted, judged
from benchkit.records.faults import Trial
from benchkit.records.operations import Operations
from benchkit.stages.synthetic import Synthetic

STAGE = Synthetic(service=0.003, busy="sleep")
UNIX, STREAM = {"kind": "unix"}, {"kind": "redis-stream"}


@pytest.fixture(scope="module")
def trials() -> Iterator[Lane]:
    with lane() as made:
        yield made


def run(trials: Lane, transport: dict[str, Any], **fault: Any) -> tuple[Trial, Operations]:
    given = {"kind": "kill", "lasting": 0.1, **fault}
    trial, rows = trials.trial(transport, given, stage=STAGE)
    assert trial.errors == ()
    assert trial.drained
    assert trial.proof, trial.notes
    verdict = judged(trial, accounted(trial, rows))
    assert verdict.held is True, verdict.breaches
    return trial, rows


def worked_on_after(rows: Operations, at_ns: int) -> int:
    return int(np.count_nonzero(rows["finished"] > at_ns))


@pytest.mark.parametrize("transport", [UNIX, STREAM], ids=["unix", "redis-stream"])
def test_a_worker_killed_with_a_message_in_its_hands(trials: Lane, transport: dict[str, Any]) -> None:
    trial, rows = run(trials, transport, party="stage", moment="mid-message")
    assert trial.moment["reached"], trial.moment
    assert trial.moment["at_hand"] == 1
    assert "exit status -9" in trial.proof
    (death,) = trial.deaths
    assert death["party"] == "stage-0"
    assert death["at_ns"] >= trial.injected_ns
    (restart,) = trial.restarts
    # Dead for as long as it should be, then ready, then at work again.
    assert restart["at_ns"] - death["at_ns"] >= 0.1e9
    assert restart["ready_ns"] > restart["at_ns"]
    assert worked_on_after(rows, restart["ready_ns"])
    assert any(each["by"] == "supervisor" and each["how"] == "exit" for each in trial.detections)
    account = accounted(trial, rows)
    if transport is STREAM:
        # What it held is delivered again, to its successor.
        assert (account.lost, account.duplicated) == (0, 1)
    else:
        assert 1 <= account.lost <= account.caught
        assert account.duplicated == 0


def test_a_producer_killed_before_a_backlog_goes_on_where_it_was(trials: Lane) -> None:
    trial, rows = run(trials, STREAM, party="producer", moment="backlog")
    assert trial.moment["queued"] >= 2
    assert set(rows["turn"].tolist()) == {0, 1}
    # Every number of the schedule once, in order, whoever sent it.
    assert rows["seq"].tolist() == list(range(len(rows)))
    assert (np.diff(rows["due"]) > 0).all()
    assert (np.diff(rows["turn"]) >= 0).all()


def test_an_idle_cell_has_nothing_to_lose(trials: Lane) -> None:
    trial, _ = run(trials, UNIX, party="stage", moment="idle")
    assert trial.moment["reached"]
    assert trial.in_flight_at_injection == 0
    assert trial.moment["found"] == "nothing under way"


def paused_s(trial: Trial, stamps: npt.NDArray[np.int64]) -> float:
    """The longest time without one that reaches into the fault's."""
    moments = np.sort(stamps[stamps > 0])
    before, after = moments[:-1], moments[1:]
    reaches = (after > trial.injected_ns) & (before < trial.healed_ns)
    return float((after - before)[reaches].max()) / 1e9


def test_a_stopped_worker_does_nothing_until_it_may_go_on(trials: Lane) -> None:
    trial, rows = run(trials, STREAM, kind="stop", party="stage", moment="mid-message", lasting=0.4)
    assert "state T" in trial.proof
    assert trial.deaths == ()
    assert paused_s(trial, rows["finished"]) >= 0.4
    assert worked_on_after(rows, trial.healed_ns)
    # Nobody tells of it but its heart.
    assert [each["how"] for each in trial.detections if each["by"] == "supervisor"] == ["heartbeat"]


def test_a_broker_that_dies_takes_what_it_held_and_is_started_again(trials: Lane) -> None:
    trial, rows = run(trials, STREAM, party="broker", moment="backlog")
    assert [each["party"] for each in trial.deaths] == ["broker"]
    assert "exit status -9" in trial.proof
    assert [each["party"] for each in trial.restarts if each["party"] == "broker"]
    errors = {each["by"] for each in trial.detections if each["how"] == "error"}
    assert {"producer", "stage-0"} <= errors
    assert worked_on_after(rows, trial.healed_ns)


def test_a_crash_loop_kills_each_life(trials: Lane) -> None:
    trial, rows = run(trials, UNIX, kind="crash-loop", party="stage", times=3, every=0.05)
    assert [each["party"] for each in trial.deaths] == ["stage-0"] * 3
    assert trial.proof.count("exit status -9") == 3
    assert len({each["at_ns"] for each in trial.restarts}) == 3
    assert worked_on_after(rows, trial.restarts[-1]["ready_ns"])


def test_two_at_once(trials: Lane) -> None:
    parts = [{"kind": "kill", "party": "stage"}, {"kind": "stop", "party": "producer"}]
    trial, rows = run(trials, STREAM, kind="combined", faults=parts, lasting=0.2)
    assert "exit status -9" in trial.proof
    assert "state T" in trial.proof
    assert paused_s(trial, rows["taken"]) >= 0.2


def test_nothing_done_is_nothing_lost(trials: Lane) -> None:
    trial, rows = trials.trial(UNIX, None, stage=STAGE)
    account = accounted(trial, rows)
    assert trial.control
    assert trial.drained
    assert (account.lost, account.duplicated, account.unexpected, account.torn) == (0, 0, 0, 0)
    assert account.delivered == account.attempted > 50
    assert trial.injected_ns == trial.healed_ns == 0
    assert not trial.deaths
