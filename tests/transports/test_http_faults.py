"""The HTTP transport against clients, servers and workers that misbehave or die."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchkit.errors import BrokerError
from benchkit.transports._http import connection
from benchkit.transports.base import Address, Delivery, Setup
from benchkit.transports.http import Http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection as Pipe
    from pathlib import Path

    from benchkit.transports.http import HttpReceiver

LIMIT = 100_000
SOON = 5.0
HOST = "127.0.0.1"


def setup(folder: Path, workers: int = 1) -> Setup:
    return Setup("t0123456789", folder, LIMIT, LIMIT, workers, lambda key, make: make().__enter__())


@contextmanager
def server(folder: Path, **options: int) -> Iterator[tuple[HttpReceiver, socket.socket]]:
    """A stage's server and a raw connection to it."""
    transport = Http(**options)
    with transport.prepare(setup(folder)) as address:
        # The path is a random key; requests here are written by hand.
        receiver = transport.receiver(replace(address, where={**address.where, "path": "/t0123456789"}), 0)
        try:
            with socket.create_connection((HOST, int(address.where["ports"])), timeout=SOON) as raw:
                yield receiver, raw
        finally:
            receiver.close()


def post(length: object, *headers: str, path: str = "/t0123456789") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", *headers]
    return "\r\n".join(
        [*lines, *([f"Content-Length: {length}"] if length is not None else []), "", ""]
    ).encode()


def response(raw: socket.socket) -> tuple[int, bytes, bytes]:
    """Status, head and body of the next response."""
    read = b""
    while b"\r\n\r\n" not in read:
        read += raw.recv(1) or pytest.fail(f"closed after {read!r}")
    length = next((int(line[15:]) for line in read.split(b"\r\n") if line.startswith(b"content-length:")), 0)
    body = b""
    while len(body) < length:
        body += raw.recv(length - len(body)) or pytest.fail(f"closed after {body!r}")
    return int(read[9:12]), read, body


def receive(receiver: HttpReceiver) -> Delivery:
    delivery = receiver.receive(SOON)
    assert delivery is not None
    return delivery


def works(receiver: HttpReceiver, raw: socket.socket) -> None:
    raw.sendall(post(5) + b"hello")
    delivery = receive(receiver)
    assert delivery.view == b"hello"
    delivery.reply([b"good", b"bye"])
    delivery.ack()
    delivery.release()
    assert response(raw)[::2] == (200, b"goodbye")


def test_413_is_answered_before_the_body_and_the_connection_works_on(tmp_path: Path) -> None:
    with server(tmp_path) as (receiver, raw):
        raw.sendall(post(LIMIT + 1))
        assert response(raw)[0] == 413
        raw.sendall(bytes(LIMIT + 1))
        works(receiver, raw)


def test_503_tells_when_to_come_back(tmp_path: Path) -> None:
    with server(tmp_path, queue=1) as (receiver, raw):
        peer = raw.getpeername()
        raw.sendall(post(100) + b"part of it")
        with socket.create_connection(peer, timeout=SOON) as other:
            # The first may not have been read yet, so whichever comes second is refused.
            other.sendall(post(3) + b"abc")
            status, head, _ = response(other)
            assert status == 503
            assert b"\r\nretry-after: 1\r\n" in head
            raw.sendall(bytes(90))
            delivery = receive(receiver)
            assert len(delivery.view) == 100
            works(receiver, other)


def test_an_aborted_body_gives_its_place_back(tmp_path: Path) -> None:
    with server(tmp_path, queue=1) as (receiver, raw):
        peer = raw.getpeername()
        raw.sendall(post(100) + b"part of it")
        raw.close()
        for _ in range(10_000):
            with socket.create_connection(peer, timeout=SOON) as other:
                other.sendall(post(3) + b"abc")
                delivery = receiver.receive(0.01)
                if delivery is not None:
                    assert delivery.view == b"abc"
                    return
        pytest.fail("the place in the queue never came back")


def test_a_chunked_body_is_taken_and_the_limit_holds(tmp_path: Path) -> None:
    chunked = post(None, "Transfer-Encoding: chunked")
    with server(tmp_path) as (receiver, raw):
        raw.sendall(chunked + b"3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n")
        delivery = receive(receiver)
        assert delivery.view == b"abcdefgh"
        delivery.ack()
        delivery.release()
        assert response(raw)[0] == 204
        raw.sendall(chunked + (b"%x\r\n" % LIMIT + bytes(LIMIT) + b"\r\n") * 2)
        assert response(raw)[0] == 413
        raw.sendall(b"0\r\n\r\n")
        works(receiver, raw)


def test_a_client_that_waits_for_100_continue_gets_it(tmp_path: Path) -> None:
    with server(tmp_path) as (receiver, raw):
        raw.sendall(post(50_000, "Expect: 100-continue"))
        assert response(raw)[0] == 100
        raw.sendall(bytes(50_000))
        delivery = receive(receiver)
        assert len(delivery.view) == 50_000
        delivery.ack()
        assert response(raw)[0] == 204


