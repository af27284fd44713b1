"""Several producers of one block, in real processes: one schedule, no number twice, every reply to its own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
import psutil
import pytest

from benchkit.analysis.account import fates, open_blocks
from benchkit.analysis.document import document
from benchkit.engine.block import run_block
from benchkit.engine.crew import crew
from benchkit.engine.ready import make_ready
from benchkit.engine.runner import Runner
from benchkit.engine.site import Site
from benchkit.engine.underway import Place
from benchkit.load.closed import Closed
from benchkit.load.poisson import Poisson
from benchkit.records.samples import Status
from benchkit.runtime.folders import PREFIX, SEGMENTS, run_folder
from benchkit.scenario.plan import Blocks, Plan, PlannedCell
from benchkit.scenario.seeds import Stream, seed_for
from benchkit.sources.sensors import Sensors
from benchkit.stages.null import Null
from benchkit.stages.python import Python
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports._redis.connect import connect
from benchkit.transports.base import registry

PRODUCERS = 3
KINDS = ("http", "redis-list", "redis-stream", "unix")

STAGES = """
import os
import numpy as np
import psutil

calls = 0

def kills(arrays):
    # The oracle asks four times, for each distinct message; the worker more often, and once is enough.
    global calls
    calls += 1
    if calls == 12:
        parties = psutil.Process(os.getppid()).children()
        named = [party for party in parties if "producer-1" in party.cmdline()]
        max(named, key=psutil.Process.create_time).kill()
    return {"n": np.array([1])}
