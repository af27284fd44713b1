"""UDP through the proxy's process: what is lost, doubled, held back and bounded is what was asked."""

import math
import socket
import sys
import time

import pytest
from streams import until

from benchkit.link.plan import Blackout, Endpoint, Impairment

MS = 1_000_000
COUNT = 1500


@pytest.fixture
def datagrams(process):
    """Opens a link before a UDP server: (link, a client's socket, the server's)."""
    socks, links = [], []

    def make(up, down=Impairment()):  # noqa: B008  (it is frozen)
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        server.settimeout(20)
        link = process.open(up, down, "5")
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.connect(("127.0.0.1", link.lead(Endpoint("127.0.0.1", server.getsockname()[1]), "udp")))
        client.settimeout(20)
        socks.extend((server, client))
        links.append(link)
        return link, client, server

    yield make
    for link in links:
        link.close()
    for sock in socks:
        sock.close()


def send(client, count=COUNT, nbytes=100):
    """Numbered datagrams, a few at a time, so that no kernel's buffer is asked for too much."""
    for number in range(count):
        client.send(number.to_bytes(4, "little") + bytes(nbytes - 4))
        if number % 20 == 19:
            time.sleep(0.001)  # paces the sender


def received(server):
    """The numbers that arrive until the link has nothing left."""
    numbers = []
    server.settimeout(0.3)
    while True:
        try:
            data, _ = server.recvfrom(65536)
        except TimeoutError:
            return numbers
        numbers.append(int.from_bytes(data[:4], "little"))


def test_what_is_asked_comes_back_to_who_asked(datagrams):
    link, client, server = datagrams(Impairment(), Impairment(5 * MS))
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.connect(client.getpeername())
    other.settimeout(20)
    for sock, word in ((client, b"one"), (other, b"two")):
        sock.send(word)
        data, sender = server.recvfrom(100)
        assert data == word
        server.sendto(data * 2, sender)
    assert client.recv(100) == b"oneone"
    assert other.recv(100) == b"twotwo"
    other.close()
    assert link.stats()["connections"] == 2


def test_losses_are_those_of_the_chain_and_everything_is_accounted_for(datagrams):
    loss, burst = 0.1, 4.0
    link, client, server = datagrams(Impairment(MS, loss=loss, loss_burst=burst))
    send(client)
    numbers = received(server)
    seen = link.stats()
    kernel_lost = seen.get("kernel_lost", 0)
    assert seen["up"]["packets"] == COUNT - kernel_lost
    assert len(numbers) <= COUNT - kernel_lost - seen["up"]["lost"]
    assert numbers == sorted(numbers)
    tolerated = 5 * loss * math.sqrt(2 * burst / (COUNT * loss))
    assert abs(seen["up"]["lost"] / COUNT - loss) < tolerated


def test_the_same_seed_loses_the_same(datagrams):
    found = []
    for _ in range(2):
        link, client, server = datagrams(Impairment(loss=0.2, loss_burst=2))
        send(client, 200)
        assert until(lambda link=link: link.stats()["up"]["packets"] == 200)
        found.append(received(server))
    assert found[0] == found[1]
    assert 100 < len(found[0]) < 200


def test_doubled_packets_arrive_twice_and_are_counted(datagrams):
    link, client, server = datagrams(Impairment(duplicate=0.3))
    send(client, 300)
    numbers = received(server)
    seen = link.stats()["up"]
    assert seen["duplicated"] == len(numbers) - len(set(numbers))
    assert 40 < seen["duplicated"] < 150


def test_packets_that_are_held_back_are_overtaken_and_no_others(datagrams):
    link, client, server = datagrams(Impairment(2 * MS, reorder=0.1, reorder_by_ns=20 * MS))
    send(client, 400)
    numbers = received(server)
    overtaken = {n for at, n in enumerate(numbers) if any(before > n for before in numbers[:at])}
    seen = link.stats()["up"]
    assert 0 < len(overtaken) <= seen["reordered"]
    assert 15 < seen["reordered"] < 80


@pytest.mark.parametrize("in_order", [True, False])
def test_jitter_reorders_unless_order_is_asked_for(datagrams, in_order):
    _, client, server = datagrams(Impairment(10 * MS, 3 * MS, 0, "uniform", in_order=in_order))
    send(client, 300)
    numbers = received(server)
    assert len(numbers) == 300
    assert (numbers == sorted(numbers)) == in_order


def test_a_full_queue_drops_what_comes_and_never_holds_more(datagrams):
    link, client, server = datagrams(Impairment(rate_bytes_per_s=50_000, queue_bytes=8192))
    send(client, 200, 1000)
    assert until(lambda: link.stats()["up"]["packets"] == 200)
    seen = link.stats()["up"]
    assert seen["overflowed"] > 150
    numbers = received(server)
    assert len(numbers) + seen["overflowed"] == 200
    assert link.stats()["up"]["waited_us"]["max"] <= (8192 / 50_000 + 0.1) * 1e6


def test_a_blackout_loses_packets(datagrams):
    link, client, server = datagrams(Impairment(blackouts=(Blackout(0, 200 * MS),)))
    client.send(b"lost")
    assert until(lambda: link.stats()["up"]["blacked_out"] == 1)
    time.sleep(0.25)  # the blackout is a stretch of time
    client.send(b"there")
    assert server.recv(100) == b"there"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers on all of 127.0.0.0/8")
def test_more_clients_than_are_remembered_make_room(datagrams):
    link, client, server = datagrams(Impairment())
    for number in range(1100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            # A port may be used again, an address is not.
            one.bind((f"127.0.{1 + number // 250}.{1 + number % 250}", 0))
            one.connect(client.getpeername())
            one.send(b"x")
            server.recv(100)
    seen = link.stats()
    assert seen["connections"] == 1100
    assert seen["open"] == 1024


def test_a_server_that_is_gone_does_not_end_the_link(datagrams):
    link, client, server = datagrams(Impairment())
    address = server.getsockname()
    server.close()
    for _ in range(5):
        client.send(b"nobody")
    assert until(lambda: link.stats()["up"]["packets"] == 5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(address)
        again.settimeout(20)

        def arrives():
            client.send(b"somebody")
            again.settimeout(0.2)
            try:
                return again.recv(100) == b"somebody"
            except TimeoutError:
                return False

        assert until(arrives)


def test_a_rate_is_measured_also_where_jitter_mixes_the_packets(datagrams):
    asked = Impairment(
        20 * MS, jitter_ns=8 * MS, distribution="gamma", rate_bytes_per_s=1e6, queue_bytes=1 << 20
    )
    link, client, server = datagrams(asked)
    for first in (0, 100):
        send(client, 100, 1000)
        numbers = received(server)
        assert sorted(numbers) == list(range(100)) != numbers, first
    seen = link.stats()["up"]
    # Timers may be late on a busy machine, and never early.
    assert 0.3e6 < seen["rate_bytes_per_s"] < 1.05e6
    assert seen["busy_s"] * seen["rate_bytes_per_s"] < 1.1 * seen["bytes"]
