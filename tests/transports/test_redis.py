"""Both Redis transports against a real broker: the embedded one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager

import pytest
import redis

from benchkit.errors import BrokerError, Rejected
from benchkit.runtime.folders import run_folder
from benchkit.transports.base import Address, Setup
from benchkit.transports.redis_list import RedisList
from benchkit.transports.redis_stream import RedisStream

LONG_S = 10.0


@pytest.fixture(scope="module")
def run():
    """A run's folder, and its share of what all cells use."""
    with run_folder() as (name, folder), ExitStack() as stack:
        made = {}

        def share(key, make):
            if key not in made:
                made[key] = stack.enter_context(make())
            return made[key]

        yield name, folder, share


class Cell:
    """A prepared transport whose ends are closed in any case."""

    def __init__(self, transport, address, stack):
        self.transport, self.address, self.stack = transport, address, stack

    def sender(self):
        sender = self.transport.sender(self.address)
        self.stack.callback(sender.close)
        return sender

    def receiver(self, worker=0):
        receiver = self.transport.receiver(self.address, worker)
        self.stack.callback(receiver.close)
        return receiver

    def client(self):
        client = redis.Redis.from_url(self.address.where["url"])
        self.stack.callback(client.close)
        return client


@pytest.fixture
def cells(run):
    """Makes cells: `cells(transport, workers=1, message_bytes=4096, options="")`."""
    name, folder, share = run
    count = iter(range(1000))
    with ExitStack() as stack:

        def make(transport, workers=1, message_bytes=4096, options=""):
            cell_name = f"benchkit-{name}-{os.urandom(4).hex()}-{next(count)}"
            setup = Setup(cell_name, folder, message_bytes, 4096, workers, share)
            address = stack.enter_context(transport.prepare(setup))
            if options:
                where = {**address.where, "url": address.where["url"] + options}
                address = Address(where, address.path, address.broker_pid)
            return Cell(transport, address, stack)

        yield make


@pytest.fixture(params=[RedisList, RedisStream], ids=["list", "stream"])
def kind(request):
    return request.param


def take(receiver, timeout=LONG_S):
    delivery = receiver.receive(timeout)
    assert delivery is not None
    return delivery


def done(delivery):
    delivery.ack()
    delivery.release()


@pytest.mark.parametrize("options", ["", "?protocol=2"], ids=["resp3", "resp2"])
@pytest.mark.parametrize("socket", ["unix", "tcp"])
def test_messages_arrive_in_order_and_whole_with_their_replies(cells, kind, socket, options):
    cell = cells(kind(depth=100, socket=socket), options=options)
    receiver, sender = cell.receiver(), cell.sender()
    sent = [os.urandom(nbytes) for nbytes in (0, 1, 63, 64, 4095, 16_381, 16_384, 70_001, 1_000_000)]
    for data in sent:
        assert sender.send([data[:7], memoryview(data)[7:]], 1.0)
        delivery = take(receiver)
        assert delivery.view == data
        assert delivery.view.readonly
        delivery.reply([b"re", data[:100]])
        done(delivery)
        reply = sender.reply(LONG_S)
        assert not reply.rejected
        assert bytes(reply.view) == b"re" + data[:100]
    assert sender.reply(0) is None


def test_the_view_is_aligned_for_tensors(cells, kind):
    import numpy as np

    cell = cells(kind())
    receiver, sender = cell.receiver(), cell.sender()
    held = []
    for nbytes in (1, 4096, 10_000):
        assert sender.send([bytes(nbytes)], 1.0)
        held.append(take(receiver))
        assert np.frombuffer(held[-1].view, np.uint8).ctypes.data % 64 == 0


def test_order_is_kept_and_acks_may_come_in_any(cells, kind):
    cell = cells(kind(depth=100))
    receiver, sender = cell.receiver(), cell.sender()
    sent = [b"message %d" % number for number in range(9)]
    assert all(sender.send([data], 1.0) for data in sent)
    held = [take(receiver) for _ in sent]
    assert [bytes(delivery.view) for delivery in held] == sent
    for index in (4, 0, 8, 1, 3):
        done(held[index])
    receiver.close()
    again = cell.receiver()
    left = [bytes(take(again).view) for _ in range(4)]
    assert left == [sent[index] for index in (2, 5, 6, 7)]
    assert again.receive(0.01) is None


def test_nothing_is_left_in_the_broker_when_all_is_acknowledged(cells, kind):
    cell = cells(kind(depth=100))
    receiver, sender = cell.receiver(), cell.sender()
    for number in range(70):
        assert sender.send([b"%d" % number], 1.0)
        delivery = take(receiver)
        delivery.reply([b"."])
        done(delivery)
        assert sender.reply(LONG_S) is not None
    receiver.close()
    sender.close()
    client, name = cell.client(), cell.address.where["name"]
    lengths = {
        key: client.xlen(key) if client.type(key) == b"stream" else client.llen(key)
        for key in client.keys(name + ":*")
        if client.type(key) != b"hash"
    }
    assert set(lengths.values()) <= {0}


