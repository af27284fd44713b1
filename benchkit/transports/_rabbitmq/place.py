"""Where the two ends meet: a server and the queues of one cell, declared and deleted by the runner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from benchkit.errors import BrokerError, Rejected
from benchkit.tensors.wire import Buffer
from benchkit.transports._rabbitmq.connect import (
    FAMILIES,
    PORTS,
    SCHEMES,
    connect,
    errors,
    named,
    opened,
    shown,
)
from benchkit.transports._rabbitmq.methods import ACK, Route
from benchkit.transports._rabbitmq.server import Private, private
from benchkit.transports.base import Address, Detour, Endpoint, Setup

KEPT_MS = 3_600_000
"""For how long queues that nobody uses outlive a run that was killed, on a server of the user's own."""
LEAST_DEFAULT_BYTES = 16 << 20
"""The smallest `max_message_size` that a RabbitMQ has had by default (4.0; 128 MB before)."""

Overflow = Literal["block", "reject-publish", "drop-head"]


@dataclass(frozen=True, slots=True)
class Queue:
    """What the cell's queue is, as the options ask for it."""

    kind: Literal["classic", "quorum"]
    overflow: Overflow
    max_length: int
    """Of a queue with another policy than `block`."""
    dead_letter: bool
    delivery_limit: int | None

    def arguments(self, name: str) -> dict[str, str | int]:
        """For queue.declare; https://www.rabbitmq.com/docs/queues#optional-arguments."""
        asked: dict[str, str | int] = {"x-queue-type": self.kind, "x-expires": KEPT_MS}
        if self.overflow != "block":
            asked |= {"x-max-length": self.max_length, "x-overflow": self.overflow}
        if self.dead_letter:
            asked |= {"x-dead-letter-exchange": dead_exchange(name)}
        if self.delivery_limit is not None:
            asked |= {"x-delivery-limit": self.delivery_limit}
        return asked


def dead_exchange(name: str) -> str:
    """Where dead letters go, under the key of the producer that they came from."""
    return f"{name}.dead"


@dataclass(frozen=True, slots=True)
class Place:
    """An address as the ends use it."""

    url: str
    name: str
    message_bytes: int
    reply_bytes: int
    producers: int = 1
    producer: int = 0
    """Which of the producers this end is; workers do not look at it."""

    @property
    def queue(self) -> str:
        """The queue of messages."""
        return f"{self.name}.q"

    @property
    def exchange(self) -> str:
        """Where messages are published if dead letters are to find back, under the producer's key."""
        return f"{self.name}.x"

    @property
    def replies(self) -> str:
        """The queue of this producer's replies."""
        return self.reply_queue(self.producer)

    @property
    def dead(self) -> str:
        """The queue of this producer's dead letters."""
        return self.dead_queue(self.producer)

    def reply_queue(self, producer: int) -> str:
        """The queue of replies to one producer."""
        return f"{self.name}.r.{producer}"

    def dead_queue(self, producer: int) -> str:
        """The queue of one producer's dead letters."""
        return f"{self.name}.d.{producer}"


def place_of(address: Address) -> Place:
    """The address as it came from the runner, maybe through another process."""
    where = address.where
    numbers = {name: int(where[name]) for name in ("message_bytes", "reply_bytes", "producers")}
    return Place(str(where["url"]), str(where["name"]), **numbers, producer=int(where.get("producer", 0)))


def led(address: Address, detour: Detour) -> Address:
    """`address` with the server's host and port by way of `detour`; user, password and options stay."""
    parts = urlsplit(str(address.where["url"]))
    port = detour(Endpoint(parts.hostname or "localhost", parts.port or PORTS[parts.scheme]))
    user, at, _ = parts.netloc.rpartition("@")
    url = parts._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()
    return replace(address, where={**address.where, "url": url})


@dataclass(frozen=True, slots=True)
class Server:
    """Which server the cell wants."""

    url: str | None
    """Of the user's own; None: one of the run's own."""
    disk_bytes: int | None = None
    """Of the run's own."""

    def private(self, setup: Setup) -> Private:
        """The run's own server of this kind."""
        kind = "rabbitmq" if self.disk_bytes is None else f"rabbitmq-{self.disk_bytes}"
        return setup.share(kind, lambda: private(setup.folder, self.disk_bytes))


