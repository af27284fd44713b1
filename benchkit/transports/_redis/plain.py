"""`client: plain`: both transports as people write them with redis-py, to see what that costs.

The bytes are joined before they are sent, each call waits for its answer, the library copies what comes in,
and an item is taken off its list by its value (LREM sends it once more). The guarantees are those of the fast
client: a worker registers itself with the id of its connection, and what the dead held is put back.

One deviation from the library's defaults: nothing is tried again when a connection breaks, because a command
that was carried out and not answered would be carried out twice.
"""

from __future__ import annotations

import secrets
import select
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

from benchkit.errors import BrokerError, Rejected
from benchkit.tensors.wire import Buffer, total_bytes
from benchkit.transports._redis.connect import shown, translated
from benchkit.transports._redis.place import KEPT_S, Place
from benchkit.transports._redis.resp import MAX_VALUE_BYTES
from benchkit.transports.base import Reply, Sender
from benchkit.transports.family import family

BLOCK_S = 0.5
"""How long one blocking call waits: shorter than the socket's timeout."""
LEAST_BLOCK_S = 0.002
"""Redis 6.2 cuts a timeout off to whole milliseconds, and waits for ever when none is left."""
_PAUSE_S = 500e-6


def client_of(url: str) -> Any:
    """Ordinary redis-py; raises BrokerError when there is no server."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0))
    with errors(url):
        client.ping()
    return client


@contextmanager
def errors(url: str) -> Iterator[None]:
    """The library's errors as BrokerError, of a full server as Rejected."""
    from redis.exceptions import OutOfMemoryError, RedisError

    try:
        yield
    except OutOfMemoryError:
        raise Rejected("the broker has no memory for it", remedy="raise its maxmemory") from None
    except (RedisError, OSError) as error:
        raise translated(error, url) from None


def path_of(client: Any, url: str) -> dict[str, str]:
    """What the connection in use is, and the server at its other end."""
    with errors(url):
        facts = client.info("server")
    name = str(facts.get("server_name", "redis"))
    version = facts.get(f"{name}_version", facts["redis_version"])
    connection = client.connection_pool.get_connection()
    try:
        sock = connection._sock  # noqa: SLF001  (redis-py has no public name for it)
        return {"family": family(sock), "server": f"{name} {version}"}
    finally:
        client.connection_pool.release(connection)


class PlainSender(Sender):
    """RPUSH or XADD of the joined message; `post` is that call and `count` the one that asks how many there are."""

    def __init__(
        self, place: Place, depth: int, post: Callable[[Any, bytes], object], count: Callable[[Any], int]
    ) -> None:
        self._place = place
        self._depth = depth
        self._client = client_of(place.url)
        self._post, self._count = post, count
        self._mark = f"{place.producer}-{secrets.token_hex(4)}"
        self._number = 0
        self._at_most = depth
        """No more messages than this can be waiting."""

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """One call, after one that counts when there may be no room."""
        nbytes = total_bytes(parts)
        if nbytes > MAX_VALUE_BYTES - len(self._place.mark):
            raise Rejected(
                f"{nbytes} bytes; a Redis value has at most {MAX_VALUE_BYTES}", remedy="send less at once"
            )
        with errors(self._place.url):
            if self._at_most >= self._depth and not self._room(timeout):
                return False
            self._hand_over(b"".join(parts))
        self._at_most += 1
        return True

    def _hand_over(self, data: bytes) -> None:
        place = self._place
        if not place.claims:
            self._post(self._client, data)
            return
        self._number += 1
        claim = f"{self._mark}-{self._number}".encode()
        with self._client.pipeline() as both:
            both.set(place.payload(claim), data, ex=KEPT_S)
            self._post(both, claim)
            both.execute()

    def _room(self, timeout: float) -> bool:
        deadline_s = monotonic() + timeout
        while True:
            self._at_most = self._count(self._client)
            if self._at_most < self._depth:
                return True
            left_s = deadline_s - monotonic()
            if left_s <= 0:
                return False
            select.select((), (), (), min(_PAUSE_S, left_s))

    def reply(self, timeout: float) -> Reply | None:
        """BLPOP, or LPOP without a wait."""
        name, client = self._place.replies, self._client
        with errors(self._place.url):
            if timeout <= 0:
                data = client.lpop(name)
                return None if data is None else Reply(memoryview(data))
            deadline_s = monotonic() + timeout
            while (left_s := deadline_s - monotonic()) > 0:
                found = client.blpop([name], max(LEAST_BLOCK_S, min(left_s, BLOCK_S)))
                if found is not None:
                    return Reply(memoryview(found[1]))
        return None

    def path(self) -> Mapping[str, str]:
        """Of the library's connection."""
        return path_of(self._client, self._place.url)

    def close(self) -> None:
        """Close the library's connections."""
        self._client.close()


def fetched(client: Any, place: Place, value: bytes) -> tuple[memoryview | None, int]:
    """The message that a list's or stream's value stands for, and whose it is; None when it is gone."""
    if place.claims:
        data = client.get(place.payload(value))
        return (None if data is None else memoryview(data)), _known(place, int(value.partition(b"-")[0]))
    view = memoryview(value)
    if place.producers == 1:
        return view, 0
    end = view.nbytes - len(place.mark)
    return view[:end], _known(place, int.from_bytes(view[end:], "little"))


def _known(place: Place, producer: int) -> int:
    if producer >= place.producers:
        raise BrokerError("a message in the queue is of no producer of this cell", where=shown(place.url))
    return producer
