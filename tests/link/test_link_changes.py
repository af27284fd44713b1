"""A link that changes while it is used: other impairments, and connections that die one way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from benchkit.link.plan import Endpoint, Impairment
from benchkit.link.process import OpenLink, link_process

NOTHING = Impairment()


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that answers each byte string with itself, one connection after the other."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(near,), daemon=True).start()

    def answer(near: socket.socket) -> None:
        with near:
            try:
                while data := near.recv(4096):
                    near.sendall(data)
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture
def link() -> Iterator[OpenLink]:
    with link_process() as process:
        yield process.open(NOTHING, NOTHING, "seed")


def asked(sock: socket.socket) -> bytes:
    sock.sendall(b"x")
    return sock.recv(1)


def test_it_becomes_slow_and_fast_again_under_one_connection(link, echo):
    with socket.create_connection(("127.0.0.1", link.lead(Endpoint("127.0.0.1", echo)))) as sock:
        sock.settimeout(10)
        assert asked(sock) == b"x"
        link.impair(Impairment(delay_ns=80_000_000), NOTHING)
        before = link.stats()["up"]["delay_us"]
        assert asked(sock) == b"x"
        after = link.stats()["up"]["delay_us"]
        assert after["max"] >= 80_000 > before["max"]
        link.impair(NOTHING, NOTHING)
        slow = link.stats()["up"]["delay_us"]["mean"]
        for _ in range(20):
            assert asked(sock) == b"x"
        assert link.stats()["up"]["delay_us"]["mean"] < slow / 4


@pytest.mark.parametrize("way", ["up", "down", "both"])
def test_a_half_open_connection_is_silent_until_it_is_reset_and_new_ones_work(link, echo, way):
    port = link.lead(Endpoint("127.0.0.1", echo))
    with socket.create_connection(("127.0.0.1", port)) as sock:
        assert asked(sock) == b"x"
        assert link.half_open(way) == 1
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            asked(sock)
        if way != "down":
            assert link.stats()["up"]["bytes"] == 1, "it reached the server all the same"
        with socket.create_connection(("127.0.0.1", port)) as another:
            another.settimeout(10)
            assert asked(another) == b"x"
            assert link.end_half_open() == 1
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
            assert asked(another) == b"x", "only the dead one is reset"
