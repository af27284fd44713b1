"""What an end really uses is asked of the end and looked at from outside; a claim that differs is found."""

from __future__ import annotations

import dataclasses
import os
import socket
from contextlib import contextmanager

import pytest

from benchkit.analysis.document import document
from benchkit.engine import paths, placement
from benchkit.engine.runner import Runner
from benchkit.load.constant import Constant
from benchkit.scenario.plan import Blocks, Plan, PlannedCell
from benchkit.sources.sensors import Sensors
from benchkit.stages.null import Null
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports.base import Receiver, Sender, registry
from benchkit.transports.family import family
from benchkit.transports.redis_list import RedisList
from benchkit.transports.shm import Shm
from benchkit.transports.unix import Unix

BUILT_IN = ("http", "inproc", "redis-list", "redis-stream", "shm", "unix")


def run_of(*transports):
    cells = tuple(
        PlannedCell(
            id=f"{number}-{transport.kind}",
            group="x",
            source=Sensors(samples=4, channels=4, distinct=2),
            codec=Raw(),
            transport=transport,
            stage=Null(),
            load=Constant(rate=200),
            workers=1,
            batch_size=1,
            batch_delay_s=0.0,
            replies=True,
        )
        for number, transport in enumerate(transports)
    )
    plan = Plan(
        name="x", seed=0, quick=True, cells=cells, order=tuple(range(len(cells))),
        blocks=Blocks(1, 0.08, 0.02, 1.0), checksum_every=1, check_replies=False, on_error="continue",
        slo={}, resolved={"name": "x"},
    )  # fmt: skip
    return Runner(plan, lambda _: None).run()


@pytest.fixture(scope="module")
def honest():
    return run_of(*(registry.build({"kind": kind}) for kind in BUILT_IN))


def reasons(run, number=0):
    cell = document(run)["cells"][number]
    return {reason["code"]: reason for reason in cell["validity"]["reasons"]}


def test_every_built_in_transport_claims_and_both_its_ends_say_what_they_use(honest):
    assert len(honest.blocks) == len(BUILT_IN)
    for block in honest.blocks:
        assert block.claimed["family"]
        assert set(block.paths) == {"producer", "stage-0"}
        for found in block.paths.values():
            assert found["family"] == block.claimed["family"], block.cell


def test_and_none_of_them_is_found_to_differ(honest):
    assert all("path-not-as-claimed" not in reasons(honest, at) for at in range(len(BUILT_IN)))


def test_brokers_and_segments_are_named_by_the_ends(honest):
    by_kind = {block.cell.split("-", 1)[1]: block.paths for block in honest.blocks}
    for kind in ("redis-list", "redis-stream"):
        assert all(found["server"].startswith("valkey 9") for found in by_kind[kind].values())
    assert {found["wake"] for found in by_kind["shm"].values()} <= {"futex", "fifo"}
    assert int(by_kind["shm"]["producer"]["bytes"]) > 0
    assert by_kind["http"]["stage-0"]["server"].startswith("uvicorn ")


def test_every_block_has_its_surroundings(honest):
    for block in honest.blocks:
        assert block.disturbance is not None
        assert min(*block.disturbance.spin_ns, *block.disturbance.memcpy_ns) > 0
        assert block.disturbance.elapsed_s > 0.1
        parties = {"producer"} if "inproc" in block.cell else {"producer", "stage-0"}
        parties |= {"broker"} if "redis" in block.cell else set()
        assert set(block.ran_on) == parties
        assert set(block.ran_on.values()) <= set(range(os.cpu_count()))


class Pretends(Unix):
    """Claims shared memory; its ends are those of `unix`."""

    @contextmanager
    def prepare(self, setup):
        with super().prepare(setup) as address:
            yield dataclasses.replace(address, path="shared memory", claim={"family": "memory"})


class Detour(RedisList):
    """Claims the broker's Unix socket; its ends connect by TCP."""

    @contextmanager
    def prepare(self, setup):
        with super().prepare(setup) as address:
            broker = setup.share("valkey", None)  # type: ignore[arg-type]  # it is there already
            yield dataclasses.replace(address, where={**address.where, "url": broker.url("tcp")})