def test_a_receiver_that_closes_leaves_what_it_did_not_acknowledge(cells, kind):
    cell = cells(kind())
    first, sender = cell.receiver(), cell.sender()
    assert all(sender.send([data], 1.0) for data in (b"a", b"b", b"c"))
    done(take(first))
    take(first)
    first.close()
    second = cell.receiver()
    assert [bytes(take(second).view) for _ in range(2)] == [b"b", b"c"]


def test_a_message_that_comes_after_receive_gave_up_is_not_lost(cells, kind):
    cell = cells(kind())
    first, sender = cell.receiver(), cell.sender()
    assert first.receive(0.01) is None
    assert sender.send([b"late"], 1.0)
    sender.close()
    first.close()
    assert take(cell.receiver()).view == b"late"


HOLDER = """
import json, sys
from importlib import import_module
from benchkit.transports.base import Address
module, name, options, where, hold = json.loads(sys.argv[1])
transport = getattr(import_module(module), name)(**options)
receiver = transport.receiver(Address(where), 0)
print("open", flush=True)
for _ in range(hold):
    receiver.receive(10)
print("holding", flush=True)
receiver.receive(60)
"""


@contextmanager
def holder(cell, hold, **options):
    """Worker 0 in a process of its own that takes `hold` messages, says so, and waits for one more."""
    config = cell.transport
    argument = json.dumps(
        [type(config).__module__, type(config).__name__, options, dict(cell.address.where), hold]
    )
    with subprocess.Popen([sys.executable, "-c", HOLDER, argument], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"open\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("hold", [0, 2])
def test_a_killed_worker_loses_nothing(cells, kind, hold):
    cell = cells(kind())
    sender = cell.sender()
    with holder(cell, hold) as process:
        sent = [b"%d" % number for number in range(hold)]
        assert all(sender.send([data], 1.0) for data in sent)
        assert process.stdout.readline() == b"holding\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert sender.send([b"last"], 1.0)
    receiver = cell.receiver()
    assert [bytes(take(receiver).view) for _ in range(hold + 1)] == [*sent, b"last"]


def test_what_a_killed_peer_held_is_taken_over(cells, kind):
    options = {"claim_after": 0.05} if kind is RedisStream else {}
    cell = cells(kind(**options), workers=2)
    sender, receiver = cell.sender(), cell.receiver(1)
    with holder(cell, 2, **options) as process:
        assert all(sender.send([data], 1.0) for data in (b"a", b"b"))
        assert process.stdout.readline() == b"holding\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    found = []
    for _ in range(100):
        delivery = receiver.receive(0.1)
        if delivery is not None:
            found.append(bytes(delivery.view))
            done(delivery)
        if len(found) == 2:
            break
    assert found == [b"a", b"b"]
    assert receiver.receive(0.01) is None


def test_a_live_peer_keeps_what_it_holds(cells):
    cell = cells(RedisList(), workers=2)
    first, second, sender = cell.receiver(0), cell.receiver(1), cell.sender()
    assert sender.send([b"mine"], 1.0)
    held = take(first)
    second.look()
    assert second.receive(0.01) is None
    # Nor is one forgotten: only a registered list is put back when its worker dies.
    registered = first.ask("HKEYS", first.place.register)
    first.look()
    assert len(registered) == 2
    assert second.ask("HKEYS", second.place.register) == registered
    done(held)


def test_two_workers_share_the_messages(cells, kind):
    cell = cells(kind(depth=100), workers=2)
    receivers, sender = [cell.receiver(0), cell.receiver(1)], cell.sender()
    sent = {b"%d" % number for number in range(40)}
    assert all(sender.send([data], 1.0) for data in sent)
    found = [[], []]
    for turn in range(40):
        delivery = take(receivers[turn % 2])
        found[turn % 2].append(bytes(delivery.view))
        done(delivery)
    assert len(found[0]) == len(found[1]) == 20
    assert set(found[0]) | set(found[1]) == sent


def test_send_says_no_when_full_and_yes_when_there_is_room(cells, kind):
    cell = cells(kind(depth=3))
    receiver, sender = cell.receiver(), cell.sender()
    assert [sender.send([b"%d" % number], 0) for number in range(5)] == [True, True, True, False, False]
    assert not sender.send([b"more"], 0.02)
    done(take(receiver))
    assert sender.send([b"3"], 1.0)
    assert [bytes(take(receiver).view) for _ in range(3)] == [b"1", b"2", b"3"]


def test_send_waits_for_room(cells, kind):
    cell = cells(kind(depth=1))
    receiver, sender = cell.receiver(), cell.sender()
    assert sender.send([b"first"], 0)
    asked = threading.Event()

    def make_room():
        asked.wait()
        done(take(receiver))

    thread = threading.Thread(target=make_room)
    thread.start()
    asked.set()
    assert sender.send([b"second"], LONG_S)
    thread.join()
    assert take(receiver).view == b"second"


def test_many_parts_are_gathered(cells, kind):
    cell = cells(kind(), message_bytes=5000)
    receiver, sender = cell.receiver(), cell.sender()
    parts = [bytes([number % 256]) * (number % 3) for number in range(4000)]
    assert sender.send(parts, 1.0)
    assert take(receiver).view == b"".join(parts)


@pytest.mark.slow
def test_256_mib_in_both_directions(cells, kind):
    nbytes = 256 << 20
    cell = cells(kind(), message_bytes=nbytes)
    receiver, sender = cell.receiver(), cell.sender()
    data = bytearray(nbytes)
    data[-1] = data[nbytes // 2] = data[0] = 7
    assert sender.send([data], 1.0)
    delivery = take(receiver, 60.0)
    assert delivery.view.nbytes == nbytes
    assert delivery.view == data
    delivery.reply([data])
    done(delivery)
    assert sender.reply(60.0).view == data


def test_a_message_beyond_the_limit_is_rejected(cells, kind):
    import mmap

    transport = kind()
    cell = cells(transport)
    sender = cell.sender()
    limit = transport.capabilities().max_message_bytes
    with (
        mmap.mmap(-1, limit + 1) as memory,
        memoryview(memory) as view,
        pytest.raises(Rejected, match=str(limit)),
    ):
        sender.send([view], 1.0)
    assert sender.send([b"next"], 1.0)


def test_a_message_that_the_broker_has_no_memory_for_comes_back(cells, kind):
    cell = cells(kind(), message_bytes=8 << 20)
    receiver, sender, client = cell.receiver(), cell.sender(), cell.client()
    client.config_set("maxmemory", 4 << 20)
    try:
        assert sender.send([b"begin", bytes(6 << 20)], 1.0)
        rejected = None
        while rejected is None:
            rejected = sender.reply(0.1)
    finally:
        client.config_set("maxmemory", 0)
    assert rejected.rejected
    assert bytes(rejected.view).startswith(b"begin\0")
    assert sender.send([b"small"], 1.0)
    assert take(receiver).view == b"small"


def test_keys_have_the_cells_name_and_are_removed(run, kind):
    name, folder, share = run
    cell_name = f"benchkit-{name}-{os.urandom(4).hex()}"
    transport = kind(depth=100)
    with transport.prepare(Setup(cell_name, folder, 64, 64, 1, share)) as address:
        client = redis.Redis.from_url(address.where["url"])
        before = set(client.keys("*"))
        sender, receiver = transport.sender(address), transport.receiver(address, 0)
        for _ in range(5):
            assert sender.send([b"m"], 1.0)
        take(receiver).reply([b"r"])
        assert {
            key for key in set(client.keys("*")) - before if not key.startswith(cell_name.encode())
        } == set()
        assert client.keys(cell_name + "*")
        receiver.close()
        sender.close()
    assert not client.keys(cell_name + "*")
    client.close()


def test_the_address_says_what_is_used(cells, kind):
    cell = cells(kind())
    assert cell.address.path.startswith("valkey ")
    assert cell.address.path.endswith(" over a Unix socket")
    assert cell.address.broker_pid == int(cell.client().info("server")["process_id"])
    assert cells(kind(socket="tcp")).address.path.endswith(" over TCP")


def test_one_broker_serves_all_cells_and_only_its_user_may_enter(cells, run):
    _, folder, _ = run
    addresses = [cells(kind()).address for kind in (RedisList, RedisStream)]
    assert addresses[0].broker_pid == addresses[1].broker_pid
    for path, mode in (("valkey", 0o700), ("valkey/s", 0o600), ("valkey/valkey.conf", 0o600)):
        assert (folder / path).stat().st_mode & 0o777 == mode
    tcp = cells(RedisList(socket="tcp")).address.where["url"]
    with (
        redis.Redis.from_url("redis://" + tcp.rpartition("@")[2]) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_a_broker_that_dies_is_an_error_at_both_ends(kind):
    with run_folder() as (name, folder), ExitStack() as stack:
        transport = kind()
        setup = Setup(f"benchkit-{name}-x", folder, 64, 64, 1, lambda _, make: stack.enter_context(make()))
        with transport.prepare(setup) as address:
            sender, receiver = transport.sender(address), transport.receiver(address, 0)
            os.kill(address.broker_pid, signal.SIGKILL)
            with pytest.raises(BrokerError):
                for _ in range(100):
                    sender.send([b"x"], 1.0)
            with pytest.raises(BrokerError):
                receiver.receive(LONG_S)
            with pytest.raises(BrokerError):
                sender.reply(LONG_S)
            sender.close()
            receiver.close()
