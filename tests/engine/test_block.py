"""What a block leaves behind when a party or a plug-in does what it should not."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from benchkit.analysis.warmup import find_warmup
from benchkit.engine.block import run_block
from benchkit.engine.channel import Channel
from benchkit.engine.crew import crew
from benchkit.engine.describing import describe
from benchkit.engine.host import Host
from benchkit.engine.ready import make_ready
from benchkit.engine.runner import Runner
from benchkit.engine.site import Site
from benchkit.engine.underway import Place
from benchkit.errors import UnknownPlugin
from benchkit.load.constant import Constant
from benchkit.records.samples import Status
from benchkit.runtime.folders import run_folder
from benchkit.scenario.plan import Blocks, Plan, PlannedCell
from benchkit.sources.sensors import Sensors
from benchkit.stages.null import Null
from benchkit.stages.python import Python
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports.base import Address, Setup
from benchkit.transports.shm import Shm
from benchkit.transports.unix import Unix

STAGES = """
import os
import time
import numpy as np
import psutil

calls = 0

def dies(arrays):
    global calls
    calls += 1
    # The oracle asks twice (two distinct messages), the worker more often.
    if calls == 5:
        os.kill(os.getpid(), 9)
    return {"n": np.array([calls])}

def kills(arrays):
    global calls
    calls += 1
    if calls == 5:
        runner = psutil.Process(os.getppid())
        (producer,) = [child for child in runner.children() if "producer" in child.cmdline()]
        producer.kill()
    return {"n": np.array([calls])}

def longer(arrays):
    global calls
    calls += 1
    return {"n": np.zeros(1 if calls <= 2 else 100_000)}

def slow_at_first(arrays):
    global calls
    calls += 1
    time.sleep(0.003 if calls <= 52 else 0)
    return {"n": np.array([1])}

def nothing(arrays):
    raise ValueError("redis://user:secret@host refuses \\udcff")
"""


def planned(stage=None, transport=None, **changes) -> PlannedCell:
    options = {
        "id": "unix/raw/x", "group": "x", "source": Sensors(samples=4, channels=4, distinct=2), "codec": Raw(),
        "transport": transport or Unix(), "stage": stage or Null(), "load": Constant(rate=200), "workers": 1,
        "batch_size": 1, "batch_delay_s": 0.0, "replies": True,
    }  # fmt: skip
    return PlannedCell(**{**options, **changes})


def plan_of(*cells: PlannedCell, rounds: int = 1) -> Plan:
    return Plan(
        name="x", seed=0, quick=True, cells=cells, order=tuple(range(len(cells))) * rounds,
        blocks=Blocks(rounds, 0.08, 0.02, 0.3), checksum_every=1, check_replies=True, on_error="continue",
        slo={}, resolved={"name": "x"},
    )  # fmt: skip


@pytest.fixture
def place():
    with run_folder() as (name, folder), crew(folder) as members, ExitStack() as services:
        yield members, Site(name, folder, services)


def user_stage(folder, name: str) -> Python:
    (folder / "their.py").write_text(STAGES)
    return Python(target=f"their:{name}", path=folder, repeatable=False)


def measure(place, cell, **changes):
    members, site = place
    plan = plan_of(cell)
    ready = make_ready(members, plan, cell)
    ready.open(site, members)
    site.services.callback(ready.close)
    task = dataclasses.replace(ready.task(plan, 0), **changes)
    return run_block(members, task, Place(0, 0, 64, 200.0, None), ready.hosts)


def test_a_producer_that_cannot_begin_leaves_no_worker_serving(place):
    members, _ = place
    stage = members.get("stage-0")
    members.ask(stage, "ping", 10.0)
    before = psutil.Process(stage.process.pid).num_threads()
    with pytest.raises(UnknownPlugin):
        measure(place, planned(), source={"kind": "nothing-like-it"})
    # A thread says that it is done just before it ends.
    for _ in range(1000):
        members.ask(stage, "ping", 10.0)
        if psutil.Process(stage.process.pid).num_threads() == before:
            break
    assert psutil.Process(stage.process.pid).num_threads() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_messages_that_stand_in_lent_slots_are_answered_like_any_others(place, workers):
    cell = planned(transport=Shm(depth=4, loan=True), workers=workers)
    block, samples = measure(place, cell)
    assert not block.failures
    # The checksum of every message is looked at.
    assert (block.corrupted, block.duplicated, block.starved) == (0, 0, 0)
    assert len(samples) > 10
    assert set(samples["status"].tolist()) == {Status.DELIVERED}


def test_what_was_under_way_when_a_worker_died_is_pending_and_nobody_lost_it(place, tmp_path):
    block, samples = measure(place, planned(user_stage(tmp_path, "dies")))
    assert {failure.type for failure in block.failures} == {"PartyError"}
    assert not block.drained
    status = samples["status"]
    assert set(status.tolist()) == {Status.DELIVERED, Status.PENDING}


def test_a_producer_that_died_leaves_nothing_that_nobody_had_sent(place, tmp_path):
    block, samples = measure(place, planned(user_stage(tmp_path, "kills")))
    assert [failure.party for failure in block.failures] == ["producer"]
    assert (block.unexpected, len(samples)) == (0, 0)


def test_without_replies_a_worker_that_dies_costs_its_own_messages_only(place, tmp_path):
    block, samples = measure(place, planned(user_stage(tmp_path, "dies"), replies=False))
    assert len(samples) == block.scheduled > 0
    assert Status.LOST not in samples["status"]


def test_a_reply_longer_than_announced_is_the_stages_failure_and_the_block_goes_on(place, tmp_path):
    block, samples = measure(place, planned(user_stage(tmp_path, "longer")))
    assert block.drained
    assert Status.DEAD_LETTERED in samples["status"]
    assert (
        sum(failure.count for failure in block.failures) == (samples["status"] == Status.DEAD_LETTERED).sum()
    )


def test_a_stages_error_is_kept_without_the_password_in_it_whatever_its_letters(place, tmp_path):
    block, _ = measure(place, planned(user_stage(tmp_path, "nothing")))
    (failure,) = block.failures
    assert "refuses" in failure.what
    assert "secret" not in failure.what + failure.traceback


def test_a_block_records_the_warm_up_that_was_found(place, tmp_path):
    """What is found is tested without a machine's noise (tests/truth/test_warmup.py); here that it is kept."""
    cell = planned(user_stage(tmp_path, "slow_at_first"), load=Constant(rate=1000))
    block, samples = measure(place, cell, duration_s=0.6, warmup_s=0.02, warmup_max_s=0.3)
    found = find_warmup(samples, 20, 300_000_000, open_loop=True)
    assert (block.warmup_messages, block.warmup_settled) == (found.messages, found.settled)
    assert samples["warmup"].sum() == block.warmup_messages
    assert samples["warmup"][: block.warmup_messages].all()
    assert block.warmup_s == (samples["due"][block.warmup_messages] - samples["due"][0]) / 1e9
    assert block.warmup_s <= 0.3
    assert block.scheduled == len(samples)


