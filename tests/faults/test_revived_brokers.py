"""A broker of the run's own is killed and started anew: what it had confirmed is there, or honestly gone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_trials import lane

from benchkit.engine.site import Site
from benchkit.errors import BenchkitError, UsageError
from benchkit.runtime.folders import run_folder
from benchkit.transports._nats.server import program
from benchkit.transports.base import Address, Receiver, Sender, Setup, Transport, registry

MANY = 20
QUIET_S = 0.3
PATIENCE_S = 20.0
NUMBERS = [b"%04d" % number for number in range(MANY)]

KEPT = [
    {"kind": "redis-list", "persistence": "aof-always"},
    {"kind": "redis-stream", "persistence": "aof-everysec", "socket": "tcp"},
    {"kind": "redis-list", "persistence": "aof-always", "client": "plain", "layout": "claim-check"},
    {"kind": "redis-stream", "persistence": "aof-always", "client": "plain"},
    {"kind": "nats", "storage": "file"},
    pytest.param({"kind": "rabbitmq", "persistent": True}, marks=pytest.mark.slow),
]
GONE = [{"kind": "redis-list"}, {"kind": "redis-stream", "socket": "tcp"}, {"kind": "nats"}]


@contextmanager
def prepared(options: dict[str, Any], workers: int = 1) -> Iterator[tuple[Transport, Setup, Address, Path]]:
    transport = registry.build({"depth": 2 * MANY, **options})
    if lacking := transport.lacks():
        pytest.skip(lacking.what)
    with run_folder() as (name, folder), ExitStack() as services:
        setup = Site(name, folder, services).setup(4096, 256, workers)
        with transport.prepare(setup) as address:
            yield transport, setup, address, folder


@contextmanager
def ends(transport: Transport, address: Address, worker: int = 0) -> Iterator[tuple[Sender, Receiver]]:
    with ExitStack() as stack:
        receiver = transport.receiver(address, worker)
        stack.callback(receiver.close)
        sender = transport.sender(address)
        stack.callback(sender.close)
        yield sender, receiver


def post(sender: Sender, numbers: list[bytes]) -> None:
    """All are sent, and the broker has said so."""
    for number in numbers:
        assert sender.send([number], PATIENCE_S)
    while sender.unconfirmed():
        sender.reply(0.001)


def taken(receiver: Receiver) -> list[bytes]:
    found = []
    while (delivery := receiver.receive(QUIET_S)) is not None:
        found.append(bytes(delivery.view))
        delivery.ack()
        delivery.release()
    return found


def kill(address: Address) -> None:
    assert address.broker_pid is not None
    os.kill(address.broker_pid, signal.SIGKILL)


@pytest.mark.parametrize("options", KEPT, ids=lambda each: "-".join(map(str, each.values())))
def test_what_was_confirmed_is_there_again_with_its_data_and_without_it_nothing(options):
    with prepared(options) as (transport, setup, address, _):
        assert transport.capabilities().durability == "disk"
        with ends(transport, address) as (sender, _):
            post(sender, NUMBERS)
            kill(address)
        again = transport.revive(address, setup, True)
        with ends(transport, again) as (sender, receiver):
            assert sorted(taken(receiver)) == NUMBERS
            post(sender, NUMBERS)
            kill(again)
        again = transport.revive(address, setup, False)
        with ends(transport, again) as (sender, receiver):
            assert taken(receiver) == []
            post(sender, NUMBERS[:3])
            assert taken(receiver) == NUMBERS[:3], "it serves again"


@pytest.mark.parametrize("options", GONE, ids=lambda each: each["kind"])
def test_without_persistence_it_comes_back_empty_and_serves(options):
    with prepared(options) as (transport, setup, address, _):
        with ends(transport, address) as (sender, _):
            post(sender, NUMBERS)
            kill(address)
        again = transport.revive(address, setup, True)
        with ends(transport, again) as (sender, receiver):
            assert taken(receiver) == []
            post(sender, NUMBERS[:3])
            assert taken(receiver) == NUMBERS[:3]


def test_a_stopped_broker_is_replaced_and_the_new_one_ends_with_the_cell():
    with prepared({"kind": "redis-list"}) as (transport, setup, address, folder):
        os.kill(address.broker_pid, signal.SIGSTOP)
        again = transport.revive(address, setup, True)
        assert again.where == address.where
        assert again.broker_pid != address.broker_pid
        assert not psutil.pid_exists(address.broker_pid)
    assert not psutil.pid_exists(again.broker_pid)
    assert not folder.exists()


@pytest.mark.parametrize("client", ["fast", "plain"])
def test_a_new_broker_counts_its_clients_from_one_again(client):
    """What a dead worker held is found, though the number of its connection is now somebody else's."""
    options = {"kind": "redis-list", "persistence": "aof-always", "client": client}
    with prepared(options, workers=2) as (transport, setup, address, _):
        with ends(transport, address, worker=1) as (sender, receiver):
            post(sender, NUMBERS[:4])
            held = [receiver.receive(PATIENCE_S) for _ in range(2)]
            assert all(held)
            kill(address)
        transport.revive(address, setup, True)
        with ExitStack() as stack:
            # Enough connections that every number of before is in use.
            for _ in range(8):
                sender = transport.sender(address)
                stack.callback(sender.close)
            receiver = transport.receiver(address, 0)
            stack.callback(receiver.close)
            found = taken(receiver)
            receiver.look()
            found += taken(receiver)
            assert sorted(found) == NUMBERS[:4]
            post(sender, NUMBERS[4:6])
            assert taken(receiver) == NUMBERS[4:6], "an innocent connection was ended"


