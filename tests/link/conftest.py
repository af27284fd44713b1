import socket

import pytest

from benchkit.link.plan import Endpoint, Impairment
from benchkit.link.process import link_process


@pytest.fixture(scope="session")
def process():
    with link_process() as running:
        yield running


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        listener.settimeout(20)
        yield listener


@pytest.fixture
def led(process, server):
    """Opens a link before the server: (link, port)."""
    opened = []

    def make(up=Impairment(), down=Impairment(), seed="1"):  # noqa: B008  (it is frozen)
        link = process.open(up, down, seed)
        opened.append(link)
        return link, link.lead(Endpoint("127.0.0.1", server.getsockname()[1]))

    yield make
    for link in opened:
        link.close()


@pytest.fixture
def pair(server):
    """A connection through a port of the link, and the server's end of it."""
    socks = []

    def connect(port):
        near = socket.create_connection(("127.0.0.1", port), timeout=20)
        far, _ = server.accept()
        far.settimeout(20)
        socks.extend((near, far))
        return near, far

    yield connect
    for sock in socks:
        sock.close()
