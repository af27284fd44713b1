"""Links measured from outside: what the ends of a connection see, beside what was asked and what the link says."""

import selectors
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from benchkit.link.delay import quantile_ns
from benchkit.link.plan import Endpoint, Impairment

SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_STAMP_BYTES = 8
_STREAMS = 16
_AT_A_TIME = 100


@dataclass(frozen=True, slots=True)
class Delays:
    """One direction's added delay, in milliseconds by percentile."""

    asked: dict[str, float]
    seen: dict[str, float]
    """From outside: sent to received, less what it takes without a link."""
    told: dict[str, float]
    """What the link says of itself."""


def one_way_ns(ways, count, gap_s):
    """Of `count` messages of 64 bytes, over the connections in turn: from before sending to after receiving."""
    found = np.zeros(count, np.int64)

    def take():
        with selectors.DefaultSelector() as selector:
            for _, far in ways:
                selector.register(far, selectors.EVENT_READ)
            number = 0
            while number < count:
                for key, _ in selector.select(30):
                    data = b""
                    while len(data) < 64:
                        data += key.fileobj.recv(64 - len(data))
                    found[number] = time.monotonic_ns() - int.from_bytes(data[:_STAMP_BYTES], "little")
                    number += 1

    taking = threading.Thread(target=take, daemon=True)
    taking.start()
    for number in range(count):
        near, _ = ways[number % len(ways)]
        near.sendall(time.monotonic_ns().to_bytes(_STAMP_BYTES, "little") + bytes(64 - _STAMP_BYTES))
        time.sleep(gap_s)  # paces the messages
    taking.join(30)
    return found


