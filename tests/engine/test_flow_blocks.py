"""Traffic control between real processes, at twice what the stage can do."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest

from benchkit.analysis.account import PLACES
from benchkit.engine.block import run_block
from benchkit.engine.crew import crew
from benchkit.engine.ready import make_ready
from benchkit.engine.site import Site
from benchkit.engine.underway import Place
from benchkit.flow.options import FlowOptions
from benchkit.load.constant import Constant
from benchkit.load.search import Backlog
from benchkit.records.samples import Status
from benchkit.runtime.folders import run_folder
from benchkit.scenario.plan import Blocks, Plan, PlannedCell
from benchkit.sources.sensors import Sensors
from benchkit.stages.synthetic import Synthetic
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports.http import Http
from benchkit.transports.inproc import Inproc
from benchkit.transports.shm import Shm
from benchkit.transports.unix import Unix

SERVICE_S = 0.008
INTERVAL_NS = 4_000_000
"""Twice as many messages as the stage can do."""


@pytest.fixture(scope="module")
def place():
    with run_folder() as (name, folder), crew(folder) as members, ExitStack() as services:
        yield members, Site(name, folder, services)


def measure(place, flow, transport=None, **changes):
    """A block and its samples; `flow` as a scenario says it."""
    members, site = place
    options = {
        "id": "x/raw/x", "group": "x", "source": Sensors(samples=4, channels=4, distinct=2), "codec": Raw(),
        "transport": transport or Unix(), "stage": Synthetic(service=SERVICE_S, busy="sleep"),
        "load": Constant(rate=1e9 / INTERVAL_NS), "workers": 1, "batch_size": 1, "batch_delay_s": 0.0,
        "replies": True, "flow": None if flow is None else FlowOptions(**flow),
    }  # fmt: skip
    cell = PlannedCell(**{**options, **changes})
    plan = Plan(
        name="x", seed=0, quick=True, cells=(cell,), order=(0,), blocks=Blocks(1, 0.3, 0.05, 3.0),
        checksum_every=1, check_replies=True, on_error="continue", slo={}, resolved={"name": "x"},
    )  # fmt: skip
    ready = make_ready(members, plan, cell)
    ready.brief(members, plan)
    ready.open(site, members)
    try:
        return run_block(members, ready.task(plan, 0), Place(0, 0, 64, None, None), ready.hosts)
    finally:
        ready.close()


def closes(block, samples):
    """Every message is in one place, and what was dropped is named."""
    found = {name: int(np.count_nonzero(samples["status"] == status)) for name, status in PLACES.items()}
    assert sum(found.values()) == block.scheduled == len(samples)
    assert found["dropped"] == sum(block.traffic.drops.values())
    assert (block.duplicated, block.reordered, block.corrupted, block.unexpected) == (0, 0, 0, 0)
    assert block.wrong_replies == 0
    assert all(failure.type == "Rejected" for failure in block.failures)
    return {name: count for name, count in found.items() if count}


def ages(samples):
    """How old messages were when compute began, shape (n,)."""
    done = samples[samples["status"] == Status.DELIVERED]
    return done["started"] - done["due"]


def test_at_twice_the_capacity_block_keeps_all_and_latest_only_keeps_young(place):
    """One service time and one interval: what waits is replaced within an interval, and the last within a service.

    Three times that is allowed, since a busy machine's wake-ups are not the policy's.
    """
    kept, backlog = measure(place, {"policy": "block", "queue": 4})
    assert set(closes(kept, backlog)) == {"delivered"}
    assert kept.traffic.waited_most == 4
    live, newest = measure(place, {"policy": "latest-only"})
    assert set(closes(live, newest)) == {"delivered", "dropped"}
    assert live.traffic.drops.keys() == {"latest-only"}
    assert live.traffic.waited_most == 1
    done = newest[newest["status"] == Status.DELIVERED]
    service_ns = np.quantile(done["finished"] - done["started"], 0.99)
    young = np.quantile(ages(newest), 0.99)
    assert young <= 3 * (service_ns + INTERVAL_NS)
    assert np.quantile(ages(backlog), 0.9) > 3 * young


@pytest.mark.parametrize("policy", ["drop-oldest", "drop-newest"])
def test_a_bounded_queue_drops_by_name_and_with_several_producers_each_has_its_own(place, policy):
    block, samples = measure(place, {"policy": policy, "queue": 3}, Unix(depth=2), producers=2)
    assert set(closes(block, samples)) == {"delivered", "dropped"}
    assert block.traffic.drops.keys() == {policy}
    assert block.traffic.waited_most <= 3
    assert samples["warmup"].sum() == block.warmup_messages > 0


@pytest.mark.parametrize(("replies", "transport"), [(True, Shm()), (False, Shm()), (True, Inproc())])
def test_a_worker_drops_what_is_older_than_the_deadline_and_the_account_closes(place, replies, transport):
    flow = {"policy": "block", "deadline": 3 * SERVICE_S}
    block, samples = measure(place, flow, transport, replies=replies)
    assert set(closes(block, samples)) == {"delivered", "dropped"}
    assert block.traffic.drops.keys() == {"deadline"}
    dropped = samples[samples["status"] == Status.DROPPED]
    at_the_stage = dropped[dropped["received"] != 0]
    assert len(at_the_stage)
    assert not at_the_stage["started"].any()
    assert (at_the_stage["received"] - at_the_stage["due"] >= 2.9 * SERVICE_S * 1e9).all()
    assert block.handled == np.count_nonzero(samples["replied"])


def test_a_server_that_is_full_refuses_and_is_asked_again(place):
    transport = Http(depth=8, queue=1, retry_after=0)
    refused, samples = measure(place, {"policy": "drop-oldest", "queue": 4}, transport)
    assert closes(refused, samples)["rejected"] == refused.traffic.refused > 0
    retry = {"attempts": 4, "backoff": SERVICE_S, "budget": None}
    again, samples = measure(place, {"policy": "drop-oldest", "queue": 4, "retry": retry}, transport)
    assert set(closes(again, samples)) == {"delivered", "dropped"}
    assert 0 < again.traffic.retries <= 3 * len(samples)
    assert again.traffic.drops.keys() <= {"drop-oldest", "retries"}
    assert samples["status"].tolist().count(Status.DELIVERED) > 0


def test_what_is_not_answered_in_time_is_tried_again_and_the_first_answer_counts(place):
    flow = {
        "policy": "drop-oldest", "queue": 4, "timeout": 2 * SERVICE_S,
        "retry": {"attempts": 3, "backoff": SERVICE_S / 4, "budget": 0.5},
    }  # fmt: skip
    block, samples = measure(place, flow, Unix(depth=6))
    assert {"delivered", "dropped"} >= set(closes(block, samples)) >= {"dropped"}
    assert block.traffic.timed_out >= block.traffic.retries > 0
    assert block.traffic.retries <= 0.5 * len(samples) + 10
    assert block.handled > np.count_nonzero(samples["replied"])


def test_a_backlog_is_filled_and_drained_through_a_queue_of_its_own(place):
    block, samples = measure(
        place, {"policy": "block", "queue": 4}, load=Backlog(messages=12, longest=3.0),
        stage=Synthetic(service=0.001),
    )  # fmt: skip
    assert closes(block, samples) == {"delivered": 12}
    # Held back until the transport was full: eight were there before the first was received.
    assert np.count_nonzero(samples["sent"] < samples["received"].min()) >= 7


def test_credits_follow_the_workers_and_a_cell_without_flow_has_none(place):
    block, samples = measure(place, {"policy": "latest-only"}, Shm(), workers=2)
    assert set(closes(block, samples)) >= {"delivered"}
    assert {int(each) for each in samples["worker"]} >= {0, 1}
    assert measure(place, None, Shm(), stage=Synthetic(service=0))[0].traffic is None