"""


def planned(kind: str, load, stage=None, **changes) -> PlannedCell:
    options = {
        "id": f"{kind}/raw/x", "group": "x", "source": Sensors(samples=4, channels=4, distinct=4), "codec": Raw(),
        "transport": registry.build({"kind": kind}), "stage": stage or Null(), "load": load, "workers": 2,
        "batch_size": 1, "batch_delay_s": 0.0, "replies": True, "producers": PRODUCERS,
    }  # fmt: skip
    return PlannedCell(**{**options, **changes})


def plan_of(*cells: PlannedCell, rounds: int = 1) -> Plan:
    return Plan(
        name="x", seed=7, quick=True, cells=cells, order=tuple(range(len(cells))) * rounds,
        blocks=Blocks(rounds, 0.2, 0.05, 5.0), checksum_every=1, check_replies=True, on_error="continue",
        slo={}, resolved={"name": "x"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def site():
    with run_folder() as (name, folder), crew(folder) as members, ExitStack() as services:
        yield members, Site(name, folder, services)


def measure(site, cell):
    members, place = site
    plan = plan_of(cell)
    ready = make_ready(members, plan, cell)
    ready.brief(members, plan)
    address = ready.open(place, members)
    try:
        task = ready.task(plan, 0)
        where = Place(0, 0, 64, None, address.broker_pid)
        return run_block(members, task, where, ready.hosts)
    finally:
        ready.close()


def test_who_declares_room_for_several():
    declared = {
        kind for kind in registry.entries() if registry.build({"kind": kind}).capabilities().many_producers
    }
    assert set(KINDS) <= declared
    assert not declared & {"inproc", "shm"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("replies", [True, False])
def test_an_open_loop_is_exactly_the_one_schedule(site, kind, replies):
    load = Poisson(rate=400)
    block, samples = measure(site, planned(kind, load, replies=replies))
    offsets = load.offsets_ns(0.25, seed_for(7, Stream.SCHEDULE, 0))
    # Every due moment once, in order, numbered as the schedule is, whichever producer it fell to.
    assert np.array_equal(samples["due"] - block.started_ns, offsets)
    assert np.array_equal(samples["seq"], np.arange(len(offsets)))
    assert np.array_equal(samples["warmup"], offsets < 50_000_000)
    assert (samples["status"] == Status.DELIVERED).all(), block.failures
    assert (block.drained, block.unexpected, block.duplicated, block.corrupted) == (True, 0, 0, 0)
    assert (block.wrong_replies, block.checked_replies) == (0, len(offsets) if replies else 0)
    assert not open_blocks(fates(samples), [block])
    assert block.usage["producer"].cpu_ns > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_loop_divides_its_places_and_its_account_closes(site, kind):
    block, samples = measure(site, planned(kind, Closed(in_flight=4)))
    assert not open_blocks(fates(samples), [block])
    assert len(np.unique(samples["seq"])) == len(samples) == block.scheduled
    assert (samples["status"] == Status.DELIVERED).all(), block.failures
    assert (block.unexpected, block.duplicated, block.corrupted, block.wrong_replies) == (0, 0, 0, 0)
    assert block.checked_replies == len(samples)
    sender = samples["seq"] % PRODUCERS
    assert set(sender.tolist()) == set(range(PRODUCERS))
    # Producer 0 has two of the four places, the others one each: never more are between due and returned.
    for producer, places in enumerate((2, 1, 1)):
        own = samples[sender == producer]
        starts, ends = np.sort(own["due"]), np.sort(own["returned"])
        in_flight = np.arange(1, len(own) + 1) - np.searchsorted(ends, starts, side="right")
        assert in_flight.max() == places
    assert np.array_equal(samples["warmup"], samples["due"] < block.started_ns + 50_000_000)
    assert block.warmup_messages == np.count_nonzero(samples["warmup"])
    if kind != "http":
        assert block.reordered == 0


@pytest.fixture
def killing(tmp_path):
    """A stage that kills the second producer when some messages have come."""
    name = f"their_{tmp_path.name}".replace("-", "_")  # processes that live on know a module by its name
    (tmp_path / f"{name}.py").write_text(STAGES)
    return Python(target=f"{name}:kills", path=tmp_path, repeatable=False)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def left_of_cells(place: Site) -> list[str]:
    """Sockets, shared memory and keys that carry the name of one of the site's cells."""
    name = f"{PREFIX}{place.name}-"
    found = [path.name for path in place.folder.rglob(f"{name}*")]
    found += [path.name for path in SEGMENTS.glob(f"{name}*")] if SEGMENTS.is_dir() else []
    broker: Any = place._shared.get("valkey")
    if broker is not None:
        resp = connect(broker.url("unix"))
        found += [key.decode() for key in resp.call("KEYS", f"{name}*")]
        resp.close()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_one_killed_costs_its_block_and_leaves_nothing(site, kind, killing):
    _, place = site
    measure(site, planned(kind, Poisson(rate=40)))
    before = children()
    block, samples = measure(site, planned(kind, Poisson(rate=400), killing, workers=1))
    assert {failure.party for failure in block.failures} == {"producer-1"}
    assert not block.drained
    # The others' messages are kept, and what came of the dead one is no stranger's.
    assert set((samples["seq"] % PRODUCERS).tolist()) == {0, 2}
    assert (block.unexpected, block.duplicated, block.corrupted) == (0, 0, 0)
    assert (samples["status"] == Status.DELIVERED).any()
    assert Status.LOST not in samples["status"]
    assert not open_blocks(fates(samples), [block])
    assert children() < before
    assert not left_of_cells(place)
    again, samples = measure(site, planned(kind, Poisson(rate=400)))
    assert not again.failures
    assert (samples["status"] == Status.DELIVERED).all()
    assert len(children()) == len(before)


def test_a_run_goes_on_after_one_was_killed(killing):
    cells = [
        planned("unix", Poisson(rate=400), killing, id="hit", workers=1),
        planned("unix", Poisson(rate=400), id="spared"),
    ]
    before = children()
    run = Runner(plan_of(*cells, rounds=2), lambda _: None).run()
    assert children() == before
    # Which block it was the stage does not ask: its process, and so its count, goes through both.
    struck = [block for block in run.blocks if block.failures]
    assert [{failure.party for failure in block.failures} for block in struck] == [{"producer-1"}]
    assert len(run.blocks) == 4
    told = {cell["id"]: cell for cell in document(run)["cells"]}
    assert "party-died" in [reason["code"] for reason in told["hit"]["validity"]["reasons"]]
    assert not told["hit"]["validity"]["valid"]
    assert told["spared"]["account"]["delivered"] == told["spared"]["account"]["scheduled"] == 200
    assert told["spared"]["producers"] == PRODUCERS
