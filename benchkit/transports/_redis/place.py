"""Where the two ends meet: a server and the keys of one cell, prepared and removed by the runner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlsplit

from benchkit.errors import BrokerError
from benchkit.transports._redis.connect import FAMILIES, SCHEMES, connect, inspect, shown
from benchkit.transports._redis.persistence import LEVELS, Persistence, told
from benchkit.transports._redis.resp import Commands, Refused, Resp
from benchkit.transports._redis.valkey import Embedded, embedded
from benchkit.transports.base import Address, Detour, Endpoint, Setup
from benchkit.transports.sockets import Sockets

GROUP = "g"
"""The consumer group of a stream."""
PRODUCER_BYTES = 2
"""A producer's number beside its messages, little-endian, where there are several."""
KEPT_S = 3600
"""For how long keys outlive a run that was killed: what workers renew, and payloads with keys of their own.

A list that was emptied and filled again since the last renewal has no such bound: it is a new key, and giving it
one would take a command more for each message. `redis-cli --scan --pattern 'benchkit-*'` shows what is left.
"""
KEEP_S = 60.0
"""How often workers renew."""
_PAGE = 1000
_PORT = 6379
"""Where a URL names none."""


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
    claims: bool = False
    """Whether payloads have keys of their own."""
    sockets: Sockets = field(default_factory=Sockets)

    @property
    def queue(self) -> str:
        """The list or stream of messages."""
        return f"{self.name}:q"

    @property
    def replies(self) -> str:
        """The list of this producer's replies."""
        return self.reply_lists[self.producer]

    @property
    def reply_lists(self) -> tuple[str, ...]:
        """A list of replies for each producer."""
        if self.producers == 1:
            return (f"{self.name}:r",)
        return tuple(f"{self.name}:r:{producer}" for producer in range(self.producers))

    def payload(self, claim: bytes) -> bytes:
        """The key of the payload behind a claim."""
        return b"%s:m:%s" % (self.name.encode(), claim)

    @property
    def lasting(self) -> tuple[str, ...]:
        """The keys of the cell that are known to everybody."""
        return (self.queue, self.register, *self.reply_lists)

    @property
    def register(self) -> str:
        """A hash of the receivers that opened, with the connection that takes messages (`registered`)."""
        return f"{self.name}:w"

    @property
    def mark(self) -> bytes:
        """This producer's number, to go with its messages."""
        return self.producer.to_bytes(PRODUCER_BYTES, "little")

    def taken(self, worker: int, token: str) -> str:
        """The processing list of one opening of worker number `worker`."""
        return f"{self.name}:p:{worker}:{token}"


def registered(client: int, life: str) -> str:
    """A connection as the register has it. A server that was started anew, maybe with its data, counts from 1 again."""
    return f"{client}@{life}"


def client_in(value: bytes, life: str) -> int:
    """The client id of a registered connection; 0 where it was to an earlier life of the server, and is dead."""
    client, _, own = value.decode().partition("@")
    return int(client) if own == life else 0


def place_of(address: Address) -> Place:
    """The address as it came from the runner, maybe through another process."""
    where = address.where
    return Place(
        str(where["url"]),
        str(where["name"]),
        int(where["message_bytes"]),
        int(where["reply_bytes"]),
        int(where["workers"]),
        int(where["producers"]),
        int(where.get("producer", 0)),
        bool(where.get("claims", 0)),
        Sockets.of(where),
    )


def led(address: Address, detour: Detour) -> Address:
    """`address` with the server's host and port by way of `detour`; user, password and options stay."""
    parts = urlsplit(str(address.where["url"]))
    port = detour(Endpoint(parts.hostname or "localhost", parts.port or _PORT))
    user, at, _ = parts.netloc.rpartition("@")
    url = parts._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()
    return replace(address, where={**address.where, "url": url})


@dataclass(frozen=True, slots=True)
class Server:
    """Which server the cell wants."""

    url: str | None
    """Of the user's own; None: the run's embedded broker, which the rest is about."""
    socket: Literal["unix", "tcp"] = "unix"
    persistence: Persistence = "none"
    disk_bytes: int | None = None
    output_buffer: int | None = None
    """Bytes of answers that may wait for one client; None: any number."""

    def broker(self, setup: Setup) -> Embedded:
        """The run's embedded broker of this kind."""
        kind = "valkey"
        if self.persistence != "none" or self.disk_bytes is not None:
            kind += f"-{self.persistence}-{self.disk_bytes or 0}"
        return setup.share(kind, lambda: embedded(setup.folder, self.persistence, self.disk_bytes))

    def told(self, resp: Resp, first: Commands) -> None:
        """What the embedded broker is set to, then `first`; raises Refused."""
        if self.url is None:
            limit = f"normal {self.output_buffer or 0} 0 0"
            resp.call("CONFIG", "SET", "client-output-buffer-limit", limit)
            # A cell before may have been broken off in the middle of a fault.
            resp.call("CONFIG", "SET", "maxmemory", 0)
        for words in first:
            resp.call(*words)

    @property
    def how(self) -> str:
        """What of it differs from the defaults, for people."""
        kept = f", {LEVELS[self.persistence]}" if self.persistence != "none" else ""
        return kept + (" on a disk in memory" if self.disk_bytes else "")


