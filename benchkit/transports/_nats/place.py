"""Where the two ends meet: a server, and the stream and consumer of one cell, made and deleted by the runner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from benchkit.errors import BrokerError, Rejected
from benchkit.transports._nats.connect import FAMILIES, PORT, SCHEMES, connect, shown
from benchkit.transports._nats.server import Private, Sync, private
from benchkit.transports._nats.wire import MAX_PAYLOAD_BYTES, Refused, Wire
from benchkit.transports.base import Address, Detour, Endpoint, Setup

CONSUMER = "g"
API = "$JS.API"
_NO_JETSTREAM = (10039, 10076)
"""JSNotEnabledForAccount, JSNotEnabled."""
_NO_ROOM = (10023, 10047, 10028)
"""JSInsufficientResources, JSStorageResourcesExceeded, JSMemoryResourcesExceeded."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What the cell's stream and consumer are, as the options ask for it."""

    storage: Literal["memory", "file"]
    acknowledged: bool
    max_messages: int | None
    """More than these are refused."""
    ack_wait_s: float
    max_ack_pending: int | None

    def stream(self, place: Place) -> dict[str, Any]:
        """For STREAM.CREATE: a message is kept until the consumer has acknowledged it (or has had it)."""
        return {
            "name": place.stream, "subjects": [f"{place.prefix}.q.*"], "storage": self.storage, "num_replicas": 1,
            "retention": "workqueue" if self.acknowledged else "interest", "discard": "new", "max_consumers": -1,
            "max_msgs": -1 if self.max_messages is None else self.max_messages, "max_bytes": -1, "max_age": 0,
        }  # fmt: skip

    def consumer(self, place: Place) -> dict[str, Any]:
        """For CONSUMER.DURABLE.CREATE: one that all workers pull from."""
        config = {
            "durable_name": CONSUMER, "deliver_policy": "all", "replay_policy": "instant", "max_deliver": -1,
            "ack_policy": "explicit" if self.acknowledged else "none",
        }  # fmt: skip
        if self.acknowledged:
            config["ack_wait"] = int(self.ack_wait_s * 1e9)
            config["max_ack_pending"] = -1 if self.max_ack_pending is None else self.max_ack_pending
        return {"stream_name": place.stream, "config": config}


@dataclass(frozen=True, slots=True)
class Place:
    """An address as the ends use it."""

    url: str
    name: str
    message_bytes: int
    reply_bytes: int
    workers: int
    producers: int = 1
    producer: int = 0
    """Which of the producers this end is; workers do not look at it."""

    @property
    def stream(self) -> str:
        """The stream of messages."""
        return self.name

    @property
    def prefix(self) -> str:
        """How all subjects of the cell begin. A name has no dots, so that it is one word of a subject."""
        return f"benchkit.{self.name}"

    def replies(self, producer: str) -> str:
        """Where one producer is told of replies."""
        return f"{self.prefix}.r.{producer}"

    @property
    def next(self) -> str:
        """Where a worker asks for messages."""
        return f"{API}.CONSUMER.MSG.NEXT.{self.stream}.{CONSUMER}"

    @property
    def acks(self) -> str:
        """Where acknowledgements go, all of them."""
        return f"$JS.ACK.{self.stream}.{CONSUMER}"

    @property
    def who(self) -> str:
        """Where workers are asked what they hold."""
        return f"{self.prefix}.who"


def place_of(address: Address) -> Place:
    """The address as it came from the runner, maybe through another process."""
    where = address.where
    numbers = {name: int(where[name]) for name in ("message_bytes", "reply_bytes", "workers", "producers")}
    return Place(str(where["url"]), str(where["name"]), **numbers, producer=int(where.get("producer", 0)))


def led(address: Address, detour: Detour) -> Address:
    """`address` with the server's host and port by way of `detour`; user and password stay."""
    parts = urlsplit(str(address.where["url"]))
    port = detour(Endpoint(parts.hostname or "localhost", parts.port or PORT))
    user, at, _ = parts.netloc.rpartition("@")
    url = parts._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()
    return replace(address, where={**address.where, "url": url})


