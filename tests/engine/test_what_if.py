"""Trials with real processes: planned, kept apart, resumed, printed. No figure is held to any bar here."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from benchkit.analysis.document import document
from benchkit.engine import trials
from benchkit.engine.runner import Runner
from benchkit.engine.slowing import PHASES
from benchkit.load.closed import Closed
from benchkit.load.constant import Constant
from benchkit.load.search import Capacity
from benchkit.records.folder import load, save
from benchkit.report import terminal
from benchkit.scenario.model import WhatIfOptions
from benchkit.scenario.plan import Blocks, Plan, PlannedCell
from benchkit.sources.sensors import Sensors
from benchkit.stages.synthetic import Synthetic
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports.inproc import Inproc
from benchkit.transports.unix import Unix


def planned(transport, arrival=None, **changes) -> PlannedCell:
    cell = PlannedCell(
        id=f"{transport.kind}/raw/x", group="x", source=Sensors(samples=4, channels=4, distinct=2), codec=Raw(),
        transport=transport, stage=Synthetic(service=0.002, busy="sleep"), load=arrival or Constant(rate=60), workers=1,
        batch_size=1, batch_delay_s=0.0, replies=True,
    )  # fmt: skip
    return replace(cell, **changes)


def plan_of(*cells: PlannedCell, **asked) -> Plan:
    options = WhatIfOptions(**{"rounds": 3, "duration": 0.1, "longest": 30, **asked})
    return Plan(
        name="x", seed=0, quick=False, cells=cells, order=range(len(cells)), blocks=Blocks(1, 0.15, 0.03, 1.0),
        checksum_every=1, check_replies=True, on_error="continue", slo={}, resolved={"name": "x"}, what_if=options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run():
    plan = plan_of(
        planned(Unix()), planned(Inproc()), phases=("compute",), slow=(0.1, 0.2), confirm=True, workers=()
    )
    return Runner(plan, lambda _: None).run()


def test_every_level_is_tried_in_every_round_in_an_order_of_its_own(run):
    mine = [each for each in run.trials if each.block.round < 1000]
    for mode in ("saturated", "paced"):
        for round_ in range(3):
            own = [each for each in mine if each.mode == mode and each.block.round == round_]
            slowed = sorted(each.block.slowed.share for each in own if each.block.slowed)
            assert slowed == [0.0, 0.1, 0.2]
            assert sorted(each.change for each in own if each.block.slowed is None) == [
                "",
                "transport=inproc",
            ]
    orders = [[(t.mode, t.change, t.block.slowed) for t in mine if t.block.round == at] for at in range(3)]
    assert orders[0] != orders[1] or orders[1] != orders[2]
    assert all(each.figures is not None for each in run.trials)


def test_what_was_added_is_in_the_phase_that_was_slowed(run):
    """The stage sleeps, so the phase is as long as it was asked to be, and longer by what is spun."""
    slowed = [t for t in run.trials if t.block.slowed and t.mode == "saturated"]
    means = {
        share: np.mean([t.figures.phase_means_ns["compute"] for t in slowed if t.block.slowed.share == share])
        for share in (0.0, 0.2)
    }
    added = next(t.block.slowed.added_ns for t in slowed if t.block.slowed.share == 0.2)
    assert means[0.2] - means[0.0] > 0.4 * added


def test_trials_are_in_nobody_s_blocks_and_samples(run):
    assert len(run.blocks) == 2
    assert all(block.slowed is None for block in run.blocks)
    for cell in run.cells:
        own = {block.index for block in run.blocks if block.cell == cell.id}
        assert set(np.unique(run.samples[cell.id]["block"]).tolist()) == own
    assert {cell.id for cell in run.cells} == {"unix/raw/x", "inproc/raw/x"}


def test_the_answer_names_the_change_and_a_saved_run_gives_the_same_again(run, tmp_path):
    made = document(run)
    found = made["cells"][0]["what_if"]
    assert found["sensitivity"][0]["phase"] == "compute"
    assert [each["change"] for each in found["confirmed"]] == ["transport=inproc"]
    swap = next(each for each in found["predictions"] if each["change"] == "transport=inproc")
    capacity = swap["capacity_per_s"]
    # Where the machine upset the other transport's trials nothing is predicted, and that is said.
    assert (
        capacity["predicted"] > 0
        if capacity["predicted"] is not None
        else found["disturbed"] and capacity["why_not"]
    )
    again = document(load(save(run, made, tmp_path)))
    assert [cell["what_if"] for cell in again["cells"]] == [cell["what_if"] for cell in made["cells"]]


def test_the_terminal_says_it_in_eighty_columns(run):
    made = document(run)
    out = StringIO()
    Console(file=out, width=80, force_terminal=False, legacy_windows=False).print(terminal.report(made))
    lines = out.getvalue().splitlines()
    told = " ".join(" ".join(lines[lines.index("What if") :]).split())
    assert max(map(len, lines)) <= 80
    assert "compute twice as fast: capacity" in told
    assert "transport inproc instead of unix: capacity" in told
    assert "measured" in told


def test_a_resumed_run_tries_only_what_was_not_tried(run):
    plan = plan_of(planned(Unix()), phases=(), workers=())
    first = Runner(plan, lambda _: None).run()
    assert len(first.trials) == trials.BASE_ROUNDS
    kept = first.trials[:2]
    before = replace(first, trials=list(kept))
    again = Runner(plan, lambda _: None, before=before).run()
    assert again.trials[:2] == kept
    assert len(again.trials) == trials.BASE_ROUNDS


def test_what_cannot_be_tried_is_said():
    # A thousandth of a decoding that takes less than a millisecond is less than the clock can add truly.
    plan = plan_of(
        planned(Unix()), phases=("decode",), transport=("nowhere",), slow=(0.001, 0.1), confirm=True,
        workers=(), longest=5,
    )  # fmt: skip
    run = Runner(plan, lambda _: None).run()
    found = document(run)["cells"][0]["what_if"]
    assert any(why.startswith("decode") and "too short" in why for why in found["left_out"])
    assert any(why.startswith("transport=nowhere: unknown transport") for why in found["left_out"])
    assert found["confirmed"] == []
    assert found["now"]["blocks"] > 0


# Planning, without anything that runs --------------------------------------------------------------------


def test_the_first_cell_of_each_group_is_asked_about_unless_all_are():
    search = Capacity(slo={"p99": 0.1})
    plan = plan_of(
        planned(Unix()), planned(Inproc()), planned(Unix(), search, group="y"), planned(Inproc(), group="z")
    )
    assert trials.chosen(plan, plan.what_if) == [0, 3]
    assert trials.chosen(plan, WhatIfOptions(cells="all")) == [0, 1, 3]
    assert "rate" in trials.unfit(plan.cells[2])
    assert trials.donors(plan, 0) == [1]


def test_changes_follow_from_the_scenario_and_from_what_is_asked():
    plan = plan_of(planned(Unix()), planned(Inproc()))
    assert trials.changes(plan, 0, WhatIfOptions()) == ["transport=inproc", "workers=2"]
    asked = WhatIfOptions(transport=(), codec=("zstd",), workers=(1, 3), batch=(1, 4))
    assert trials.changes(plan, 0, asked) == ["codec=zstd", "workers=3", "batch=4"]
    # Within one process there is one worker.
    assert trials.changes(plan, 1, WhatIfOptions()) == ["transport=unix"]
    assert trials.changed(plan, 0, "transport=inproc").transport is plan.cells[1].transport
    assert trials.changed(plan, 0, "workers=3").workers == 3
    assert not trials.confirmable("workers=2", plan.cells[0], WhatIfOptions(), cores=2)
    assert trials.confirmable("workers=2", plan.cells[0], WhatIfOptions(workers=(2,)), cores=2)


def test_time_is_kept_by_fewer_phases_then_fewer_rounds_then_no_paced_blocks():
    asked = WhatIfOptions(rounds=12)
    means = dict.fromkeys(("compute", "encode", "decode"), 1e6)
    question = trials.Question(0, {"saturated": 0.25, "paced": 0.25}, means, (), asked.slow)
    whole, rounds, left = trials.fitted(question, 1000, asked)
    assert (whole, rounds, left) == (question, 12, [])
    fewer, rounds, left = trials.fitted(question, 6.5 * question.round_s() / 2, asked)
    assert list(fewer.phases_ns) == ["compute"]
    assert 3 <= rounds < 12
    assert left == ["decode, encode slowed: no time for it; what_if.longest can give more"]
    least, rounds, left = trials.fitted(fewer, 2 * fewer.round_s(), asked)
    assert list(least.modes) == ["saturated"]
    assert rounds >= 3
    _, rounds, left = trials.fitted(fewer, 0.1, asked)
    assert rounds == 0
    assert "longest" in left[-1]


def test_a_budget_is_never_exceeded():
    rng = np.random.default_rng(0)
    asked = WhatIfOptions(rounds=20)
    for budget in rng.uniform(0.1, 200, 300):
        count = int(rng.integers(1, 7))
        means = dict.fromkeys(list(PHASES)[:count], 1e6)
        modes = {"saturated": 0.25} if rng.random() < 0.5 else {"saturated": 0.25, "paced": 0.5}
        question, rounds, _ = trials.fitted(trials.Question(0, modes, means, (), asked.slow), budget, asked)
        assert rounds * question.round_s() <= budget


def test_a_closed_loop_is_tried_as_it_is():
    cell = planned(Unix(), Closed(in_flight=3))
    assert trials.in_flight(cell) == 3
    assert not trials.open_loop(cell)
    assert trials.in_flight(planned(Unix(depth=8))) == 4
    assert trials.in_flight(planned(Unix(depth=1))) == 2


def test_phases_that_are_too_short_or_little_are_left_out_with_words():
    cell = planned(Unix())
    means = {"compute": 1e6, "encode": 2e5, "decode": 5e3, "send": 2.1e4, "reply": 1.9e4, "transit": 1e5}
    found, left = trials.phases(cell, means, WhatIfOptions())
    assert list(found) == ["compute", "encode", "transit"]
    assert left == [
        "send 21.0 us, reply 19.0 us, decode 5.0 us: little beside the others; what_if.phases can name them"
    ]
    found, left = trials.phases(cell, means, WhatIfOptions(phases=("decode", "send")))
    assert list(found) == ["send"]
    assert "too short" in left[0]
