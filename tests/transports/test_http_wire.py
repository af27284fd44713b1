"""The HTTP stage as an ordinary client sees it: Python's own, which shares no code with ours."""

from __future__ import annotations

import http.client
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from select import select

import pytest
from ends import Memory
from opened import opened, settle, taken

from benchkit.transports.base import Receiver
from benchkit.transports.http import Http

LIMIT = 1 << 20
CHUNK = bytes(1 << 16)


@contextmanager
def stage(
    limit_bytes: int = LIMIT, **options: int
) -> Iterator[tuple[Receiver, http.client.HTTPConnection, str]]:
    """A listening worker, a connection to it, and its path."""
    with opened(Http(**options), message_bytes=limit_bytes) as both:
        receiver = both.receiver()
        client = http.client.HTTPConnection("127.0.0.1", int(both.address.where["ports"]), timeout=10)
        client.connect()
        try:
            yield receiver, client, str(both.address.where["path"])
        finally:
            client.close()


def status(client: http.client.HTTPConnection) -> int:
    answer = client.getresponse()
    answer.read()
    return answer.status


def test_one_connection_outlives_every_answer() -> None:
    with stage(queue=1) as (receiver, client, path):
        sock = client.sock
        for body in (b"a" * 1000, b"", b"b" * LIMIT, b"c"):
            client.request("POST", path, body)
            delivery = taken(receiver)
            assert delivery.view == body
            delivery.reply((b"yes ", body[:3]))
            settle(delivery)
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (200, b"yes " + body[:3])
        client.request("POST", path, bytes(LIMIT + 1))
        assert status(client) == 413
        client.request("GET", path)
        assert status(client) == 405
        client.request("POST", "/elsewhere", b"x")
        assert status(client) == 404
        client.request("POST", path, b"without a reply")
        settle(taken(receiver))
        assert status(client) == 204
        assert client.sock is sock


def test_what_finds_the_queue_full_is_told_when_to_come_back_and_can() -> None:
    with stage(queue=1) as (receiver, client, path):
        other = http.client.HTTPConnection("127.0.0.1", client.port, timeout=10)
        both = [client, other]
        for each in both:
            each.request("POST", path, b"waits")
        # Whichever came first has the only place; the other is answered at once.
        (readable,) = select([each.sock for each in both], (), (), 10)[0]
        refused = next(each for each in both if each.sock is readable)
        answer = refused.getresponse()
        assert (answer.status, answer.getheader("Retry-After"), answer.read()) == (503, "1", b"")
        settle(taken(receiver))
        both.remove(refused)
        assert status(both[0]) == 204
        refused.request("POST", path, b"again")
        delivery = taken(receiver)
        assert delivery.view == b"again"
        settle(delivery)
        assert status(refused) == 204
        other.close()


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_beyond_the_limit_is_refused_while_it_is_read_and_takes_no_memory(*, announced: bool) -> None:
    count = 1024  # 64 MiB
    with stage() as (receiver, client, path):
        client.putrequest("POST", path)
        if announced:
            client.putheader("Content-Length", str(count * len(CHUNK)))
        else:
            client.putheader("Transfer-Encoding", "chunked")
        client.endheaders()
        chunk = CHUNK if announced else b"%x\r\n" % len(CHUNK) + CHUNK + b"\r\n"
        for _ in range(32):
            client.sock.sendall(chunk)
        # Twice the limit has gone, and most is still to come.
        early = client.sock.recv(12)
        assert early == b"HTTP/1.1 413"
        memory = Memory(os.getpid())
        for _ in range(count - 32):
            client.sock.sendall(chunk)
        if not announced:
            client.sock.sendall(b"0\r\n\r\n")
        client.sock.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok".encode())
        delivery = taken(receiver)
        assert delivery.view == b"ok"
        settle(delivery)
        assert memory.grown_bytes < 8 << 20


def test_a_body_is_read_into_memory_that_is_used_again() -> None:
    nbytes = 16 << 20
    with stage(nbytes, depth=1) as (receiver, client, path):
        content = bytes(range(256)) * (nbytes // 256)

        def post() -> None:
            client.request("POST", path, memoryview(content))
            assert status(client) == 204

        memory = None
        for _ in range(6):
            posting = threading.Thread(target=post)
            posting.start()
            delivery = taken(receiver)
            assert delivery.view == content
            settle(delivery)
            posting.join()
            del delivery
            memory = memory or Memory(os.getpid())
        assert memory is not None
        assert memory.grown_bytes < nbytes
