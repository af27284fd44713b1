"""Searches with real processes; bounds are generous and relative, for the machine may be busy."""

from __future__ import annotations

import numpy as np
import pytest

from benchkit.analysis.document import document
from benchkit.engine.runner import Runner
from benchkit.engine.search import Searches
from benchkit.load.search import Backlog, Capacity
from benchkit.records.folder import load, save
from benchkit.records.run import Search
from benchkit.records.samples import Status
from benchkit.scenario.plan import Blocks, Plan, PlannedCell
from benchkit.sources.sensors import Sensors
from benchkit.stages.synthetic import Synthetic
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports.inproc import Inproc
from benchkit.transports.unix import Unix

pytestmark = pytest.mark.quiet

SERVICE_S = 0.004


def planned(sought, transport) -> PlannedCell:
    kind = transport.kind
    return PlannedCell(
        id=f"{kind}/raw/x/{sought.label()}", group=f"x/{sought.label()}",
        source=Sensors(samples=4, channels=4, distinct=2),
        codec=Raw(), transport=transport, stage=Synthetic(service=SERVICE_S, busy="sleep"), load=sought, workers=1,
        batch_size=1, batch_delay_s=0.0, replies=True,
    )  # fmt: skip


def plan_of(*cells: PlannedCell, order: tuple[int, ...] = ()) -> Plan:
    return Plan(
        name="x", seed=0, quick=False, cells=cells, order=order, blocks=Blocks(3, 0.2, 0.04, 1.0), checksum_every=1,
        check_replies=True, on_error="continue", slo={}, resolved={"name": "x", "checks": {"replies": True}},
    )  # fmt: skip


@pytest.fixture(scope="module")
def run():
    """Two transports that search in turns, and a queue that drains."""
    sought = Capacity(slo={"p99": 0.1, "loss": 0}, arrival="constant", precision=0.2, longest=6)
    cells = [
        planned(sought, Inproc()),
        planned(sought, Unix()),
        planned(Backlog(messages=24), Unix(depth=24)),
    ]
    return Runner(plan_of(*cells, order=(2, 2, 2)), lambda _: None).run()


def test_searching_cells_take_turns(run):
    order = [block.cell for block in run.blocks if block.cell.endswith(run.cells[0].group)]
    first, second = (order.count(cell.id) for cell in run.cells[:2])
    shared = order[: 2 * min(first, second)]
    assert abs(shared.count(run.cells[0].id) - shared.count(run.cells[1].id)) <= 1


def test_a_search_begins_by_a_closed_loop_and_then_tries_rates(run):
    for cell in run.cells[:2]:
        first, *others = [block for block in run.blocks if block.cell == cell.id]
        assert first.level_per_s is None
        assert first.offered_per_s is None
        assert others
        assert all(block.level_per_s == block.offered_per_s for block in others)
        assert others[0].level_per_s == pytest.approx(0.55 * cell.search.saturated_per_s, rel=1e-3)
        assert cell.search.ended in ("found", "time")


def test_no_rate_that_the_stage_cannot_do_is_said_to_be_held(run):
    """A worker that sleeps 4 ms a message cannot do more than 250/s, however busy the machine is."""
    for cell in document(run)["cells"][:2]:
        held = cell["capacity"]["rate_per_s"]
        assert held is None or held <= 1.2 / SERVICE_S
        for level in cell["capacity"]["levels"]:
            assert level["delivered_per_s"] <= 1.05 / SERVICE_S
            if level["rate_per_s"] > 1.5 / SERVICE_S:
                assert level["verdict"] == "broken"


def test_a_queue_is_full_before_the_workers_begin(run):
    cell = run.cells[2]
    found = document(run)["cells"][2]["backlog"]
    assert found["filled"] == 24
    assert len(found["by_block_per_s"]) == 3
    assert found["rate_per_s"] <= 1.05 / SERVICE_S
    for index in (block.index for block in run.blocks if block.cell == cell.id):
        own = run.samples[cell.id][run.samples[cell.id]["block"] == index]
        assert np.all(own["status"] == Status.DELIVERED)
        assert own["sent"].max() <= own["received"].min()


def test_a_saved_search_is_judged_the_same_again(run, tmp_path):
    made = document(run)
    folder = save(run, made, tmp_path)
    again = document(load(folder))
    assert [cell.get("capacity", cell.get("backlog")) for cell in again["cells"]] == [
        cell.get("capacity", cell.get("backlog")) for cell in made["cells"]
    ]


def test_a_rate_beyond_reach_costs_a_bounded_block():
    sought = Capacity(slo={"p99": 0.05, "loss": 0}, arrival="constant", start=5000, max_rate=5000, longest=4)
    run = Runner(plan_of(planned(sought, Inproc())), lambda _: None).run()
    overloaded = [block for block in run.blocks if block.level_per_s == 5000]
    assert overloaded
    assert not any(block.drained for block in overloaded)
    # Each block counts its own messages only: nothing of an overloaded one leaks into the next.
    assert all(block.unexpected == block.duplicated == 0 for block in run.blocks)


def test_a_search_whose_blocks_fail_is_given_up():
    cell = planned(Capacity(slo={"p99": 0.05}), Inproc())
    searches = Searches(plan_of(cell))
    searches.add(0, cell, Search("capacity", {"p99": 0.05}, 0.03, True, 0.0, 1e6))
    assert searches.next() is not None
    searches.record(0, None, None, 0.1)
    assert searches.next() is None
    assert searches.sought(0).ended == "given-up"
