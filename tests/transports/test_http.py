"""The HTTP transport's two ends against each other, in one process (the server has a thread of its own)."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.errors import BrokerError, Rejected
from benchkit.plugins import Registry
from benchkit.transports._http.connection import _after, _start
from benchkit.transports.base import Address, Delivery, Setup, Transport
from benchkit.transports.http import Http

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchkit.transports._http.client import HttpSender
    from benchkit.transports.http import HttpReceiver

LIMIT = 1 << 20
SOON = 5.0


def setup(folder: Path, workers: int = 1, message_bytes: int = LIMIT) -> Setup:
    return Setup("t0123456789", folder, message_bytes, LIMIT, workers, lambda key, make: make().__enter__())


@contextmanager
def ends(
    folder: Path, workers: int = 1, message_bytes: int = LIMIT, **options: int
) -> Iterator[tuple[HttpSender, list[HttpReceiver]]]:
    transport = Http(**options)
    with transport.prepare(setup(folder, workers, message_bytes)) as address:
        receivers = [transport.receiver(address, worker) for worker in range(workers)]
        try:
            sender = transport.sender(address)
            try:
                yield sender, receivers
            finally:
                sender.close()
        finally:
            for receiver in receivers:
                receiver.close()


def receive(receiver: HttpReceiver) -> Delivery:
    delivery = receiver.receive(SOON)
    assert delivery is not None
    return delivery


def finish(delivery: Delivery, *parts: bytes) -> None:
    delivery.reply(parts)
    delivery.ack()
    delivery.release()


def message(number: int, nbytes: int = 64) -> bytes:
    return bytes([number]) * nbytes


def test_one_connection_keeps_the_order_and_says_so(tmp_path: Path) -> None:
    assert Http(depth=1).capabilities().ordering == "per-worker"
    assert Http(depth=2).capabilities().ordering == "none"
    with ends(tmp_path, depth=1) as (sender, (receiver,)):
        for number in range(20):
            assert sender.send([message(number)], SOON)
            delivery = receive(receiver)
            assert delivery.view == message(number)
            finish(delivery, b"reply ", message(number))
            reply = sender.reply(SOON)
            assert reply is not None
            assert reply.view == b"reply " + message(number)
            assert not reply.rejected


@pytest.mark.parametrize("nbytes", [0, 1, 63, 64, 65_536, 300_000, LIMIT])
def test_every_size_crosses_both_ways_unchanged(tmp_path: Path, nbytes: int) -> None:
    content = np.random.default_rng(nbytes).bytes(nbytes)
    with ends(tmp_path) as (sender, (receiver,)):
        for _ in range(3):
            assert sender.send([content[: nbytes // 3], b"", memoryview(content)[nbytes // 3 :]], SOON)
            delivery = receive(receiver)
            assert delivery.view == content
            assert delivery.view.readonly
            delivery.reply([memoryview(content)[:7], content[7:]])
            delivery.ack()
            delivery.release()
            reply = sender.reply(SOON)
            assert reply is not None
            assert reply.view == content


def test_more_parts_than_one_call_can_gather(tmp_path: Path) -> None:
    parts = [bytes([number % 256]) * (number % 7) for number in range(3000)]
    with ends(tmp_path) as (sender, (receiver,)):
        assert sender.send(parts, SOON)
        assert receive(receiver).view == b"".join(parts)


@pytest.mark.slow
def test_256_mib(tmp_path: Path) -> None:
    content = np.arange(64 << 20, dtype=np.uint32)
    with ends(tmp_path, message_bytes=content.nbytes) as (sender, (receiver,)):
        assert sender.send([memoryview(content).cast("B")], SOON)
        delivery = receive(receiver)
        assert np.array_equal(np.frombuffer(delivery.view, np.uint32), content)


def test_several_are_held_at_once_and_answered_in_any_order(tmp_path: Path) -> None:
    with ends(tmp_path, depth=4) as (sender, (receiver,)):
        for _ in range(3):
            for number in range(4):
                assert sender.send([message(number, 100_000)], SOON)
            held = [receive(receiver) for _ in range(4)]
            assert sorted(delivery.view[0] for delivery in held) == [0, 1, 2, 3]
            assert all(delivery.view == message(delivery.view[0], 100_000) for delivery in held)
            for delivery in sorted(held, key=lambda delivery: -delivery.view[0]):
                number = delivery.view[0]
                finish(delivery, message(number))
                reply = sender.reply(SOON)
                assert reply is not None
                assert reply.view == message(number)
            assert sender.reply(0) is None


def test_a_released_buffer_is_used_again_and_is_aligned(tmp_path: Path) -> None:
    addresses = set()
    with ends(tmp_path) as (sender, (receiver,)):
        for number in range(6):
            assert sender.send([message(number, 200_000)], SOON)
            delivery = receive(receiver)
            addresses.add(np.frombuffer(delivery.view, np.uint8).ctypes.data)
            finish(delivery)
            assert sender.reply(SOON) is not None
    assert len(addresses) == 1
    assert next(iter(addresses)) % 64 == 0


def test_two_workers_share_and_the_less_busy_one_is_asked_first(tmp_path: Path) -> None:
    with ends(tmp_path, workers=2, depth=4) as (sender, receivers):
        for number in range(4):
            assert sender.send([message(number)], SOON)
        held = [[receive(receiver), receive(receiver)] for receiver in receivers]
        assert {delivery.view[0] for pair in held for delivery in pair} == {0, 1, 2, 3}
        for delivery in held[1]:
            finish(delivery)
            assert sender.reply(SOON) is not None
        for number in (4, 5):
            assert sender.send([message(number)], SOON)
        assert {receive(receivers[1]).view[0] for _ in range(2)} == {4, 5}
        assert receivers[0].receive(0) is None


def test_send_says_full_and_takes_again_when_a_reply_was_taken(tmp_path: Path) -> None:
    with ends(tmp_path, depth=2) as (sender, (receiver,)):
        assert sender.send([message(0)], SOON)
        assert sender.send([message(1)], SOON)
        assert not sender.send([message(2)], 0)
        began = monotonic()
        assert not sender.send([message(2)], 0.02)
        assert monotonic() - began >= 0.02
        finish(receive(receiver), b"done")
        # The reply is there before the time is up: it wants to be seen, and has the only free place.
        assert not sender.send([message(2)], SOON)
        assert sender.reply(0) is not None
        assert sender.send([message(2)], 0)


def test_an_ack_without_a_reply_frees_the_connection(tmp_path: Path) -> None:
    with ends(tmp_path, depth=1) as (sender, (receiver,)):
        for number in range(3):
            assert sender.send([message(number)], SOON)
            delivery = receive(receiver)
            delivery.ack()
            delivery.release()
        assert sender.reply(0.05) is None


@pytest.mark.parametrize("timeout", [0, 0.0003, 0.011])
def test_nothing_comes_before_the_timeout_is_over(tmp_path: Path, timeout: float) -> None:
    with ends(tmp_path) as (sender, (receiver,)):
        for wait in (sender.reply, receiver.receive):
            began = monotonic()
            assert wait(timeout) is None
            assert monotonic() - began >= timeout


def test_a_message_over_the_limit_is_never_sent(tmp_path: Path) -> None:
    with ends(tmp_path, message_bytes=1000) as (sender, (receiver,)):
        with pytest.raises(Rejected, match="1001 bytes"):
            sender.send([message(1, 1001)], SOON)
        assert sender.send([message(2, 1000)], SOON)
        assert receive(receiver).view[0] == 2


@pytest.mark.parametrize("nbytes", [1001, 3_000_000])
def test_the_servers_413_is_a_rejection_and_the_pool_works_on(tmp_path: Path, nbytes: int) -> None:
    transport = Http(depth=1)
    with transport.prepare(setup(tmp_path, message_bytes=1000)) as address:
        receiver = transport.receiver(address, 0)
        sender = transport.sender(Address({**address.where, "message_bytes": 1 << 30}))
        for number in range(3):
            assert sender.send([message(number, 32), message(9, nbytes)], SOON)
            reply = sender.reply(SOON)
            assert reply is not None
            assert reply.rejected
            assert reply.view == message(number, 32) + message(9, 32)
        assert sender.send([message(4)], SOON)
        assert receive(receiver).view == message(4)
        sender.close()
        receiver.close()


def test_a_full_queue_answers_503_and_the_pool_works_on(tmp_path: Path) -> None:
    with ends(tmp_path, depth=3, queue=1) as (sender, (receiver,)):
        # The first must be complete before the others are sent: it is what fills the queue.
        assert sender.send([message(0)], SOON)
        while receiver._server.intake.queue.empty():
            assert sender.reply(0.001) is None
        for number in (1, 2):
            assert sender.send([message(number, 500_000)], SOON)
            reply = sender.reply(SOON)
            assert reply is not None
            assert reply.rejected
            assert reply.view == message(number)
        assert receive(receiver).view == message(0)
        assert sender.send([message(3)], SOON)
        assert receive(receiver).view == message(3)


def test_closing_leaves_no_thread_and_no_listening_port(tmp_path: Path) -> None:
    transport = Http()
    with transport.prepare(setup(tmp_path)) as address:
        before = set(threading.enumerate())
        receiver = transport.receiver(address, 0)
        sender = transport.sender(address)
        assert sender.send([message(0)], SOON)
        assert sender.send([message(1)], SOON)
        held = receive(receiver)
        receiver.close()
        assert set(threading.enumerate()) == before
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(address.where["ports"])))
        finish(held, b"too late")
        with pytest.raises(BrokerError, match="closed the connection"):
            sender.reply(SOON)
        sender.close()


def test_a_worker_that_is_opened_again_is_found_again(tmp_path: Path) -> None:
    transport = Http(depth=2)
    with transport.prepare(setup(tmp_path)) as address:
        receiver = transport.receiver(address, 0)
        sender = transport.sender(address)
        for number in range(3):
            assert sender.send([message(number)], SOON)
            finish(receive(receiver))
            assert sender.reply(SOON) is not None
            receiver.close()
            with pytest.raises(BrokerError, match="takes no other"):
                sender.send([message(9)], SOON)
            receiver = transport.receiver(address, 0)
        sender.close()
        receiver.close()


def test_no_server_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    transport = Http()
    with (
        transport.prepare(setup(tmp_path)) as address,
        pytest.raises(BrokerError, match=r"cannot be reached: Connection refused[\s\S]*remedy"),
    ):
        transport.sender(address)


def test_a_taken_port_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = Address(
            {"ports": str(other.getsockname()[1]), "path": "/", "message_bytes": 1, "reply_bytes": 1}
        )
        with pytest.raises(BrokerError, match=r"cannot bind[\s\S]*remedy"):
            Http().receiver(address, 0)


def test_the_address_is_plain_and_says_what_is_used(tmp_path: Path) -> None:
    with Http().prepare(setup(tmp_path, workers=3)) as address:
        assert all(isinstance(value, str | int) for value in address.where.values())
        assert len(set(str(address.where["ports"]).split(","))) == 3
        assert "uvicorn 0." in address.path
    registry: Registry[Transport] = Registry("benchkit.transports", "transport", Transport)  # type: ignore[type-abstract]
    assert registry.build({"kind": "http", "depth": 3, "queue": 2}) == Http(depth=3, queue=2)


@given(st.lists(st.binary(max_size=80), max_size=20), st.data())
def test_what_is_left_after_a_partial_write(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    sent = data.draw(st.integers(0, len(whole)))
    assert b"".join(_after(list(parts), sent)) == whole[sent:]
    assert _start(parts, min(64, len(whole))) == whole[:64]
