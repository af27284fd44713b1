"""A run whose messages go through a link: it does what was asked, is recorded, and nobody goes around it."""

import dataclasses
import json
import os
import signal
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from benchkit.analysis.document import document
from benchkit.engine import linking, paths, usage
from benchkit.engine.runner import Runner
from benchkit.engine.site import Site
from benchkit.errors import PartyError
from benchkit.link.options import LinkOptions
from benchkit.load.constant import Constant
from benchkit.records.plain import storable
from benchkit.records.run import Block
from benchkit.report.link_words import link_lines
from benchkit.scenario.plan import Blocks, Plan, PlannedCell
from benchkit.sources.sensors import Sensors
from benchkit.stages.null import Null
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports.base import Address, registry
from benchkit.transports.http import Http
from benchkit.transports.redis_list import RedisList

DELAYED = LinkOptions(delay="8ms")
TRANSPORTS = (
    {"kind": "http"},
    {"kind": "kserve-http"},
    {"kind": "redis-list", "socket": "tcp"},
    {"kind": "redis-stream", "socket": "tcp", "client": "plain"},
    {"kind": "zeromq", "via": "tcp"},
)


def run_of(*cells, order=None):
    plan = Plan(
        name="x", seed=0, quick=True, cells=cells, order=order or tuple(range(len(cells))),
        blocks=Blocks(1, 0.2, 0.02, 1.0), checksum_every=1, check_replies=False, on_error="continue",
        slo={}, resolved={"name": "x"},
    )  # fmt: skip
    return Runner(plan, lambda _: None).run()


def cell(number, transport, link, **changes):
    options = {
        "id": f"{number}-{transport.kind}", "group": "x", "source": Sensors(samples=4, channels=4, distinct=2),
        "codec": Raw(), "transport": transport, "stage": Null(), "load": Constant(rate=60), "workers": 1,
        "batch_size": 1, "batch_delay_s": 0.0, "replies": True, "link": link, "link_seed": 9,
    }  # fmt: skip
    return PlannedCell(**{**options, **changes})


class Around(RedisList):
    """Led through the link, its ends connect to the broker all the same."""

    def through(self, address, detour):
        super().through(address, detour)
        return address


class Half(Http):
    """Of two workers it leads one through the link."""

    def through(self, address, detour):
        led = super().through(address, detour)
        straight = str(address.where["ports"]).split(",")[0]
        ports = ",".join([straight, *str(led.where["ports"]).split(",")[1:]])
        return dataclasses.replace(led, where={**led.where, "ports": ports})


SEEDS = []


@pytest.fixture(scope="module")
def run():
    cells = [cell(at, registry.build(dict(config)), DELAYED) for at, config in enumerate(TRANSPORTS)]
    cells.append(cell(9, RedisList(socket="tcp"), LinkOptions(delay="4ms", side="both"), producers=2))
    cells.append(cell(10, Around(socket="tcp"), DELAYED))
    cells.append(cell(11, Half(), DELAYED, workers=2))
    cells.append(cell(12, RedisList(socket="tcp"), None))
    original = linking.LinkProcess.open

    def noted(self, up, down, seed):
        SEEDS.append(seed)
        return original(self, up, down, seed)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(linking.LinkProcess, "open", noted)
        # The first cell once more, for a second round.
        return run_of(*cells, order=(*range(len(cells)), 0))


def entry(run, number):
    found = {each["id"].partition("-")[0]: each for each in document(run)["cells"]}
    return found[str(number)]


@pytest.mark.parametrize("number", range(len(TRANSPORTS)))
def test_messages_and_replies_go_through_the_link_and_take_its_delay(run, number):
    found = entry(run, number)
    assert found["account"]["delivered"] > 5
    assert found["latency_us"]["p50"] >= 16_000
    link = found["link"]
    assert (link["name"], link["side"]) == ("own numbers", "producer")
    assert link["asked"]["up"]["delay_us"]["p50"] == 8000
    done = link["achieved"]["producer"]
    assert done["connections"] >= 1
    for way in ("up", "down"):
        assert done[way]["bytes"] > 0
        assert done[way]["delay_us"]["p50"] >= 8000
    codes = {reason["code"] for reason in found["validity"]["reasons"]}
    assert "path-not-as-claimed" not in codes
    assert "through link own numbers" in found["path"]


