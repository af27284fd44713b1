"""Pipelines in real processes: what goes in comes out at the other end, and the account says where it did not."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import psutil
import pytest

from benchkit.analysis.account import fates, open_blocks
from benchkit.analysis.hops import messages_of, of_hop
from benchkit.analysis.ledger import latency_ns, phases_ns
from benchkit.engine.block import run_block
from benchkit.engine.crew import crew
from benchkit.engine.ready import make_ready
from benchkit.engine.site import Site
from benchkit.engine.underway import Place
from benchkit.flow.options import FlowOptions
from benchkit.load.constant import Constant
from benchkit.records.samples import Status
from benchkit.runtime.folders import run_folder
from benchkit.scenario.plan import Blocks, Plan, PlannedCell, PlannedHop
from benchkit.sources.sensors import Sensors
from benchkit.stages.null import Null
from benchkit.stages.python import Python
from benchkit.stages.synthetic import Synthetic
from benchkit.tensors.codecs import base as codecs
from benchkit.transports.base import registry

STAGES = """
import os
import numpy as np

calls = 0

def adds(arrays):
    return {"level": arrays["level"] + 1 if "level" in arrays else np.zeros(3, np.float32)}

def ends(arrays):
    assert arrays["level"].tolist() == [1.0, 1.0, 1.0], arrays
    return {}

def raises(arrays):
    global calls
    calls += 1
    if calls > 4 and calls % 5 == 0:
        raise ValueError("every fifth is too much")
    return {"n": np.array([1])}

def dies(arrays):
    global calls
    calls += 1
    if calls == 15:
        os._exit(3)
    return {"n": np.array([1])}
"""


@pytest.fixture
def python(tmp_path):
    """Stages of a user's own."""
    name = f"their_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(STAGES)
    return lambda function: Python(target=f"{name}:{function}", path=tmp_path, repeatable=False)


def hop(name, after, kind="unix", stage=None, workers=1, codec="raw", **transport) -> PlannedHop:
    built = registry.build({"kind": kind, **transport})
    return PlannedHop(
        name, after, stage or Null(), workers, 1, 0.0, built, codecs.registry.build({"kind": codec})
    )


def planned(*hops: PlannedHop, rate=200.0, **changes) -> PlannedCell:
    first = hops[0]
    options = {
        "id": "x/raw/x", "group": "x", "source": Sensors(samples=8, channels=4, distinct=4), "codec": first.codec,
        "transport": first.transport, "stage": first.stage, "load": Constant(rate=rate), "workers": first.workers,
        "batch_size": 1, "batch_delay_s": 0.0, "replies": False, "hops": hops,
    }  # fmt: skip
    return PlannedCell(**{**options, **changes})


@pytest.fixture(scope="module")
def site():
    with run_folder() as (name, folder), crew(folder) as members, ExitStack() as services:
        yield members, Site(name, folder, services)


def measure(site, cell, *, on_error="continue"):
    members, place = site
    plan = Plan(
        name="x", seed=7, quick=True, cells=(cell,), order=(0,), blocks=Blocks(1, 0.3, 0.05, 3.0), checksum_every=1,
        check_replies=True, on_error=on_error, slo={}, resolved={"name": "x"},
    )  # fmt: skip
    ready = make_ready(members, plan, cell)
    ready.brief(members, plan)
    address = ready.open(place, members)
    try:
        where = Place(0, 0, 64, None, address.broker_pid)
        block, rows = run_block(members, ready.task(plan, 0), where, ready.hosts)
    finally:
        ready.close()
    whole = messages_of(ready.record, rows)
    assert not open_blocks(fates(whole), [block])
    done = whole[whole["status"] == Status.DELIVERED]
    assert (phases_ns(done).sum(axis=1) == latency_ns(done)).all()
    return block, rows, whole, ready.record


CHAINS = {
    "one kind": [("redis-list", 1, "raw"), ("redis-list", 2, "raw"), ("redis-list", 1, "raw")],
    "each another": [("unix", 1, "raw"), ("shm", 1, "msgpack"), ("zeromq", 1, "npy")],
    "several workers": [("http", 2, "raw"), ("http", 2, "json-base64"), ("redis-stream", 2, "raw")],
}


@pytest.mark.parametrize("name", CHAINS)
def test_what_a_stage_answers_is_the_next_one_s_message(site, python, name):
    stages = [python("adds"), python("adds"), python("ends")]
    hops = [
        hop(each, at - 1, kind, stage, workers, codec)
        for at, (each, stage, (kind, workers, codec)) in enumerate(
            zip("abc", stages, CHAINS[name], strict=True)
        )
    ]
    block, rows, whole, record = measure(site, planned(*hops))
    assert not block.failures
    assert (whole["status"] == Status.DELIVERED).all() and len(whole) == 70
    assert (block.drained, block.unexpected, block.duplicated, block.corrupted) == (True, 0, 0, 0)
    assert np.bincount(rows["hop"]).tolist() == [70, 70, 70]
    for at in (1, 2):
        assert np.array_equal(of_hop(rows, at)["due"], of_hop(rows, at - 1)["finished"])
        assert (of_hop(rows, at)["payload_bytes"] == 12).all()
    workers = {f"{each.name}-{number}" for each in record.hops for number in range(each.workers)}
    assert workers <= set(block.parties) | {"a-1", "b-1", "c-1"}  # a worker may have got no message
    assert {"a-0", "a-0 to b", "b-0 to c", "c-0"} <= set(block.paths)
    assert [each.name for each in record.hops] == list("abc") and record.hops[1].after == "a"


