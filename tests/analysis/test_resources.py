"""Utilisation, demand and the rate of saturation, from accounts whose truth was planted."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import MS, PHASE_US, a_block, a_cell, a_run, block_samples

from benchkit.analysis.document import document
from benchkit.analysis.measure import measure
from benchkit.analysis.resources import Resource, resources, stations
from benchkit.records.run import Block, Cell, Run
from benchkit.records.samples import Samples
from benchkit.records.seen import BrokerCounts, ServerTimes, Usage

SECOND = 1000 * MS


def used(cpu_us: float, messages: int = 95, over_ns: int = 95 * 10 * MS, **more: Any) -> Usage:
    """So much CPU time a message."""
    return Usage(int(cpu_us * 1000 * messages), 1, messages=messages, over_ns=over_ns, **more)


def of(
    parties: dict[str, Usage], samples: Samples | None = None, cell: Cell | None = None, **block: Any
) -> dict:
    cell = cell or a_cell()
    samples = block_samples(np.random.default_rng(0), 0) if samples is None else samples
    one: Block = a_block(cell, 0, samples, parties=parties, **block)
    return {each.name: each for each in resources(cell, [one], measure(samples), 4)}


def test_a_producers_demand_is_its_cpu_time_without_spinning() -> None:
    found = of({"producer-0": used(1200, spin_ns=95 * 300_000), "stage-0": used(100)})["producer-0"]
    assert found.demand is not None
    assert found.demand.each_ns == pytest.approx(900e3)
    assert found.utilisation == pytest.approx(0.09, rel=0.01)
    assert found.saturates_per_s == pytest.approx(1 / 900e-6)


def test_where_it_is_held_in_send_in_time_that_is_its_demand() -> None:
    slow_send = {**PHASE_US, "send": 4000.0}
    samples = block_samples(np.random.default_rng(0), 0, phase_us=slow_send, noise=0.01)
    found = of({"producer-0": used(200)}, samples)["producer-0"]
    assert found.demand is not None
    assert "wall time" in found.demand.what
    assert found.demand.each_ns == pytest.approx(4300e3, rel=0.02)
    # In a closed loop nobody knows whether `send` waits for the transport or for the next party.
    closed = of({"producer-0": used(200)}, samples, offered_per_s=None)["producer-0"]
    assert closed.demand is not None
    assert closed.demand.each_ns == pytest.approx(300e3, rel=0.02)


def test_a_stage_that_sleeps_is_as_busy_as_one_that_spins() -> None:
    samples = block_samples(np.random.default_rng(0), 0, noise=0.0)
    busy_us = PHASE_US["decode"] + PHASE_US["compute"] + PHASE_US["reply"]
    for cpu_us, blocked_us in ((300.0, busy_us - 300), (busy_us, 0.0)):
        own = used(cpu_us, thread_cpu_ns=int(cpu_us * 95e3), thread_runnable_ns=0)
        found = of({"stage-0": own}, samples)["stage-0"]
        assert found.demand is not None
        assert found.demand.each_ns == pytest.approx(busy_us * 1e3)
        assert found.utilisation == pytest.approx(busy_us * 1e-6 * 100, rel=0.02)
        assert found.seen["blocked_at_least_us_per_message"] == pytest.approx(blocked_us, abs=0.1)


def test_receiving_counts_as_far_as_queued_messages_tell() -> None:
    samples = block_samples(np.random.default_rng(0), 0, phase_us={**PHASE_US, "queue": 700.0}, noise=0.0)
    found = of({"stage-0": used(100, integrity_ns=95 * 20_000)}, samples)["stage-0"]
    assert found.demand is not None
    # The worker asked 700 us after the message was sent and had it 400 us later.
    assert found.demand.parts_ns == pytest.approx({"busy": 1750e3, "checking": 20e3, "receiving": 400e3})


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 99), st.floats(10.0, 5000.0))
def test_workers_saturate_by_what_they_are_dealt(share: int, compute_us: float) -> None:
    """Alike, they saturate in proportion to their part; together the bottleneck has as many servers."""
    samples = block_samples(
        np.random.default_rng(0), 0, warmup=0, noise=0.0, phase_us={**PHASE_US, "compute": compute_us}
    )
    samples["worker"][share:] = 1
    found = of({}, samples, a_cell(workers=2))
    one, two = found["stage-0"], found["stage-1"]
    assert one.rate_per_s + two.rate_per_s == pytest.approx(one.cell_per_s)
    assert one.saturates_per_s * share == pytest.approx(two.saturates_per_s * (100 - share))
    (station,) = [each for each in stations(list(found.values())) if each.name == "stage"]
    assert station.servers == 2
    assert station.demand_s == pytest.approx(one.demand.each_ns / 1e9, rel=1e-6)


def test_the_broker_by_its_busiest_thread_and_its_own_counters() -> None:
    cell = a_cell("redis-list/raw/x", has_broker=True)
    counts = BrokerCounts(
        received_bytes=200_000, sent_bytes=100_000, commands=300, memory_bytes=5000, evicted_keys=2
    )
    own = used(700, thread_cpu_ns=95 * 400_000, thread_runnable_ns=95 * 100_000)
    found = of({"broker": own}, cell=cell, broker=counts)["broker"]
    assert found.demand is not None
    assert found.demand.each_ns == pytest.approx(400e3)
    assert found.accounts.runnable_share == pytest.approx(0.2)
    assert found.seen["received_bytes_per_message"] == 2000
    assert found.seen["commands_per_message"] == 3
    assert found.seen["evicted_keys"] == 2
    assert found.seen["forks"] is None


def test_a_broker_of_the_users_own_is_a_gap_and_no_guess() -> None:
    found = of({}, cell=a_cell("redis-list/raw/x", has_broker=True))["broker"]
    assert found.utilisation is None
    assert "not ours" in found.gaps["broker"]


def test_cores_are_asked_for_by_all_parties_together() -> None:
    found = of(
        {"producer-0": used(1000), "stage-0": used(2600, spin_ns=95 * 600_000)}, cores={"0": 0.5, "10": 0.1}
    )
    cores = found["cores"]
    assert cores.demand is not None
    assert cores.demand.each_ns == pytest.approx(3000e3)
    assert cores.saturates_per_s == pytest.approx(4 / 3000e-6)
    assert cores.seen["busy_share"] == pytest.approx(0.3)


def test_what_the_kernel_did_not_say_is_none_with_its_reason() -> None:
    gaps = {"stage-0.runnable_ns": "/proc/1/task/1/schedstat: Permission denied", "cores": "/proc/stat: gone"}
    found = of({"stage-0": used(100), "producer-0": used(100)}, gaps=gaps)
    assert found["stage-0"].accounts.runnable_share is None
    assert "Permission denied" in found["stage-0"].gaps["runnable_ns"]
    assert found["cores"].seen["busy_share"] is None
    assert "gone" in found["cores"].gaps["busy_share"]
    assert not found["producer-0"].gaps


def test_a_stage_of_somebody_elses_tells_what_its_server_tells() -> None:
    cell = a_cell(external_stage=True)
    assert of({}, cell=cell)["stage-0"].utilisation is None
    found: Resource = of({}, cell=cell, server=ServerTimes(50, 0, 50 * 3 * MS))["stage-0"]
    assert found.utilisation == pytest.approx(0.3, rel=0.02)


def test_a_run_of_an_older_benchkit_has_what_its_roles_tell_and_says_so() -> None:
    run: Run = a_run()
    (cell,) = document(run)["cells"]
    rows = {each["name"]: each for each in cell["resources"]}
    assert rows["producer-0"]["cpu_us_per_message"] == pytest.approx(10 * MS / 95 / 1e3)
    assert rows["producer-0"]["runnable_share"] is None
    assert "before processes kept accounts" in rows["producer-0"]["gaps"]["producer-0"]
    assert cell["laws"]["bottleneck"] == "stage"
    assert cell["laws"]["little"] is None


def test_accounts_of_blocks_are_added_up_by_what_they_counted() -> None:
    cell = a_cell()
    samples = np.concatenate([block_samples(np.random.default_rng(0), index) for index in (0, 1)])
    first = used(100, gc_pause_ns=0, gc_pauses=0, gc_longest_ns=0, minor_faults=95)
    second = used(
        400, messages=5, over_ns=SECOND, gc_pause_ns=SECOND // 10, gc_pauses=3, gc_longest_ns=7 * MS
    )
    blocks = [
        a_block(cell, 0, samples, parties={"stage-0": first}),
        a_block(cell, 1, samples, parties={"stage-0": second}),
    ]
    found = {each.name: each for each in resources(cell, blocks, measure(samples), 4)}["stage-0"]
    told = found.accounts.as_document()
    assert told["cpu_us_per_message"] == pytest.approx((95 * 100 + 5 * 400) / 100)
    assert told["gc_share"] == pytest.approx(0.1 * SECOND / (SECOND + 950 * MS))
    assert (told["gc_pauses"], told["gc_longest_us"]) == (3, 7000)
    # Only the first block tells of faults: over its own messages.
    assert told["minor_faults_per_message"] == 1


def test_without_a_delivered_message_there_is_nothing_to_say() -> None:
    samples = block_samples(np.random.default_rng(0), 0)
    samples["status"] = 5
    assert of({"producer-0": used(1)}, samples) == {}
    run = a_run()
    run.samples = dict.fromkeys(run.samples, samples)
    run.blocks = [dataclasses.replace(block, parties={}) for block in run.blocks]
    (cell,) = document(run)["cells"]
    assert cell["ledger"] is None
    assert (cell["exemplars"], cell["resources"], cell["laws"]["stations"]) == ([], [], [])
