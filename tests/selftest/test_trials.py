"""Which trials count, are repeated, or are none of what was planted: without an engine."""

from collections.abc import Sequence
from typing import Any

import pytest

from benchkit.selftest import run, trials
from benchkit.selftest.bars import bars, counted, outcome
from benchkit.selftest.calm import wait_for_calm
from benchkit.selftest.kinds import BY_NAME
from benchkit.selftest.page import page
from benchkit.selftest.recipe import Recipe
from benchkit.selftest.shapes import FOREIGN, Shaped
from benchkit.selftest.trials import REPEATS, Trial, planned, settled

TRIAL = Trial("lock wait", 0, 0.55, 1)
SLOW = {"code": "offered-load-not-reached", "message": "late", "severity": "invalid"}


def cell(mean_us: float, *reasons: dict[str, Any], waited_us: float = 0.0) -> dict[str, Any]:
    party = {"name": "stage-0", "role": "stage", "runnable_us_per_message": waited_us}
    return {
        "validity": {"valid": not reasons, "reasons": list(reasons)},
        "latency_us": {"mean": mean_us},
        "verdict": {
            "bottleneck": "compute",
            "resource": "stage",
            "kind": "lock-bound",
            "confidence": 0.9,
            "line": "x",
        },
        "resources": [{"name": "cores", "role": "cores", "busy_share": 0.5, "utilisation": 0.2}, party],
        "phases_us": {"compute": {"share": 0.55}},
    }


def test_a_trial_that_took_longer_than_was_planted_is_none_of_it() -> None:
    shaped = Shaped(Recipe({"kind": "shm"}), 0.55, 1000.0)
    assert trials.line(TRIAL, shaped, cell(1000.0 * FOREIGN - 1))["valid"]
    slow = trials.line(TRIAL, shaped, cell(1000.0 * FOREIGN + 1))
    assert slow["reasons"] == ["not-as-planted"]
    assert not slow["valid"]
    assert trials.line(TRIAL, Shaped(shaped.recipe, 0.55), cell(9e9))["valid"]
    assert slow["others"] == pytest.approx(0.3)


def test_a_refusal_is_settled_by_its_own_reason_alone() -> None:
    (kind,) = (kind for kind in BY_NAME.values() if kind.refused)
    assert settled({"kind": kind.name, "valid": False, "reasons": [kind.refused]})
    assert settled({"kind": kind.name, "valid": True, "reasons": []})
    assert not settled({"kind": kind.name, "valid": False, "reasons": ["machine-disturbed"]})
    assert not settled({"kind": "lock wait", "valid": False, "reasons": [kind.refused]})


class Calming:
    """A bench on a machine that lets a trial through from its n-th run on."""

    def __init__(self, needs: dict[Trial, int]) -> None:
        self.needs = needs
        self.runs: dict[Trial, int] = dict.fromkeys(needs, 0)

    def run(self, chunk: Sequence[Trial], measured: Any) -> Any:
        del measured
        for trial in chunk:
            self.runs[trial] += 1
            valid = self.runs[trial] >= self.needs[trial]
            yield trials.line(trial, Shaped(trial.recipe, trial.share), cell(1.0, *([] if valid else [SLOW])))


@pytest.fixture(autouse=True)
def _calm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "wait_for_calm", lambda: True)


def test_disturbed_trials_are_repeated_and_at_last_abstain() -> None:
    chosen = planned([7], (0.35, 0.55, 0.8), ["lock wait"])
    bench = Calming(dict(zip(chosen, (1, 2, 99), strict=True)))
    lines = list(run._lines(bench, chosen, REPEATS, lambda: None))  # type: ignore[arg-type]  # no engine behind it
    assert {each["asked_share"]: (each["repeated"], each["valid"]) for each in lines} == {
        0.35: (0, True), 0.55: (1, True), 0.8: (REPEATS, False),
    }  # fmt: skip
    assert lines[-1]["before"] == [["offered-load-not-reached"]] * REPEATS
    (count,) = counted(lines)
    assert (count.trials, count.abstained, count.repeated) == (3, 1, 1 + REPEATS)
    assert outcome(bars([count])) is None


def test_the_page_says_what_was_run_where_and_how_it_went() -> None:
    asked = run.Asked(1, 7, (0.35, 0.55, 0.8), ("lock wait",))
    bench = Calming(dict.fromkeys(asked.trials(), 2))
    lines = list(run._lines(bench, asked.trials(), REPEATS, lambda: None))  # type: ignore[arg-type]  # likewise
    text = page(run.document(asked, lines, 1.0))
    assert "| lock wait | 3 | 3 | 0 | 3 | 3 | 3 | 0 | 0 |" in text
    assert "seeds 7 to 7, planted shares of the latency 35%, 55%, 80%" in text
    assert "phase and resource right: 100.0%" in text
    assert "grade 0.7 to 0.9: 3 of 3" in text


def test_cores_that_others_take_are_a_second_cause_unless_that_was_planted() -> None:
    shaped = Shaped(Recipe({"kind": "shm"}), 0.55, 1000.0)
    assert trials.line(TRIAL, shaped, cell(1000.0, waited_us=90.0))["valid"]
    assert trials.line(TRIAL, shaped, cell(1000.0, waited_us=110.0))["reasons"] == ["no-core-left"]
    contended = Trial("two workers on one core", 0, 0.55, 1)
    assert trials.line(contended, shaped, cell(1000.0, waited_us=900.0))["valid"]


def test_calm_is_waited_for_and_not_for_ever() -> None:
    shares = iter([0.9, 0.1, 0.9, 0.1, 0.1, 0.0])
    assert wait_for_calm(60.0, lambda: next(shares))
    assert next(shares) == 0.0
    seconds = iter(range(100))
    assert not wait_for_calm(5.0, lambda: 0.9, lambda: float(next(seconds)))
    assert next(seconds) < 10
