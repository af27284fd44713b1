"""From runs to claims and a verdict, measured by nobody: what is paired, what is missing, what the machine did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchkit.errors import BuildError
from benchkit.gate import machine
from benchkit.gate.document import document
from benchkit.gate.measure import Measurement, Outcome, Wanted
from benchkit.gate.pairs import paired
from benchkit.gate.runs import Asked, CellFigures, SideRun
from benchkit.gate.sides import BASE, CANDIDATE, Side
from benchkit.report.gate import gate as report

DELTAS = {"p50": 0.03, "p99": 0.10, "throughput": 0.03}
CALM = {"spin_ns": [1, 1], "memcpy_ns": [1, 1], "elapsed_s": 1.0, "steal_share": 0.0, "throttled_s": 0.0}
SIDES = tuple(
    Side(name, name, Path("python"), Path("s.yaml"), Path.cwd(), content=name) for name in (BASE, CANDIDATE)
)


def figures(latency: float = 100.0, **given: Any) -> CellFigures:
    usual = {"count": 2000, "mean_us": latency, "disturbance": CALM}
    return CellFigures(
        **{**usual, "p50_us": latency, "p99_us": 3 * latency, "messages_per_s": 1e6 / latency, **given}
    )


class Machine:
    """Says what runs would have measured; deterministic noise of one percent."""

    def __init__(self, slower: float = 1.0, cells: tuple[str, ...] = ("a", "b")) -> None:
        self.slower = {cell: slower if cell == "b" else 1.0 for cell in cells}
        self.rng = np.random.default_rng(0)
        self.seen: list[tuple[str, str, int, int, tuple[str, ...]]] = []
        self.changed: Callable[[str, str, CellFigures], CellFigures | None] = lambda _side, _cell, own: own
        self.error: dict[str, str] = {}
        self.interrupt_at = -1

    def __call__(self, side: Side, asked: Asked, phase: Any, block: int, place: int, seed: int) -> SideRun:
        if len(self.seen) == self.interrupt_at:
            raise KeyboardInterrupt
        self.seen.append((side.name, phase, block, seed, asked.cells))
        found = {}
        for cell in asked.cells:
            factor = self.slower[cell] if side.name == CANDIDATE else 1.0
            own = self.changed(
                side.name, cell, figures(100 * factor * (1 + 0.01 * self.rng.standard_normal()))
            )
            if own is not None:
                found[cell] = own
        error = self.error.get(side.name, "")
        return SideRun(side.name, phase, block, place, seed, 0.1, {} if error else found, error)


def wanted(blocks: int = 20, cells: tuple[str, ...] = ("a", "b")) -> Wanted:
    asked = Asked(1.0, 0.1, 2.0, cells=cells, floors=False)
    return Wanted(asked, cells, dict.fromkeys(cells, DELTAS), blocks, seed=1)


def measured(machine_: Machine, blocks: int = 20) -> Outcome:
    return Measurement(SIDES, wanted(blocks), lambda _now: None, lambda _run: None, machine_).run()  # type: ignore[arg-type]  # two sides


def told(outcome: Outcome, on_missing: Any = "fail") -> dict[str, Any]:
    return document("s", "2026-01-01T00:00:00Z", SIDES, wanted(), outcome, on_missing)  # type: ignore[arg-type]  # two sides


def test_the_slower_cell_fails_confirmed_and_is_named() -> None:
    fake = Machine(slower=1.10)
    made = told(measured(fake))
    failed = {(row["cell"], row["metric"]) for row in made["rows"] if row["verdict"] == "FAIL"}
    assert {("b", "p50"), ("b", "throughput")} <= failed
    assert all(cell == "b" for cell, _ in failed)
    assert (made["verdict"], made["exit_code"]) == ("FAIL", 1)
    change = next(row for row in made["rows"] if row["cell"] == "b" and row["metric"] == "p50")
    assert change["interval"][0] < change["change"] < change["interval"][1]
    assert change["change"] == pytest.approx(0.10, abs=0.02)
    assert change["suspected"]["verdict"] == "FAIL"
    fresh = [cells for _, phase, _, _, cells in fake.seen if phase == "confirm"]
    assert fresh and set(fresh) == {("b",)}


def test_equal_builds_pass_at_the_first_look_and_every_block_has_both_sides_once() -> None:
    fake = Machine()
    outcome = measured(fake)
    made = told(outcome)
    assert (made["verdict"], made["exit_code"]) == ("PASS", 0)
    assert outcome.blocks == 10
    blocks = [each for each in fake.seen if each[1] == "measure"]
    assert sorted((block, side) for side, _, block, _, _ in blocks) == [
        (block, side) for block in range(10) for side in (BASE, CANDIDATE)
    ]
    assert len({(block, seed) for _, _, block, seed, _ in blocks}) == 10
    assert len({tuple(side for side, _, own, _, _ in blocks if own == block) for block in range(10)}) == 2


def test_an_improvement_passes_and_is_named() -> None:
    made = told(measured(Machine(slower=0.85)))
    assert made["verdict"] == "PASS"
    assert {row["cell"] for row in made["rows"] if row["improved"]} == {"b"}


def test_a_cell_that_the_base_lacks_is_named_and_the_rest_compared() -> None:
    fake = Machine()
    fake.changed = lambda side, cell, own: None if (side, cell) == (BASE, "b") else own
    outcome = measured(fake)
    assert [(each.cell, each.side) for each in outcome.missing] == [("b", "base")]
    assert told(outcome)["exit_code"] == 1
    lenient = told(outcome, "ignore")
    assert (lenient["exit_code"], {row["cell"] for row in lenient["rows"]}) == (0, {"a"})


def test_a_cell_that_turns_invalid_on_one_side_is_no_flattering_choice() -> None:
    fake = Machine()
    bad = iter(range(1000))
    fake.changed = lambda side, cell, own: (
        figures(invalid=("undelivered: 7 messages lost",))
        if (side, cell) == (CANDIDATE, "b") and next(bad) % 2
        else own
    )
    outcome = measured(fake)
    (missing,) = outcome.missing
    assert (missing.cell, missing.side) == ("b", "candidate")
    assert "undelivered" in missing.why


def test_a_cell_that_runs_nowhere_is_undecided_whatever_missing_says() -> None:
    fake = Machine()
    fake.changed = lambda _side, cell, own: figures(invalid=("skipped: no library",)) if cell == "b" else own
    made = told(measured(fake), "ignore")
    assert (made["verdict"], made["exit_code"]) == ("INCONCLUSIVE", 3)


def test_a_side_that_runs_nothing_at_all() -> None:
    fake = Machine()
    fake.error = {BASE: "benchkit: boom", CANDIDATE: "benchkit: boom"}
    with pytest.raises(BuildError, match="boom"):
        measured(fake)
    fake.error = {BASE: "benchkit: no such transport"}
    made = told(measured(fake))
    assert {each["side"] for each in made["missing"]} == {"base"}
    assert made["exit_code"] == 1


def test_p99_needs_a_thousand_messages_in_every_run() -> None:
    runs = [
        SideRun(side, "measure", 0, 0, 0, 1.0, {"a": figures(count=999, p99_us=None)})
        for side in (BASE, CANDIDATE)
    ]
    found = paired(runs, ["a"], {"a": DELTAS})
    assert {claim.metric for claim in found.claims} == {"p50", "throughput"}
    assert "999 messages" in found.notes[0]


def test_an_ungated_metric_is_not_claimed() -> None:
    runs = [SideRun(side, "measure", 0, 0, 0, 1.0, {"a": figures()}) for side in (BASE, CANDIDATE)]
    assert [claim.metric for claim in paired(runs, ["a"], {"a": {**DELTAS, "p99": None}}).claims] == [
        "p50",
        "throughput",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [({"steal_share": 0.3}, "stolen"), ({"throttled_s": 0.2}, "quota"), ({"thermal_events": 1}, "hot")],
)
def test_a_machine_that_is_taken_away_decides_nothing(change: dict[str, float], words: str) -> None:
    fake = Machine(slower=1.20)
    fake.changed = lambda side, _cell, own: figures(own.p50_us or 0, disturbance={**CALM, **change})
    outcome = measured(fake)
    assert any(row.verdict == "FAIL" for row in outcome.rows)
    made = told(outcome)
    assert (made["verdict"], made["exit_code"]) == ("INCONCLUSIVE", 3)
    assert any(words in reason for reason in made["reasons"])


def test_a_little_steal_is_no_evidence() -> None:
    runs = [SideRun(BASE, "measure", 0, 0, 0, 1.0, {"a": figures(disturbance={**CALM, "steal_share": 0.02})})]
    assert machine.evidence(runs) == []


@pytest.mark.parametrize("at", [0, 1, 9, 25])
def test_an_interrupt_keeps_what_was_measured_and_fails_nothing(at: int) -> None:
    fake = Machine(slower=1.5)
    fake.interrupt_at = at
    made = told(measured(fake))
    assert made["exit_code"] == 130
    assert made["verdict"] == "INCONCLUSIVE"
    assert not any(row["verdict"] == "FAIL" for row in made["rows"])
    assert bool(made["rows"]) == (at > 3)


def test_an_older_benchkit_measures_floors_on_both_sides() -> None:
    fake = Machine()
    asked_floors: list[bool] = []

    def older(side: Side, asked: Asked, *rest: Any) -> SideRun:
        asked_floors.append(asked.floors)
        if not asked.floors and side.name == BASE:
            return SideRun(BASE, "try", 0, 0, 0, 0.1, {}, "Error: No such option: --no-floors")
        return fake(side, asked, *rest)

    found = Measurement(SIDES, wanted(), lambda _now: None, lambda _run: None, older).run()  # type: ignore[arg-type]  # two sides
    assert asked_floors[:2] == [False, False]
    assert all(asked_floors[2:])
    assert not found.missing


@pytest.mark.parametrize("slower", [0.85, 1.0, 1.10])
def test_the_table_fits_eighty_columns_and_a_plain_pipe(slower: float) -> None:
    import io

    from rich.console import Console

    made = told(measured(Machine(slower=slower)))
    page = io.StringIO()
    Console(file=page, width=80).print(report(made, Path("results/x")))
    lines = page.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert made["verdict"] in lines[-2]
