"""The gate's self-test: trials planned fairly, rules beside ours, gates over recorded noise, a log to go on with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pytest_benchmark.utils import parse_compare_fail

from benchkit.errors import UsageError
from benchkit.gate.sides import BASE, CANDIDATE
from benchkit.selftest.gate import quick, rules, simulation
from benchkit.selftest.gate.log import Log
from benchkit.selftest.gate.page import page
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


def test_slowed_trials_are_no_noise() -> None:
    assert simulation.noise([line(0), line(1, effect=0.2)], tuple(DELTAS)).blocks == 10


def test_a_simulated_gate_says_nothing_of_a_metric_that_a_block_of_it_lacks() -> None:
    doubled = [line(number) for number in range(2)]
    for pair in (pair for each in doubled for pair in each["pairs"]):
        pair[CANDIDATE]["p99"] = 2 * pair[BASE]["p99"]
    recorded = simulation.noise(doubled, tuple(DELTAS))
    assert simulation.failures(recorded, 0.0, 20, 20, DELTAS, seed=1) == 20
    for each in doubled:
        each["pairs"][3][BASE]["p99"] = None
    seldom = simulation.noise(doubled, tuple(DELTAS))
    # 8 blocks or more without any of the 2 in 20: in 43 of 100 gates at most.
    assert 0 < simulation.failures(seldom, 0.0, 100, 20, DELTAS, seed=1) <= 60
    for pair in (pair for each in doubled for pair in each["pairs"]):
        pair[BASE]["p99"] = None
    assert simulation.failures(simulation.noise(doubled, tuple(DELTAS)), 0.0, 20, 20, DELTAS, seed=1) == 0


def test_rules_that_compare_with_another_time_fail_when_only_the_level_moved() -> None:
    told = rules.said([line(0), line(1, level=1.3), line(2, level=1.3)])
    assert told[0] == {rules.OURS: False, rules.MEAN: None, rules.STORED: None}
    assert told[1] == {rules.OURS: False, rules.MEAN: True, rules.STORED: True}
    assert told[2] == {rules.OURS: False, rules.MEAN: False, rules.STORED: True}


@given(st.floats(1e-3, 1e6), st.floats(0.5, 2.0))
def test_the_rule_beside_ours_is_the_one_that_pytest_benchmark_applies(saved: float, ratio: float) -> None:
    assume(abs(ratio - 1.10) > 1e-9)  # there the two divide and multiply in another order
    theirs = parse_compare_fail("mean:10%").fails({"mean": saved * ratio}, {"mean": saved})
    before, now = line(0), line(1)
    before["pairs"][0][BASE]["mean"], now["pairs"][0][CANDIDATE]["mean"] = saved, saved * ratio
    assert rules.said([before, now])[1][rules.MEAN] is (theirs is not None)


def test_the_page_tells_every_figure_of_its_document() -> None:
    lines = [
        {
            **line(number, level=2.0 if number == 2 else 1.0),
            "measured_utc": f"2026-01-{day}T00:00:00+00:00",
            "others": 0.01,
        }
        for number, day in ((0, "02"), (1, "03"), (2, "04"), (3, "04"))
    ]
    lines += [line(4, verdict="FAIL"), line(5, 0.10, "FAIL"), {**line(6, 0.20, "FAIL"), "unfit": ["steal"]}]
    about = {"machine": {"cpu": "a core", "cores": 2, "kernel": "Linux"}}
    told = page({**document(Asked(5, 0, 1, gates=50), lines), **about})
    assert "2026-01-02 to 2026-01-04, a core, 2 cores, Linux, other programs used 1% of the cores" in told
    assert (
        "7 gates, 1.0 min each, at most 0.3 min of it under load, of a pipeline in which a message takes "
        in told
    )
    least, most = re.findall(r"takes (\d+) to (\d+) us", told)[0]
    assert 97 <= int(least) <= 103
    assert 194 <= int(most) <= 206
    (alike,) = [each for each in told.splitlines() if each.startswith("| alike, quiet")]
    # 1 of 5: Clopper and Pearson's table says 0.5% to 71.6%.
    assert alike.split(" | ")[1:3] == ["5", "20.0%"]
    assert "0.5% to 71.6% | 1 FAIL, 4 PASS | 1.0" in alike
    (unfit,) = [each for each in told.splitlines() if each.startswith("| 20% slower, quiet | 1 | 0.0% |")]
    assert "| 1 INCONCLUSIVE |" in unfit
    assert "| quiet | 50 | 50 |" in told
    assert "- BROKEN false alarms, quiet: 20.00% of 5 (at most 0%)" in told
    assert "- -      10% slower found, hogs: not tried (at least 80%)" in told


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
    log.keep(line(0))
    with (tmp_path / "gate-trials.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"trial": "quiet/0%/1", "pai')
    again = Log(tmp_path)
    trials = planned(3, 0, 0, ())
    assert [trial.number for trial in again.left(trials)] == [1, 2]
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