def test_the_way_that_each_party_took_is_in_the_record(run):
    block = next(block for block in run.blocks if block.cell.startswith("9-"))
    assert block.claimed["link"] == paths.EVERY
    roles = ("producer", "producer-1", "stage-0")
    assert [block.paths[role].get("link") for role in roles] == [paths.EVERY] * 3
    assert [seen.side for seen in block.links] == ["producer", "stage"]


def test_on_both_sides_each_side_has_a_link_of_its_own(run):
    found = entry(run, 9)
    assert found["link"]["achieved"].keys() == {"producer", "stage"}
    # Out and back over two links of 4 ms each way.
    assert found["latency_us"]["p50"] >= 16_000


def test_who_goes_around_the_link_is_found(run):
    around, half = (
        [
            r["message"]
            for r in entry(run, number)["validity"]["reasons"]
            if r["code"] == "path-not-as-claimed"
        ]
        for number in (10, 11)
    )
    assert any("link 'every connection' was claimed and producer uses '0 of" in each for each in around)
    assert any("did not go through the link" in each for each in around)
    assert any("producer uses '1 of 2 connections'" in each for each in half)
    assert not entry(run, 10)["validity"]["valid"]
    assert not entry(run, 11)["validity"]["valid"]


def test_without_a_link_nothing_is_said_of_one(run):
    assert entry(run, 12)["link"] is None
    block = next(block for block in run.blocks if block.cell.startswith("12-"))
    assert "link" not in block.claimed
    assert block.links == ()


def test_the_record_survives_the_disk(run):
    from pydantic import TypeAdapter

    adapter = TypeAdapter(Block)
    for block in run.blocks:
        assert adapter.validate_json(json.dumps(storable(block)), strict=True) == block


def test_people_read_what_was_done_beside_what_was_asked(run):
    lines = [line for _, line in link_lines(document(run)["cells"])]
    assert len(lines) == 2 * (
        len(TRANSPORTS) + 2 + 1
    )  # both sides; nothing passed the one that was gone around
    assert all("(asked 8.0 ms)" in line or "(asked 4.0 ms)" in line for line in lines)


def test_the_same_draws_for_every_cell_of_a_round_and_others_in_the_next(run):
    assert SEEDS == ["9/0/producer"] * 6 + ["9/0/stage"] + ["9/0/producer"] * 2 + ["9/1/producer"]


def test_a_process_that_died_is_replaced_for_the_next_block(tmp_path):
    with ExitStack() as services:
        setup = Site("x", tmp_path, services).setup(1, 1, 1)
        first = linking._process(setup)
        assert linking._process(setup) is first
        os.kill(first.pid, signal.SIGKILL)
        # Gone, or waited for by nobody yet: either way it is dead.
        assert until_dead(first.pid)
        second = linking._process(setup)
        assert second.pid != first.pid
        assert linking._process(setup) is second


def until_dead(pid):
    for _ in range(2000):
        if not usage.lives(pid):
            return True
        os.sched_yield()
    return False


def test_a_link_whose_process_is_gone_cannot_be_opened():
    asked = cell(0, Http(), DELAYED)
    with ExitStack() as services, pytest.raises(PartyError, match="impairs the link is gone"):
        process = services.enter_context(linking.link_process())
        os.kill(process.pid, signal.SIGKILL)
        assert until_dead(process.pid)
        setup = SimpleNamespace(share=lambda *_: process)
        address = Address({"ports": "1"})
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(linking.usage, "lives", lambda pid: True)
            services.enter_context(linking.linked(setup, asked.transport, address, DELAYED, "1"))
