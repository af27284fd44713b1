"""The gate's self-test: trials planned fairly, rules beside ours, gates over recorded noise, a log to go on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchkit.errors import UsageError
from benchkit.gate.sides import BASE, CANDIDATE
from benchkit.selftest.gate import quick, rules, simulation
from benchkit.selftest.gate.log import Log
from benchkit.selftest.gate.run import Asked, document
from benchkit.selftest.gate.trials import DELTAS, planned


def line(
    number: int, effect: float = 0.0, verdict: str = "PASS", *, level: float = 1.0, pairs: int = 10
) -> dict[str, Any]:
    """A trial as it is kept: runs at a level of their own, two percent of noise between neighbours."""
    rng = np.random.default_rng([number, round(100 * effect)])

    def figures(ratio: float) -> dict[str, float]:
        p50 = 100 * level * ratio * float(np.exp(0.02 * rng.standard_normal()))
        return {"p50": p50, "p99": 3 * p50, "throughput": 1e6 / p50, "mean": 1.1 * p50}

    return {
        "trial": f"quiet/{round(100 * effect)}%/{number}", "hogs": False, "effect": effect, "number": number,
        "verdict": verdict, "unfit": [], "blocks": 10, "seconds": 60.0,
        "pairs": [{BASE: figures(1.0), CANDIDATE: figures(1 + effect)} for _ in range(10)],
    }  # fmt: skip


def test_any_part_of_the_trials_is_a_fair_sample() -> None:
    trials = planned(20, 10, 4, (0.05, 0.10, 0.20))
    assert len(trials) == 20 + 10 + 4 * 2 * 3
    assert len({trial.key for trial in trials}) == len(trials)
    promised, later = trials[:46], trials[46:]
    assert {(trial.hogs, trial.effect) for trial in later} == {(True, 0.05), (True, 0.20)}
    half = promised[: len(promised) // 2]
    assert 8 <= sum(not trial.effect and not trial.hogs for trial in half) <= 12
    assert {(trial.hogs, trial.effect) for trial in half} == {
        (trial.hogs, trial.effect) for trial in promised
    }


def test_simulated_gates_over_quiet_noise_raise_no_alarm_and_find_a_tenth() -> None:
    recorded = simulation.noise([line(number) for number in range(8)], tuple(DELTAS))
    assert recorded.blocks == 80
    assert simulation.failures(recorded, 0.0, 100, 20, DELTAS, seed=1) == 0
    assert simulation.failures(recorded, 0.10, 40, 20, DELTAS, seed=1) >= 36
    smallest = simulation.smallest_effect(recorded, 40, 20, DELTAS, seed=1)
    assert smallest is not None
    assert 0.03 < smallest <= 0.10


def test_slowed_trials_are_no_noise_and_a_metric_that_is_not_always_there_is_none() -> None:
    lacking = line(0)
    lacking["pairs"][3][BASE]["p99"] = None
    recorded = simulation.noise([lacking, line(1, effect=0.2)], tuple(DELTAS))
    assert recorded.blocks == 10
    assert set(recorded.differences) == {"p50", "throughput"}


def test_rules_that_compare_with_another_time_fail_when_only_the_level_moved() -> None:
    told = rules.said([line(0), line(1, level=1.3), line(2, level=1.3)])
    assert told[0] == {rules.OURS: False, rules.MEAN: None, rules.STORED: None}
    assert told[1] == {rules.OURS: False, rules.MEAN: True, rules.STORED: True}
    assert told[2] == {rules.OURS: False, rules.MEAN: False, rules.STORED: True}


def test_the_bars_hold_break_or_stay_open() -> None:
    found = [line(0), line(1, 0.10, "FAIL"), line(2, 0.20, "FAIL")]
    asked = Asked(1, 0, 1, gates=0)
    assert document(asked, found)["holds"] is None  # nothing was tried beside hogs
    alarm = document(asked, [*found, line(3, verdict="FAIL")])
    assert alarm["holds"] is False
    broken = [bar["name"] for bar in alarm["bars"] if bar["holds"] is False]
    assert broken == ["false alarms, quiet"]
    # On a machine that was not fit nothing is decided, so nothing is said of the candidate either.
    assert document(asked, [*found, {**line(3, verdict="FAIL"), "unfit": ["30% stolen"]}])["holds"] is None


def test_trials_are_taken_up_where_they_ended(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.keep_latency(400.0)
    log.keep(line(0))
    with (tmp_path / "gate-trials.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"trial": "quiet/0%/1", "pai')
    again = Log(tmp_path)
    trials = planned(3, 0, 0, ())
    assert [trial.number for trial in again.left(trials)] == [1, 2]
    assert again.latency_us == 400.0
    again.keep(line(1))
    assert [trial.number for trial in Log(tmp_path).left(trials)] == [2]


def test_a_file_of_something_else_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "gate-trials.jsonl").write_text(json.dumps({"kind": "compute"}) + "\n", "utf-8")
    with pytest.raises(UsageError) as caught:
        Log(tmp_path)
    assert caught.value.where.endswith(":1")


@pytest.mark.parametrize(
    ("alike", "slower", "right"),
    [
        ("PASS", "FAIL", True),
        ("FAIL", "FAIL", False),
        ("PASS", "PASS", False),
        ("INCONCLUSIVE", "INCONCLUSIVE", None),
    ],
)
def test_the_short_form_tells_right_from_wrong_from_undecided(
    alike: str, slower: str, right: bool | None
) -> None:
    assert quick.right({"alike": alike, "slower": slower}) is right