def test_only_a_broker_of_the_runs_own_is_started_anew():
    nowhere = Address({})
    for options in (
        {"kind": "shm"},
        {"kind": "redis-list", "url": "redis://h"},
        {"kind": "nats", "url": "nats://h"},
    ):
        transport = registry.build(options)
        assert not transport.capabilities().revives
        with pytest.raises(UsageError, match="no broker of the run's own"):
            transport.revive(nowhere, None, True)  # type: ignore[arg-type]  # it must not be looked at


def test_a_killed_broker_loses_what_it_only_had_in_memory_and_the_account_says_so():
    with lane() as trials:
        slow = {"kind": "slow-consumer", "least": 0.05, "lasting": 0.2}
        fault = {
            "kind": "combined",
            "lasting": 0.2,
            "apart": 0.1,
            "faults": [slow, {"kind": "broker-restart"}],
        }
        for persistence in ("none", "aof-always"):
            cell = {"kind": "redis-stream", "persistence": persistence, "depth": 64}
            trial, rows = trials.trial(cell, fault)
            assert "SIGKILL" in trial.proof
            kept = (rows["confirmed"] > 0) & (rows["rejected"] == 0)
            lost = int((kept & (rows["received"] == 0)).sum())
            assert (lost > 0) == (persistence == "none"), (persistence, lost, trial.notes)


@pytest.mark.skipif(program() is None, reason="no nats-server here")
def test_an_old_nats_server_that_cannot_sync_always_says_so():
    options = {"kind": "nats", "storage": "file", "sync": "always"}
    try:
        with prepared(options) as (_, _, address, _):
            assert address.level.startswith("JetStream file, sync always")
    except BenchkitError as error:
        assert error.remedy == "install nats-server 2.10 or later"


def test_a_broker_that_was_started_anew_is_the_next_trials_broker_too():
    """Else each killed one would leave another behind until the run ends."""
    with lane() as trials:
        before = len(psutil.Process().children())
        for _ in range(2):
            trial, _ = trials.trial({"kind": "redis-list"}, {"kind": "broker-restart", "lasting": 0.05})
            assert trial.proof
            assert len(psutil.Process().children()) == before + 1
