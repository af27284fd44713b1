"""The claim-check layout: what exists when, what comes again, what is left behind."""

from __future__ import annotations

import os

import pytest
from test_redis import cells, done, holder, run, take  # noqa: F401  (fixtures)

from benchkit.errors import Rejected
from benchkit.transports._redis import place
from benchkit.transports._redis.place import KEPT_S
from benchkit.transports.redis_list import RedisList
from benchkit.transports.redis_stream import RedisStream


@pytest.fixture(params=[RedisList, RedisStream], ids=["list", "stream"])
def kind(request):
    return request.param


@pytest.fixture(params=["fast", "plain"])
def options(request):
    return {"layout": "claim-check", "client": request.param, "depth": 100}


def payloads(cell):
    return sorted(cell.client().keys(cell.address.where["name"] + ":m:*"))


def test_a_payload_has_a_key_until_it_is_acknowledged(cells, kind, options):  # noqa: F811  (a fixture)
    cell = cells(kind(**options))
    receiver, sender, client = cell.receiver(), cell.sender(), cell.client()
    data = os.urandom(100_000)
    assert sender.send([data[:9], data[9:]], 1.0)
    delivery = take(receiver)
    (key,) = payloads(cell)
    assert client.get(key) == data
    assert 0 < client.ttl(key) <= KEPT_S
    queue = cell.address.where["name"] + ":q"
    assert client.memory_usage(queue) is None or client.memory_usage(queue) < 50_000
    assert delivery.view == data
    done(delivery)
    receiver.close()
    assert payloads(cell) == []


def test_acks_in_any_order_delete_their_own_payloads(cells, kind, options):  # noqa: F811  (a fixture)
    cell = cells(kind(**options))
    receiver, sender = cell.receiver(), cell.sender()
    assert all(sender.send([b"%d" % number], 1.0) for number in range(5))
    held = [take(receiver) for _ in range(5)]
    for number in (3, 0, 4):
        done(held[number])
    receiver.close()
    again = cell.receiver()
    assert [bytes(take(again).view) for _ in range(2)] == [b"1", b"2"]
    assert again.receive(0.01) is None
    assert len(payloads(cell)) == 2


def test_a_claim_whose_payload_is_gone_was_done_before(cells, kind, options):  # noqa: F811  (a fixture)
    """What a worker leaves that dies between the two deletions of its acknowledgement."""
    cell = cells(kind(**options))
    sender, client = cell.sender(), cell.client()
    assert all(sender.send([data], 1.0) for data in (b"a", b"b", b"c"))
    sender.close()  # so all have arrived
    middle = next(key for key in payloads(cell) if client.get(key) == b"b")
    client.delete(middle)
    receiver = cell.receiver()
    for expected in (b"a", b"c"):
        delivery = take(receiver)
        assert delivery.view == expected
        done(delivery)
    assert receiver.receive(0.01) is None
    receiver.close()
    assert cell.receiver().receive(0.01) is None


def test_a_producer_that_is_opened_again_overwrites_nothing(cells, kind, options):  # noqa: F811  (a fixture)
    cell = cells(kind(**options))
    for data in (b"before", b"after"):
        sender = cell.sender()
        assert sender.send([data], 1.0)
        sender.close()
    receiver = cell.receiver()
    assert [bytes(take(receiver).view) for _ in range(2)] == [b"before", b"after"]


@pytest.mark.parametrize("client", ["fast", "plain"])
def test_a_killed_workers_messages_come_again(cells, kind, client):  # noqa: F811  (a fixture)
    options = {"layout": "claim-check", "client": client}
    cell = cells(kind(**options))
    sender = cell.sender()
    with holder(cell, 2, **options) as process:
        assert all(sender.send([data], 1.0) for data in (b"a", b"b"))
        assert process.stdout.readline() == b"holding\n"
        process.kill()
        process.wait()
    assert sender.send([b"c"], 1.0)
    receiver = cell.receiver()
    assert [bytes(take(receiver).view) for _ in range(3)] == [b"a", b"b", b"c"]


def test_payloads_that_nobody_took_are_removed_with_the_cell(run, kind, options, monkeypatch):  # noqa: F811
    from contextlib import ExitStack

    import redis

    from benchkit.transports.base import Setup

    monkeypatch.setattr(place, "_PAGE", 2)
    run_name, folder, share = run
    name = f"benchkit-{run_name}-{os.urandom(4).hex()}"
    transport = kind(**options)
    with transport.prepare(Setup(name, folder, 64, 64, 1, share)) as address, ExitStack() as ends:
        client = ends.enter_context(redis.Redis.from_url(address.where["url"]))
        url = address.where["url"]
        client.set("w0", "a key of the user's that is called like a consumer")
        sender, receiver = transport.sender(address), transport.receiver(address, 0)
        ends.callback(sender.close)
        assert all(sender.send([b"%d" % number], 1.0) for number in range(7))
        taken = [take(receiver) for _ in range(3)]
        assert len(client.keys(f"{name}:m:*")) == 7
        del taken
        # Killed: the connections close, nothing is put back.
        for connection in (c for c in ("takes", "gives", "client") if hasattr(receiver, c)):
            end = getattr(receiver, connection)
            if hasattr(end, "close"):
                end.close()
    with redis.Redis.from_url(url) as client:
        assert client.keys(f"{name}*") == []
        assert client.delete("w0") == 1


def test_a_message_without_room_leaves_nothing(cells, kind, options):  # noqa: F811  (a fixture)
    """Neither a payload without its claim nor a claim without its payload."""
    cell = cells(kind(**options), message_bytes=8 << 20)
    receiver, sender, client = cell.receiver(), cell.sender(), cell.client()
    client.config_set("maxmemory", 4 << 20)
    try:
        if options["client"] == "plain":
            with pytest.raises(Rejected, match="memory"):
                sender.send([bytes(6 << 20)], 1.0)
        else:
            assert sender.send([b"begin", bytes(6 << 20)], 1.0)
            rejected = None
            while rejected is None:
                rejected = sender.reply(0.1)
            assert rejected.rejected
            assert sender.reply(0.05) is None
    finally:
        client.config_set("maxmemory", 0)
    assert payloads(cell) == []
    assert sender.send([b"small"], 1.0)
    delivery = take(receiver)
    assert delivery.view == b"small"
    done(delivery)


def test_what_lasts_has_a_time_to_live(cells, kind, options):  # noqa: F811  (a fixture)
    cell = cells(kind(**options))
    receiver, client, name = cell.receiver(), cell.client(), cell.address.where["name"]
    receiver.path()
    keys = client.keys(name + ":*")
    assert keys
    assert all(0 < client.ttl(key) <= KEPT_S for key in keys)