def revived(address: Address, setup: Setup, asked: Server, queue: Queue, *, keep_data: bool) -> Address:
    """The run's own server once more, all queues there; raises BrokerError."""
    server = asked.private(setup)
    server.revive(keep_data=keep_data)
    _declare(place_of(address), queue)
    return replace(address, broker_pid=server.pid)


@contextmanager
def prepared(asked: Server, setup: Setup, queue: Queue, how: str, level: str) -> Iterator[Address]:
    """A server that answers, the cell's queues declared; afterwards they are deleted.

    `how` goes into the path that people read. Raises BrokerError, Rejected.
    """
    server = None if asked.url else asked.private(setup)
    url = server.url if server else str(asked.url)
    place = Place(url, setup.name, setup.message_bytes, setup.reply_bytes, setup.producers)
    try:
        version = _declare(place, queue)
        if server is None and setup.message_bytes > LEAST_DEFAULT_BYTES:
            _try_size(place)
        scheme = url.partition(":")[0]
        where = {key: value for key, value in asdict(place).items() if key != "producer"}
        where["data"] = str(server.data) if server else ""
        claim = {"family": FAMILIES[scheme], "server": version}
        path = f"{version} over {SCHEMES[scheme]}, {how}"
        yield Address(where, path, server.pid if server else None, claim, level)
    finally:
        # A server that has gone took the queues with it, or cannot be reached: nothing more can be done.
        with suppress(BrokerError):
            _delete(place)


def _declare(place: Place, queue: Queue) -> str:
    connection = opened(place.url)
    try:
        with errors(place.url):
            channel = connection.channel()
            _declare_all(channel, place, queue)
            version = named(connection)
            connection.close()
    finally:
        connection.collect()
    return version


def _declare_all(channel: Any, place: Place, queue: Queue) -> None:
    channel.queue_declare(
        place.queue, durable=True, auto_delete=False, arguments=queue.arguments(place.name)
    )  # fmt: skip
    plain = {"x-expires": KEPT_MS}
    if queue.dead_letter:
        for exchange in (place.exchange, dead_exchange(place.name)):
            channel.exchange_declare(exchange, "direct", durable=True, auto_delete=False)
    for producer in range(place.producers):
        channel.queue_declare(place.reply_queue(producer), durable=True, auto_delete=False, arguments=plain)
        if queue.dead_letter:
            channel.queue_bind(place.queue, place.exchange, str(producer))
            dead = place.dead_queue(producer)
            channel.queue_declare(dead, durable=True, auto_delete=False, arguments=plain)
            channel.queue_bind(dead, dead_exchange(place.name), str(producer))


def _delete(place: Place) -> None:
    connection = opened(place.url)
    try:
        with errors(place.url):
            channel = connection.channel()
            for producer in range(place.producers):
                channel.queue_delete(place.reply_queue(producer))
                channel.queue_delete(place.dead_queue(producer))
            channel.queue_delete(place.queue)
            channel.exchange_delete(place.exchange)
            channel.exchange_delete(dead_exchange(place.name))
            connection.close()
    finally:
        connection.collect()


def _try_size(place: Place) -> None:
    """Whether a server of the user's own takes the longest message: one is sent to nowhere; raises Rejected."""
    frames = connect(place.url, confirms=True).frames
    nowhere = Route("", f"{place.name}.nowhere", persistent=False, mandatory=False)
    body: list[Buffer] = [bytes(place.message_bytes)]
    try:
        frames.publish(nowhere, body, place.message_bytes)
        while frames.method()[0] != ACK:
            pass
    except BrokerError as error:
        raise Rejected(
            f"the broker takes no message of {place.message_bytes} bytes: {error.what}", where=shown(place.url),
            remedy="raise its max_message_size, or make the payload smaller",
        ) from None  # fmt: skip
    finally:
        frames.close()