def test_a_fan_out_gives_each_stage_a_copy_and_ends_with_the_last(site, python):
    slow = Synthetic(service=0.004, busy="sleep")
    hops = (hop("a", -1, stage=python("adds")), hop("b", 0), hop("c", 0, "shm", slow), hop("d", 1, "zeromq"))
    block, rows, whole, _ = measure(site, planned(*hops, rate=100.0))
    assert not block.failures and (whole["status"] == Status.DELIVERED).all()
    assert np.bincount(rows["hop"]).tolist() == [35] * 4
    ends = np.maximum(of_hop(rows, 2)["finished"], of_hop(rows, 3)["finished"])
    assert np.array_equal(whole["finished"], ends)


def test_several_producers_feed_one_pipeline(site):
    cell = planned(hop("a", -1, workers=2), hop("b", 0, "redis-list"), hop("c", 1, "shm"), producers=3)
    block, rows, whole, _ = measure(site, cell)
    assert not block.failures and (whole["status"] == Status.DELIVERED).all()
    assert sorted(whole["seq"]) == list(range(70)) and len(rows) == 210


def test_a_stage_that_raises_in_the_middle_dead_letters_its_messages_there(site, python):
    cell = planned(hop("a", -1), hop("b", 0, stage=python("raises")), hop("c", 1))
    block, rows, whole, _ = measure(site, cell)
    failed = of_hop(rows, 1)["status"] == Status.DEAD_LETTERED
    assert failed.sum() >= 10
    assert np.array_equal(whole["status"] == Status.DEAD_LETTERED, failed)
    assert (of_hop(rows, 0)["status"] == Status.DELIVERED).all()
    assert len(of_hop(rows, 2)) == len(whole) - failed.sum()
    assert block.drained
    (failure,) = block.failures
    assert (failure.party, failure.type, failure.count) == ("stage b-0", "ValueError", failed.sum())


def test_a_worker_that_dies_in_the_middle_is_told_and_the_block_closes(site, python):
    cell = planned(hop("a", -1), hop("b", 0, stage=python("dies")), hop("c", 1))
    block, _, whole, _ = measure(site, cell)
    assert {failure.party for failure in block.failures} == {"b-0"}
    assert not block.drained
    assert set(whole["status"].tolist()) <= {Status.DELIVERED, Status.PENDING}
    assert (whole["status"] == Status.PENDING).any()
    members, _place = site
    assert psutil.pid_exists(members.get("b-0").process.pid)
    again, _, whole, _ = measure(site, planned(hop("a", -1), hop("b", 0), hop("c", 1)))
    assert not again.failures and (whole["status"] == Status.DELIVERED).all()


def test_backpressure_shows_where_the_next_stage_is_full(site):
    slow = Synthetic(service=0.01, busy="sleep")
    cell = planned(hop("a", -1, depth=100), hop("b", 0, "shm", slow, depth=1), rate=130.0)
    block, rows, whole, _ = measure(site, cell)
    assert not block.failures and (whole["status"] == Status.DELIVERED).all()
    into_b = of_hop(rows, 1)
    # Who hands on waits for room: nearly as long as the stage takes, by the middle of the block.
    assert np.median((into_b["sent"] - into_b["encoded"])[len(into_b) // 2 :]) > 2e6


def test_what_is_too_old_goes_no_further(site):
    slow = Synthetic(service=0.008, busy="sleep")
    cell = planned(
        hop("a", -1, depth=100), hop("b", 0, "unix", slow, depth=100), hop("c", 1), rate=200.0,
        flow=FlowOptions(deadline=0.05),
    )  # fmt: skip
    block, rows, whole, _ = measure(site, cell)
    assert not block.failures and block.drained
    # The stage takes five in eight: the rest is dropped where it grew too old, by this stage or by the next one.
    gone = [int((of_hop(rows, at)["status"] == Status.DROPPED).sum()) for at in range(3)]
    assert gone[0] == 0 and gone[1] >= 5
    assert sum(gone) == (whole["status"] == Status.DROPPED).sum() == block.traffic.drops["deadline"]
    assert set(whole["status"].tolist()) <= {Status.DELIVERED, Status.DROPPED}
    assert len(of_hop(rows, 2)) == len(whole) - gone[1]
    assert (whole["finished"][whole["status"] == Status.DROPPED] == 0).all()