class Older(RedisList):
    """Claims another server than the one that answers."""

    @contextmanager
    def prepare(self, setup):
        with super().prepare(setup) as address:
            yield dataclasses.replace(address, claim={**address.claim, "server": "redis 6.2.0"})


class Asleep(Shm):
    """Claims another way of waking than the one that is used."""

    @contextmanager
    def prepare(self, setup):
        with super().prepare(setup) as address:
            yield dataclasses.replace(address, claim={**address.claim, "wake": "busy waiting"})


@pytest.fixture(scope="module")
def dishonest():
    return run_of(Pretends(), Detour(), Older(), Asleep())


@pytest.mark.parametrize(
    ("number", "claimed", "used"),
    [
        (0, "family 'memory' was claimed", "'unix'"),
        (1, "family 'unix' was claimed", "'tcp'"),
        (2, "server 'redis 6.2.0' was claimed", "'valkey 9"),
        (3, "wake 'busy waiting' was claimed", ""),
    ],
)
def test_what_was_claimed_and_is_not_used_makes_the_cell_invalid(dishonest, number, claimed, used):
    found = reasons(dishonest, number)["path-not-as-claimed"]
    assert found["severity"] == "invalid"
    assert claimed in found["message"]
    assert used in found["message"]


class Mute(Sender):
    """Moves over a socket and does not say so."""

    def __init__(self, address):
        self.sock = socket.create_connection(address)

    def send(self, parts, timeout):
        return True

    def reply(self, timeout):
        return None

    def close(self):
        self.sock.close()


def test_a_socket_that_an_end_opens_and_does_not_mention_is_seen_all_the_same():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        before = paths.open_sockets()
        assert paths.used(Silent(), before) == {}
        end = Mute(server.getsockname())
        try:
            assert paths.used(end, before) == {"opened": "tcp"}
        finally:
            end.close()
        assert paths.used(Silent(), before) == {}


def test_a_listener_and_a_pair_within_the_process_are_no_connections():
    before = paths.open_sockets()
    here, there = socket.socketpair()
    with here, there, socket.create_server(("127.0.0.1", 0)):
        assert paths.used(Silent(), before) == {}


class Silent(Receiver):
    """As a third party writes it: it knows nothing of paths."""

    def receive(self, timeout):
        return None


class Wrong(Silent):
    def path(self):
        raise RuntimeError("no idea")


def test_an_end_that_cannot_say_costs_nothing():
    assert paths.used(Wrong(), paths.open_sockets()) == {}


def test_a_silent_end_with_a_socket_is_judged_by_what_was_seen(honest):
    block = dataclasses.replace(
        honest.blocks[0], claimed={"family": "memory"}, paths={"producer": {"opened": "tcp"}}
    )
    run = dataclasses.replace(honest, blocks=[block])
    number = [cell.id for cell in run.cells].index(block.cell)
    assert "connected a socket" in reasons(run, number)["path-not-as-claimed"]["message"]


def test_the_family_is_the_kernels_and_not_the_librarys_word():
    here, there = socket.socketpair()
    with here, there, socket.create_server(("127.0.0.1", 0)) as server:
        assert (family(here), family(server)) == ("unix", "tcp")
    assert family(server) == "closed"


def test_where_this_thread_and_another_process_ran(tmp_path):
    if placement.ran_on() is None:
        pytest.skip("this kernel does not say")
    allowed = os.sched_getaffinity(0)
    assert placement.ran_on() in allowed
    assert placement.ran_on(os.getpid()) in range(os.cpu_count())
    assert placement.ran_on(2**22 + 1) is None


def test_a_party_that_leaves_its_core_is_where_it_says(monkeypatch):
    """The record of a pinned run: each role on the core that it was given."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("one core")
    given = {"producer": (cores[0],), "stage-0": (cores[1],)}
    monkeypatch.setattr(placement, "place", lambda roles, available: given)
    run = run_of(Unix())
    assert run.placement == {role: f"core {core}" for role, (core,) in given.items()}
    assert dict(run.blocks[0].ran_on) == {role: core for role, (core,) in given.items()}
    assert not any("ran on core" in r["message"] for r in document(run)["cells"][0]["validity"]["reasons"])