def test_no_room_for_more_warm_up_keeps_the_fixed_cut(place, tmp_path):
    cell = planned(user_stage(tmp_path, "slow_at_first"), load=Constant(rate=1000))
    block, samples = measure(place, cell, duration_s=0.3, warmup_s=0.02, warmup_max_s=0.02)
    assert (block.warmup_messages, block.warmup_settled) == (20, True)
    assert samples["warmup"].sum() == 20


class Untidy(Unix):
    """Cannot take itself down."""

    @contextmanager
    def prepare(self, setup: Setup) -> Iterator[Address]:
        with super().prepare(setup) as address:
            yield address
        raise ValueError("redis://user:secret@host cannot be tidied up")


class Unprepared(Unix):
    """Cannot be brought up."""

    @contextmanager
    def prepare(self, setup: Setup) -> Iterator[Address]:
        raise ValueError("no such cable")
        yield Address({})


def test_a_transport_that_cannot_be_prepared_or_taken_down_costs_no_measurement():
    cells = [
        planned(transport=Untidy(), id="untidy"),
        planned(transport=Unprepared(), id="unprepared"),
        planned(id="plain"),
    ]
    run = Runner(plan_of(*cells), lambda _: None).run()
    assert set(run.samples) == {"untidy", "plain"}
    skipped = {cell.id: cell.skipped for cell in run.cells if cell.skipped}
    assert "no such cable" in skipped["unprepared"]
    assert {failure.party for failure in run.failures} == {"untidy", "unprepared"}
    assert "secret" not in "".join(failure.what + failure.traceback for failure in run.failures)


def test_the_offered_rate_is_the_one_that_was_asked_for_however_short_the_block(place):
    members, _ = place
    cell = planned(load=Constant(rate=61))
    plan = plan_of(cell)
    assert make_ready(members, plan, cell).offered_per_s(plan, 0) == 61


class Open(Unix):
    """Takes a password as plain text."""

    url: str = ""


def test_no_password_and_no_home_folder_comes_into_the_record(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    stage = user_stage(tmp_path / "mine", "dies")
    record = describe(planned(stage, Open(url="amqp://user:secret@host")))
    assert "secret" not in str(record.parameters)
    assert str(tmp_path) not in str(record.parameters)
    assert record.parameters["stage"]["path"].endswith("mine")


def test_what_cannot_travel_is_told_at_once_and_not_waited_for():
    ours, theirs = socket.socketpair()
    near, far = Channel(ours), Channel(theirs)
    host = Host(far, {"facts": lambda _: {"facts": object()}})
    serving = threading.Thread(target=host.serve)
    serving.start()
    near.send({"id": 1, "do": "facts"})
    answer = near.recv()
    near.close()
    serving.join()
    far.close()
    assert (answer["id"], answer["event"], answer["type"]) == (1, "failed", "TypeError")