def test_requests_sent_ahead_are_answered_in_order(tmp_path: Path) -> None:
    with server(tmp_path) as (receiver, raw):
        raw.sendall(post(1) + b"a" + post(70_000) + b"b" * 70_000 + post(1) + b"c")
        for _ in range(3):
            delivery = receive(receiver)
            delivery.reply([delivery.view[:1]])
            delivery.ack()
            delivery.release()
        assert [response(raw)[2] for _ in range(3)] == [b"a", b"b", b"c"]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\x16\x03\x01 no HTTP at all\r\n\r\n", 400),
        (post("-1"), 400),
        (post("many"), 400),
        (post("9" * 30), 400),
        (b"GET /t0123456789 HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (post(0, path="/other"), 404),
        (post(2**60), 413),
        (post(None, "X: " + "y" * 300_000), 400),
        (b"POST /" + b"y" * 300_000, 400),
    ],
)
def test_a_malformed_request_is_answered_and_the_server_works_on(
    tmp_path: Path, request_bytes: bytes, status: int
) -> None:
    with server(tmp_path, queue=1) as (receiver, raw):
        peer = raw.getpeername()
        try:
            raw.sendall(request_bytes)
            assert response(raw)[0] == status
        except ConnectionError:
            # Closed with unread bytes: the answer may be overtaken by the reset.
            assert status == 400
            assert len(request_bytes) > connection.MAX_HEAD_BYTES
        assert receiver.receive(0) is None
        with socket.create_connection(peer, timeout=SOON) as other:
            works(receiver, other)


@contextmanager
def other_server(behave: Callable[[socket.socket], None]) -> Iterator[Address]:
    """An HTTP server that does what `behave` does with each connection's first request head."""
    listener = socket.create_server((HOST, 0))

    def serve() -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            with accepted:
                accepted.settimeout(SOON)
                read = b""
                while b"\r\n\r\n" not in read and (chunk := accepted.recv(4096)):
                    read += chunk
                if read:
                    behave(accepted)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        port = listener.getsockname()[1]
        yield Address({"ports": str(port), "path": "/x", "message_bytes": 1 << 30, "reply_bytes": 100})
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(SOON)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2/\r\nContent-Length: 0\r\n\r\n",
            "302: redirects are refused",
        ),
        (
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n",
            "307: redirects are refused",
        ),
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", "answered 500"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "without a Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", "more than the 100 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "more than"),
        (b"-ERR unknown command\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "head without an end"),
        (b"", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Len", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", "closed the connection"),
    ],
)
def test_an_answer_that_cannot_be_used_is_an_error(answer: bytes, message: str) -> None:
    with other_server(lambda accepted: accepted.sendall(answer)) as address:
        sender = Http().sender(address)
        try:
            assert sender.send([b"x" * 64], SOON)
            with pytest.raises(BrokerError, match=message):
                for _ in range(100):
                    assert sender.reply(SOON) is None
        finally:
            sender.close()


def test_a_server_that_refuses_and_reads_no_further_is_a_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL_S", 0.2)
    closed = threading.Event()

    def refuse(accepted: socket.socket) -> None:
        accepted.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        closed.wait(SOON)

    with other_server(refuse) as address:
        sender = Http(depth=1).sender(address)
        assert sender.send([b"a" * 64, bytes(64 << 20)], SOON)
        reply = sender.reply(SOON)
        assert reply is not None
        assert reply.rejected
        assert reply.view == b"a" * 64
        closed.set()
        sender.close()


def test_a_server_that_takes_nothing_more_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL_S", 0.2)
    closed = threading.Event()
    with other_server(lambda accepted: closed.wait(SOON) and None) as address:
        sender = Http(depth=1).sender(address)
        assert not sender.send([b"a" * 64, bytes(64 << 20)], SOON)
        assert sender.reply(0) is None
        closed.set()
        sender.close()


def hold_a_message(address: Address, worker: int, pipe: Pipe) -> None:
    """Receive what comes, tell its first byte, and answer none of it."""
    receiver = Http(depth=4).receiver(address, worker)
    pipe.send("open")
    while True:
        delivery = receiver.receive(SOON)
        if delivery is not None:
            pipe.send(delivery.view[0])


@contextmanager
def worker_process(address: Address, worker: int) -> Iterator[tuple[Pipe, Callable[[], None]]]:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=hold_a_message, args=(address, worker, theirs), daemon=True)
    process.start()

    def kill() -> None:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()

    try:
        assert ours.poll(30)
        assert ours.recv() == "open"
        yield ours, kill
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()
        theirs.close()


def test_what_a_killed_worker_held_is_lost_and_the_next_one_goes_on(tmp_path: Path) -> None:
    transport = Http(depth=4)
    with transport.prepare(setup(tmp_path)) as address:
        with worker_process(address, 0) as (pipe, kill):
            sender = transport.sender(address)
            assert sender.send([b"\x07" * 64], SOON)
            assert pipe.poll(SOON)
            assert pipe.recv() == 7
            kill()
            with pytest.raises(BrokerError, match="closed the connection"):
                sender.reply(SOON)
        receiver = transport.receiver(address, 0)
        assert sender.send([b"\x08" * 64], SOON)
        assert receive(receiver).view[0] == 8
        assert receiver.receive(0.05) is None
        sender.close()
        receiver.close()


def test_with_a_second_worker_the_run_goes_on(tmp_path: Path) -> None:
    transport = Http(depth=4)
    with transport.prepare(setup(tmp_path, workers=2)) as address:
        receiver = transport.receiver(address, 0)
        with worker_process(address, 1) as (pipe, kill):
            sender = transport.sender(address)
            for number in range(4):
                assert sender.send([bytes([number]) * 64], SOON)
            assert pipe.poll(SOON)
            lost = {pipe.recv(), pipe.recv()}
            kill()
            for _ in range(2):
                delivery = receive(receiver)
                assert delivery.view[0] not in lost
                delivery.reply([])
                delivery.ack()
                delivery.release()
                assert sender.reply(SOON) is not None
            assert sender.reply(0.05) is None
            # Both places of the lost ones are free again, and everything goes to the worker that is left.
            for number in range(10, 14):
                assert sender.send([bytes([number]) * 64], SOON)
            assert {receive(receiver).view[0] for _ in range(4)} == {10, 11, 12, 13}
        sender.close()
        receiver.close()
