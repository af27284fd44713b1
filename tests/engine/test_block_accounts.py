"""Blocks of real processes: what their records say of garbage, sleep and work, and that healthy ones obey the laws."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_block import plan_of, planned

from benchkit.analysis.document import document
from benchkit.engine.runner import Runner
from benchkit.records.folder import SCHEMA, load, save
from benchkit.records.run import Run
from benchkit.stages.python import Python
from benchkit.transports.base import registry

STAGES = """
import time
import numpy as np

ANSWER = {"n": np.array([1])}

def litters(arrays):
    for _ in range(5000):
        loop = []
        loop.append(loop)
    return ANSWER

def sleeps(arrays):
    time.sleep(0.002)
    return ANSWER

def spins(arrays):
    until = time.thread_time() + 0.002
    while time.thread_time() < until:
        pass
    return ANSWER
"""
CELLS = (
    ("inproc", "litters"),
    ("http", "litters"),
    ("unix", "sleeps"),
    ("unix", "spins"),
    ("redis-list", "sleeps"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder: Path = tmp_path_factory.mktemp("stages")
    (folder / "accounted.py").write_text(STAGES)
    cells = [
        planned(
            id=f"{transport}/raw/{stage}",
            group=stage,
            transport=registry.build({"kind": transport}),
            stage=Python(target=f"accounted:{stage}", path=folder),
        )
        for transport, stage in CELLS
    ]
    return Runner(plan_of(*cells), lambda _: None).run()


@pytest.fixture(scope="module")
def cells(run: Run) -> dict[str, dict]:
    return {cell["id"]: cell for cell in document(run)["cells"]}


def stage(cell: dict) -> dict:
    return next(each for each in cell["resources"] if each["name"] == "stage-0")


@pytest.mark.parametrize("transport", ["inproc", "http"])
def test_a_stage_that_litters_is_seen_collecting(run: Run, cells: dict[str, dict], transport: str) -> None:
    cell = cells[f"{transport}/raw/litters"]
    assert stage(cell)["gc_pauses"] > stage(cell)["gc_share"] > 0
    (block,) = [each for each in run.blocks if each.cell == cell["id"]]
    collections = [event for event in block.events if event.kind == "gc" and event.party == "stage-0"]
    assert collections
    own = run.samples[cell["id"]]
    # Each within the stage's work on one message: nobody else litters.
    inside = sum(
        bool(((own["started"] <= event.at_ns) & (event.at_ns < own["replied"])).any())
        for event in collections
    )
    assert inside >= len(collections) / 2
    assert (stage(cell)["shares_process"], block.parties["producer-0"].shares_process) == 2 * (
        transport == "inproc",
    )


def test_sleeping_and_spinning_keep_a_worker_as_busy_and_not_a_core(cells: dict[str, dict]) -> None:
    asleep, awake = (stage(cells[f"unix/raw/{name}"]) for name in ("sleeps", "spins"))
    for each in (asleep, awake):
        assert each["demand_us_per_message"] >= 2000
        # 200 messages a second of 2 ms each; longer where others want the cores.
        assert each["utilisation"] > 0.2
    assert asleep["cpu_us_per_message"] < 2000 <= awake["cpu_us_per_message"]
    for name in ("sleeps", "spins"):
        stations = {each["name"]: each for each in cells[f"unix/raw/{name}"]["laws"]["stations"]}
        assert stations["stage"]["saturates_per_s"] <= 500


def test_utilisation_is_the_time_for_which_the_worker_had_a_message(run: Run, cells: dict[str, dict]) -> None:
    for name in ("unix/raw/sleeps", "redis-list/raw/sleeps"):
        own = run.samples[name][~run.samples[name]["warmup"]]
        had_ns = own["decoded"] - own["received"] + own["replied"] - own["started"]
        had = int(had_ns.sum()) / len(own) / 1e3
        parts = stage(cells[name])["demand_parts_us"]
        assert parts["busy"] == pytest.approx(had, rel=1e-6)


def test_little_holds_in_every_healthy_block(cells: dict[str, dict]) -> None:
    for cell in cells.values():
        found = cell["laws"]["little"]
        if found is not None:  # on a machine so busy that a message was lost nothing can be said
            assert found["ratio"] == [1.0, 1.0], cell["id"]
        assert "little-violated" not in {reason["code"] for reason in cell["validity"]["reasons"]}


def test_the_broker_tells_its_bytes_and_each_party_its_memory(run: Run, cells: dict[str, dict]) -> None:
    cell = cells["redis-list/raw/sleeps"]
    rows = {each["name"]: each for each in cell["resources"]}
    assert set(rows) == {"producer-0", "stage-0", "broker", "link", "cores"}
    # There and back, and on to the worker and the producer.
    assert rows["broker"]["received_bytes_per_message"] > cell["wire_bytes"]
    assert rows["broker"]["sent_bytes_per_message"] > cell["wire_bytes"]
    assert all(rows[name]["memory_bytes"] > 1 << 20 for name in ("producer-0", "stage-0", "broker"))
    (block,) = [each for each in run.blocks if each.cell == cell["id"]]
    assert block.handled == block.in_flight.sends == block.scheduled


def test_what_was_seen_survives_the_record(run: Run, tmp_path: Path) -> None:
    assert load(save(run, {"schema": SCHEMA}, tmp_path)).blocks == run.blocks


def test_ledgers_and_waterfalls_add_up(cells: dict[str, dict]) -> None:
    for cell in cells.values():
        for each in cell["exemplars"]:
            assert sum(each["phases_us"].values()) == pytest.approx(each["latency_us"], abs=1e-3)
        assert cell["exemplars"][0]["kind"] == "typical"
        assert cell["ledger"]["slow"]["latency"] >= cell["ledger"]["typical"]["latency"]
