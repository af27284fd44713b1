"""The bars count what is right, and can fail."""

import dataclasses
from typing import Any

import pytest

from benchkit.analysis import verdict as v
from benchkit.analysis.verdict import rules, signs
from benchkit.records.samples import PHASES
from benchkit.selftest import bars
from benchkit.selftest.kinds import BY_NAME, KINDS


def line(planted: str, **verdict: Any) -> dict[str, Any]:
    truth = BY_NAME[planted].truth
    right = {
        "bottleneck": truth.phases[0], "resource": truth.resources[0], "kind": truth.kinds[0], "confidence": 0.9,
        "stage": truth.stage,
    }  # fmt: skip
    return {"kind": planted, "valid": True, "reasons": [], "verdict": {**right, **verdict}}


def invalid(kind: str, code: str) -> dict[str, Any]:
    return {"kind": kind, "valid": False, "reasons": [code], "verdict": {}}


def told_right() -> list[dict[str, Any]]:
    planted = [line(kind.name) for kind in KINDS if not kind.refused] * 5
    return planted + [invalid(kind.name, kind.refused) for kind in KINDS if kind.refused] * 5


def broken(lines: list[dict[str, Any]]) -> set[str]:
    return {bar.name for bar in bars.bars(bars.counted(lines)) if bar.holds is False}


def test_the_suite_plants_what_was_promised() -> None:
    planted = [kind for kind in KINDS if not kind.healthy]
    assert len(planted) >= 20
    assert len(KINDS) - len(planted) >= 5
    said = {kind for each in planted for kind in each.truth.kinds}
    assert said >= set(v.KINDS) - {"none", "unclear"}


def test_all_right_holds() -> None:
    found = bars.bars(bars.counted(told_right()))
    assert all(bar.holds for bar in found)
    assert bars.outcome(found) is True


@pytest.mark.parametrize(
    ("changed", "bar"),
    [
        ({"bottleneck": "batch"}, "phase and resource right"),
        ({"resource": "none"}, "phase and resource right"),
        ({"stage": "another"}, "phase and resource right"),
    ],
)
def test_one_kind_in_ten_told_wrong_breaks_the_bar(changed: dict[str, Any], bar: str) -> None:
    lines = told_right()
    chosen = [at for at, each in enumerate(lines) if "encode" in each["kind"]][:25]
    for at in chosen:
        lines[at] = line(lines[at]["kind"], **changed, confidence=0.1)
    assert broken(lines) == {bar}


def test_a_wrong_kind_is_wrong_where_it_is_confident() -> None:
    lines = told_right()
    lines[:3] = [line(each["kind"], kind="unclear", confidence=0.71) for each in lines[:3]]
    assert broken(lines) == {"confidently wrong"}
    lines[:3] = [line(each["kind"], kind="unclear", confidence=0.69) for each in lines[:3]]
    assert broken(lines) == set()


def test_healthy_pipelines_have_a_bar_of_their_own() -> None:
    lines = told_right()
    healthy = [at for at, each in enumerate(lines) if BY_NAME[each["kind"]].healthy]
    for at in healthy[:3]:
        lines[at] = line(lines[at]["kind"], bottleneck="transit", resource="link", confidence=0.2)
    assert broken(lines) == {"none on healthy pipelines"}


def test_what_is_invalid_abstains_and_is_never_right() -> None:
    lines = told_right()
    lines[0] = invalid(lines[0]["kind"], "machine-disturbed")
    (count,) = (each for each in bars.counted(lines) if each.kind == lines[0]["kind"])
    assert (count.trials, count.abstained, count.decided, count.both) == (5, 1, 4, 4)


def test_too_many_abstentions_decide_nothing() -> None:
    lines = told_right()
    half = [invalid(each["kind"], "machine-disturbed") for each in lines[: len(lines) // 2]]
    assert bars.outcome(bars.bars(bars.counted(half + lines[len(half) :]))) is None


def test_a_refusal_is_right_for_its_own_reason_alone() -> None:
    (refused,) = (kind for kind in KINDS if kind.refused)
    assert broken([invalid(refused.name, refused.refused)]) == set()
    assert "refused with its reason" in broken([invalid(refused.name, "machine-disturbed")])


FACTS = v.Facts(
    mean_us={**dict.fromkeys(PHASES, 50.0), "compute": 1000.0},
    cpu_us={"stage": 1150.0, "producer": 150.0}, stage_work_us=1100.0, wake_us=10.0,
)  # fmt: skip


def test_a_planted_wrong_rule_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def lines() -> list[dict[str, Any]]:
        computing = dataclasses.asdict(v.verdict(FACTS))
        changed = (
            {**each, "verdict": computing} if each["kind"].startswith("compute") else each
            for each in told_right()
        )
        return list(changed)

    assert broken(lines()) == set()
    wrong = tuple(
        dataclasses.replace(rule, sign=signs.always) if rule.kind == "lock-bound" else rule
        for rule in rules.RULES
    )
    monkeypatch.setattr(rules, "RULES", wrong)
    assert broken(lines()) == {"confidently wrong"}
    theirs = tuple(dataclasses.replace(rule, resource="producer") for rule in rules.RULES)
    monkeypatch.setattr(rules, "RULES", theirs)
    assert broken(lines()) == {"phase and resource right", "confidently wrong"}


def test_grades_are_told_with_how_often_they_were_right() -> None:
    lines = [line("lock wait", confidence=grade) for grade in (0.0, 0.3, 0.8, 0.95)]
    lines.append(line("lock wait", confidence=0.8, kind="compute-bound"))
    lines.append(invalid("lock wait", "machine-disturbed"))
    found = {(each.low, each.high): (each.right, each.verdicts) for each in bars.reliability(lines)}
    assert found == {
        (0.0, 0.3): (2, 2),
        (0.3, 0.5): (0, 0),
        (0.5, 0.7): (0, 0),
        (0.7, 0.9): (1, 2),
        (0.9, 1.0): (1, 1),
    }