@dataclass(frozen=True, slots=True)
class Server:
    """Which server the cell wants."""

    url: str | None
    """Of the user's own; None: one of the run's own, which the rest is about."""
    sync: Sync = "interval"
    disk_bytes: int | None = None

    def private(self, setup: Setup) -> Private:
        """The run's own server of this kind."""
        kind = "nats"
        if self.sync != "interval" or self.disk_bytes is not None:
            kind += f"-{self.sync}-{self.disk_bytes or 0}"
        return setup.share(kind, lambda: private(setup.folder, self.sync, self.disk_bytes))


def revived(address: Address, setup: Setup, asked: Server, stream: Stream, *, keep_data: bool) -> Address:
    """The run's own server once more, stream and consumer there; raises BrokerError."""
    server = asked.private(setup)
    server.revive(keep_data=keep_data)
    _made(place_of(address), stream)
    return replace(address, broker_pid=server.pid)


@contextmanager
def prepared(asked: Server, setup: Setup, stream: Stream, how: str, level: str) -> Iterator[Address]:
    """A server that answers, the cell's stream made; afterwards it is deleted.

    `how` goes into the path that people read. Raises BrokerError, Rejected.
    """
    server = None if asked.url else asked.private(setup)
    url = server.url if server else str(asked.url)
    place = Place(url, setup.name, setup.message_bytes, setup.reply_bytes, setup.workers, setup.producers)
    version = _made(place, stream)
    where: dict[str, str | int] = {
        "url": url, "name": place.name, "message_bytes": place.message_bytes, "reply_bytes": place.reply_bytes,
        "workers": place.workers, "producers": place.producers, "observer": server.observer_url if server else "",
        "data": str(server.data) if server else "",
    }  # fmt: skip
    scheme = url.partition(":")[0]
    try:
        yield Address(
            where, f"{version} over {SCHEMES[scheme]}, {how}", server.pid if server else None,
            {"family": FAMILIES[scheme], "server": version}, level,
        )  # fmt: skip
    finally:
        # A server that has gone took the stream with it, or cannot be reached: nothing more can be done.
        with suppress(BrokerError, Refused):
            wire = connect(url)
            try:
                wire.ask(f"{API}.STREAM.DELETE.{place.stream}", inbox=f"{place.prefix}.i".encode())
            finally:
                wire.close()


def _made(place: Place, stream: Stream) -> str:
    """Make the stream and its consumer; which server it is."""
    wire = connect(place.url)
    inbox = f"{place.prefix}.i".encode()
    try:
        _fits(wire, place)
        wire.ask(f"{API}.STREAM.CREATE.{place.stream}", stream.stream(place), inbox)
        wire.ask(
            f"{API}.CONSUMER.DURABLE.CREATE.{place.stream}.{CONSUMER}", stream.consumer(place), inbox
        )  # fmt: skip
    except Refused as error:
        raise refused(error, place.url) from None
    finally:
        wire.close()
    return wire.server


def _fits(wire: Wire, place: Place) -> None:
    """Raises Rejected where a server of the user's own takes less than a message of this cell has."""
    if wire.max_payload < min(place.message_bytes, MAX_PAYLOAD_BYTES):
        raise Rejected(
            f"messages of up to {place.message_bytes} bytes where this NATS server takes at most {wire.max_payload}",
            where=wire.where, remedy="raise its max_payload (64 MB at most), or make the payload smaller",
        )  # fmt: skip


def refused(error: Refused, url: str) -> BrokerError:
    """What the JetStream API says, for people."""
    remedy = "see the server's log"
    if error.code in _NO_JETSTREAM or "not enabled" in str(error):
        remedy = "start the server with -js, and enable JetStream for this account"
    elif error.code in _NO_ROOM:
        remedy = "raise the server's max_memory_store or max_file_store, or lower `depth`"
    return BrokerError(
        f"the broker refuses what this transport needs: {error}", where=shown(url), remedy=remedy
    )