def revived(address: Address, setup: Setup, asked: Server, first: Commands, *, keep_data: bool) -> Address:
    """The embedded broker once more, ready for the cell's ends; raises BrokerError."""
    broker = asked.broker(setup)
    broker.revive(keep_data=keep_data)
    url = str(address.where["url"])
    resp = connect(url)
    try:
        with suppress_kept():
            asked.told(resp, first)
        return replace(address, broker_pid=inspect(resp, url).pid)
    finally:
        resp.close()


@contextmanager
def suppress_kept() -> Iterator[None]:
    """The group is there already where the data was kept."""
    try:
        yield
    except Refused as error:
        if not str(error).startswith("BUSYGROUP"):
            raise BrokerError(f"the broker refuses what this transport needs: {error}") from None


@contextmanager
def prepared(
    asked: Server,
    setup: Setup,
    first: Commands = (),
    *,
    claims: bool = False,
    how: str = "",
    sockets: Sockets = Sockets(),  # noqa: B008  (immutable)
    level: str = "",
) -> Iterator[Address]:
    """A server that answers, the cell's keys absent, `first` done; afterwards the keys are gone.

    `how` goes into the path that people read; `level` is how durable the embedded broker is. Raises BrokerError.
    """
    broker = None if asked.url else asked.broker(setup)
    url = broker.url(asked.socket) if broker else str(asked.url)
    place = Place(
        url, setup.name, setup.message_bytes, setup.reply_bytes, setup.workers, setup.producers, claims=claims
    )
    resp = connect(url)
    try:
        server = inspect(resp, url)
        if broker is None:
            level = told(resp)
        _remove(resp, place)
        asked.told(resp, first)
    except Refused as error:
        raise BrokerError(
            f"the broker refuses what this transport needs: {error}",
            where=shown(url),
            remedy="use a primary server, and a user with the rights to lists, streams, hashes and CLIENT",
        ) from None
    finally:
        resp.close()
    where: dict[str, str | int] = {
        "url": url,
        "name": place.name,
        "message_bytes": place.message_bytes,
        "reply_bytes": place.reply_bytes,
        "workers": place.workers,
        "producers": place.producers,
        "claims": int(claims),
        "data": str(broker.data) if broker else "",
        **sockets.plain(),
    }
    scheme, version = url.partition(":")[0], f"{server.name} {server.version}"
    claim = {"family": FAMILIES[scheme], "server": version}
    try:
        path = f"{version} over {SCHEMES[scheme]}{asked.how}{how}"
        yield Address(where, path, server.pid if broker else None, claim, level)
    finally:
        # A server that has gone took the keys with it, or cannot be reached: nothing more can be done.
        with suppress(BrokerError, Refused):
            resp = connect(url)
            try:
                _remove(resp, place)
            finally:
                resp.close()


def _remove(resp: Resp, place: Place) -> None:
    found = resp.call("HKEYS", place.register)
    # A stream's register has names of consumers, which are no keys.
    own = f"{place.name}:p:".encode()
    keys = found if isinstance(found, list) else []
    lists = [key for key in keys if isinstance(key, bytes) and key.startswith(own)]
    if place.claims:
        for payloads in _claimed(resp, place, lists):
            resp.call("UNLINK", *payloads)
    resp.call("UNLINK", place.queue, *place.reply_lists, place.register, *lists)


def _claimed(resp: Resp, place: Place, lists: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The payloads that claims still stand for, some at a time; the claims are used up."""
    if resp.call("TYPE", place.queue) == b"stream":
        while isinstance(page := resp.call("XRANGE", place.queue, "-", "+", "COUNT", _PAGE), list) and page:
            # An entry is its id, and a list of one field and its value.
            entries = [entry for entry in page if isinstance(entry, list)]
            resp.call("XDEL", place.queue, *(mark for mark, _ in entries if isinstance(mark, bytes)))
            fields = [words for _, words in entries if isinstance(words, list)]
            yield [place.payload(claim) for *_, claim in fields if isinstance(claim, bytes)]
        return
    for key in (place.queue.encode(), *lists):
        while isinstance(claims := resp.call("LPOP", key, _PAGE), list) and claims:
            yield [place.payload(claim) for claim in claims if isinstance(claim, bytes)]
