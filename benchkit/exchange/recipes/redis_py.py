"""redis-py with a list or a stream, to the server that the transports use, over the same kind of socket."""

from __future__ import annotations

from typing import Any

from benchkit.errors import BrokerError
from benchkit.exchange.base import ACK, PATIENCE_S, Far, Near, Spot, gone
from benchkit.tensors.wire import Buffer

_WAIT_S = 5
"""A blocking command comes back this often, as it should where a connection may die unnoticed."""
_GROUP, _CONSUMER, _FIELD = "workers", "worker-0", "frame"


def _client(spot: Spot) -> Any:
    import redis

    return redis.Redis.from_url(str(spot.where["url"]))


class _Reading:
    """What both have: a client, a queue and a list of replies."""

    def __init__(self, spot: Spot) -> None:
        self.client = _client(spot)
        self.queue, self.replies = f"{spot.name}:recipe", f"{spot.name}:recipe-replies"

    def pop(self, name: str) -> bytes:
        """BLPOP."""
        for _ in range(PATIENCE_S // _WAIT_S):
            found = self.client.blpop([name], _WAIT_S)
            if found is not None:
                value: bytes = found[1]
                return value
        raise gone("nothing was pushed")

    def close(self) -> None:
        """The keys go too."""
        self.client.delete(self.queue, self.replies)
        self.client.close()


class ListNear(Near):
    """RPUSH and BLPOP of a reply."""

    def __init__(self, spot: Spot) -> None:
        self._reading = _Reading(spot)

    def exchange(self, payload: bytes) -> None:
        """Over and back."""
        reading = self._reading
        reading.client.rpush(reading.queue, payload)
        reading.pop(reading.replies)

    def close(self) -> None:
        """Close the client."""
        self._reading.close()


class ListFar(Far):
    """BLPOP and RPUSH of a reply."""

    def __init__(self, spot: Spot) -> None:
        self._reading = _Reading(spot)

    def take(self) -> Buffer:
        """The value, as bytes."""
        return self._reading.pop(self._reading.queue)

    def give(self) -> None:
        """One byte."""
        self._reading.client.rpush(self._reading.replies, ACK)

    def close(self) -> None:
        """Close the client."""
        self._reading.close()


class StreamNear(ListNear):
    """XADD and BLPOP of a reply."""

    def exchange(self, payload: bytes) -> None:
        """Over and back."""
        reading = self._reading
        reading.client.xadd(reading.queue, {_FIELD: payload})
        reading.pop(reading.replies)


class StreamFar(ListFar):
    """XREADGROUP, XACK, XDEL and RPUSH of a reply."""

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self._reading.client.xgroup_create(self._reading.queue, _GROUP, id="0", mkstream=True)
        self._id = b""

    def take(self) -> Buffer:
        """The field's value, as bytes."""
        reading = self._reading
        for _ in range(PATIENCE_S // _WAIT_S):
            found = reading.client.xreadgroup(
                _GROUP, _CONSUMER, {reading.queue: ">"}, count=1, block=_WAIT_S * 1000
            )
            if found:
                # A list of pairs in RESP2, a mapping of lists in RESP3.
                entries = found[0][1] if isinstance(found, list) else next(iter(found.values()))[0]
                self._id, fields = entries[0]
                value: bytes = fields[_FIELD.encode()]
                return value
        raise gone("nothing was added")

    def give(self) -> None:
        """The reply first, then it is done."""
        reading = self._reading
        reading.client.rpush(reading.replies, ACK)
        if reading.client.xack(reading.queue, _GROUP, self._id) != 1:
            raise BrokerError("the stream does not know the message that it delivered")
        reading.client.xdel(reading.queue, self._id)