def connected(port, server):
    near = socket.create_connection(("127.0.0.1", port), timeout=30)
    far, _ = server.accept()
    for sock in (near, far):
        sock.settimeout(30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


def delays(process, asked: Impairment, count=200, gap_s=0.0) -> Delays:
    """Messages through a link, every `gap_s`; in one stream they would wait for each other, in 16 they need not."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = Endpoint("127.0.0.1", server.getsockname()[1])
        plain, link = process.open(Impairment(), Impairment(), "0"), process.open(asked, Impairment(), "1")
        ports = [each.lead(endpoint) for each in (plain, link)]
        ways = [[connected(port, server) for _ in range(_STREAMS)] for port in ports]
        without, seen = (one_way_ns(each, count, gap_s) for each in ways)
        told = link.close()["up"]["delay_us"]
        plain.close()
        for near, far in (*ways[0], *ways[1]):
            near.close()
            far.close()
    return Delays(
        {name: quantile_ns(asked, share) / 1e6 for name, share in SHARES.items()},
        {name: float(np.quantile(seen, share) - np.median(without)) / 1e6 for name, share in SHARES.items()},
        {name: told[name] / 1e3 for name in SHARES},
    )


def rate(process, bytes_per_s: float, seconds: float) -> tuple[float, float]:
    """Of a sender that never pauses: what arrives, and what the link says, each as a ratio to what was asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = process.open(Impairment(rate_bytes_per_s=bytes_per_s), Impairment(), "1")
        near, far = connected(link.lead(Endpoint("127.0.0.1", server.getsockname()[1])), server)
        sending = threading.Thread(target=_flood, args=(near,), daemon=True)
        sending.start()
        buffer, got = bytearray(1 << 20), 0
        far.recv_into(buffer)
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            got += far.recv_into(buffer)
        elapsed_s = time.monotonic() - began
        told = link.close()["up"]["rate_bytes_per_s"] or 0.0
        sending.join(30)
        near.close()
        far.close()
    return got / elapsed_s / bytes_per_s, told / bytes_per_s


def _flood(sock):
    try:
        while True:
            sock.sendall(bytes(1 << 16))
    except OSError:
        return


def loss(process, asked: Impairment, count: int) -> tuple[float, float]:
    """Share of `count` datagrams that did not arrive, and the mean run of them.

    They are sent some at a time, and the next when those have passed: no kernel's buffer may add to what is lost.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM
    ) as client:  # fmt: skip
        server.bind(("127.0.0.1", 0))
        server.settimeout(30)
        link = process.open(asked, Impairment(), "1")
        client.connect(("127.0.0.1", link.lead(Endpoint("127.0.0.1", server.getsockname()[1]), "udp")))
        arrived = np.zeros(count, bool)
        for first in range(0, count, _AT_A_TIME):
            sent = range(first, min(first + _AT_A_TIME, count))
            for number in sent:
                client.send(number.to_bytes(4, "little"))
            while (seen := link.stats()["up"])["packets"] < sent.stop:
                time.sleep(0.001)  # polls: the proxy is another process
            for _ in range(sent.stop - seen["lost"] - int(arrived.sum())):
                arrived[int.from_bytes(server.recv(64)[:4], "little")] = True
        link.close()
    edges = np.flatnonzero(np.diff(np.concatenate(([0], ~arrived, [0])).astype(int)))
    runs = edges[1::2] - edges[::2]
    return float(np.mean(~arrived)), float(runs.mean()) if len(runs) else 0.0


def added_us(process, count=1000) -> tuple[float, float]:
    """Median round trips of 64 bytes straight and through a link that does nothing, in microseconds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        link = process.open(Impairment(), Impairment(), "0")
        through = link.lead(Endpoint("127.0.0.1", port))
        found = []
        for each in (port, through):
            near, far = connected(each, server)
            echoing = threading.Thread(target=_echo, args=(far,), daemon=True)
            echoing.start()
            trips = np.zeros(count, np.int64)
            for number in range(count):
                began = time.monotonic_ns()
                near.sendall(bytes(64))
                near.recv(64)
                trips[number] = time.monotonic_ns() - began
            near.close()
            echoing.join(30)
            far.close()
            found.append(float(np.median(trips)) / 1e3)
        link.close()
    return found[0], found[1]


def _echo(sock):
    while data := sock.recv(64):
        sock.sendall(data)


# Datagrams -----------------------------------------------------------------------------------------------


@contextmanager
def datagrams(process, up: Impairment):
    """A link before a UDP server: (link, a client's socket that leads there, the server's, its address)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM
    ) as client:  # fmt: skip
        server.bind(("127.0.0.1", 0))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        for sock in (server, client):
            sock.settimeout(30)
        link = process.open(up, Impairment(), "1")
        client.connect(("127.0.0.1", link.lead(Endpoint("127.0.0.1", server.getsockname()[1]), "udp")))
        yield link, client, server
        link.close()


def delays_of_datagrams(process, asked: Impairment, count=200, gap_s=0.001) -> Delays:
    """Datagrams of 64 bytes, every `gap_s`, each with the moment at which it was sent."""
    found = []
    for up in (Impairment(), asked):
        with datagrams(process, up) as (link, client, server):
            seen = np.zeros(count, np.int64)
            taking = threading.Thread(target=_take, args=(server, seen), daemon=True)
            taking.start()
            for _ in range(count):
                client.send(time.monotonic_ns().to_bytes(_STAMP_BYTES, "little") + bytes(64 - _STAMP_BYTES))
                time.sleep(gap_s)  # paces the messages
            taking.join(30)
            told = link.stats()["up"]["delay_us"]
        found.append(seen)
    without, seen = found
    return Delays(
        {name: quantile_ns(asked, share) / 1e6 for name, share in SHARES.items()},
        {name: float(np.quantile(seen, share) - np.median(without)) / 1e6 for name, share in SHARES.items()},
        {name: told[name] / 1e3 for name in SHARES},
    )


def _take(server, found):
    for number in range(len(found)):
        data = server.recv(64)
        found[number] = time.monotonic_ns() - int.from_bytes(data[:_STAMP_BYTES], "little")


def rate_of_datagrams(process, bytes_per_s: float, seconds: float) -> tuple[float, float]:
    """Of a sender that is half as fast again: what arrives, and what the link says, as ratios to what was asked."""
    nbytes = 1400
    with datagrams(process, Impairment(rate_bytes_per_s=bytes_per_s)) as (link, client, server):
        ended = threading.Event()
        sending = threading.Thread(
            target=_paced, args=(client, nbytes, bytes_per_s * 1.5, ended), daemon=True
        )
        sending.start()
        for _ in range(5):
            server.recv(nbytes)
        got, began = 0, time.monotonic()
        while time.monotonic() - began < seconds:
            got += len(server.recv(nbytes))
        elapsed_s = time.monotonic() - began
        told = link.stats()["up"]["rate_bytes_per_s"] or 0.0
        ended.set()
        sending.join(30)
    return got / elapsed_s / bytes_per_s, told / bytes_per_s


def _paced(client, nbytes, bytes_per_s, ended):
    began, sent = time.monotonic(), 0
    while not ended.is_set():
        while sent * nbytes < (time.monotonic() - began) * bytes_per_s:
            client.send(bytes(nbytes))
            sent += 1
        time.sleep(0.0005)  # paces the sender


def added_to_datagrams_us(process, count=1000) -> tuple[float, float]:
    """Median round trips of 64 bytes straight and through a link that does nothing, taken in turn; microseconds."""
    with datagrams(process, Impairment()) as (_, through, server), socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM
    ) as straight:  # fmt: skip
        straight.connect(server.getsockname())
        straight.settimeout(30)
        echoing = threading.Thread(target=_echo_datagrams, args=(server,), daemon=True)
        echoing.start()
        trips: list[list[int]] = [[], []]
        for _ in range(count):
            for sock, took in zip((straight, through), trips, strict=True):
                began = time.monotonic_ns()
                sock.send(bytes(64))
                sock.recv(64)
                took.append(time.monotonic_ns() - began)
        straight.send(b"")
        echoing.join(30)
    return float(np.median(trips[0])) / 1e3, float(np.median(trips[1])) / 1e3


def _echo_datagrams(server):
    while True:
        data, sender = server.recvfrom(64)
        if not data:
            return
        server.sendto(data, sender)
