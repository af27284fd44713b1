"""The worker's end of `client: plain`; see plain.py."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from benchkit.errors import BenchkitError
from benchkit.tensors.wire import Buffer
from benchkit.transports._redis.place import GROUP, KEEP_S, KEPT_S, Place, client_in, registered
from benchkit.transports._redis.plain import BLOCK_S, LEAST_BLOCK_S, client_of, errors, fetched, path_of
from benchkit.transports.base import Delivery, Receiver

_LOOK_S = 1.0


class PlainDelivery(Delivery):
    """A message that the library made; `value` is what stands for it in the list, `mark` its id in a stream."""

    __slots__ = ("_producer", "_receiver", "mark", "value", "view")

    def __init__(
        self, receiver: PlainReceiver, view: memoryview, producer: int, value: bytes, mark: bytes
    ) -> None:
        self._receiver, self._producer = receiver, producer
        self.view, self.value, self.mark = view, value, mark

    def reply(self, parts: Sequence[Buffer]) -> None:
        """RPUSH to the producer's list."""
        place = self._receiver.place
        with errors(place.url):
            self._receiver.client.rpush(place.reply_lists[self._producer], b"".join(parts))

    def ack(self) -> None:
        """Off the list or stream; the payload before, where it has a key of its own."""
        receiver = self._receiver
        with errors(receiver.place.url):
            receiver.drop(self.value, self.mark)


class PlainReceiver(Receiver):
    """One redis-py client; the last methods differ."""

    def __init__(self, place: Place, worker: int) -> None:
        self.place, self.worker = place, worker
        self.client = client_of(place.url)
        self._looked_s = monotonic()
        with errors(place.url):
            self.life = str(self.client.info("server").get("run_id", ""))
            self.join(self.client.client_id())
            self._keep()

    def receive(self, timeout: float) -> PlainDelivery | None:
        """One blocking call after the other until a message comes or the time is over."""
        deadline_s = monotonic() + timeout
        place = self.place
        with errors(place.url):
            if deadline_s >= self._keep_s:
                self._keep()
            while True:
                left_s = deadline_s - monotonic()
                found = self.take(max(LEAST_BLOCK_S, min(left_s, BLOCK_S)))
                if found is not None:
                    value, mark = found
                    view, producer = fetched(self.client, place, value)
                    if view is not None:
                        return PlainDelivery(self, view, producer, value, mark)
                    self.drop(value, mark)
                elif place.workers > 1 and monotonic() - self._looked_s > _LOOK_S:
                    self.look()
                    self._looked_s = monotonic()
                if left_s <= BLOCK_S and found is None:
                    return None

    def _keep(self) -> None:
        for key in (*self.place.lasting, *self.own()):
            self.client.expire(key, KEPT_S)
        self._keep_s = monotonic() + KEEP_S

    def own(self) -> tuple[str, ...]:
        """Keys of this worker alone."""
        return ()

    def drop(self, value: bytes, mark: bytes) -> None:
        """A message is done."""
        if self.place.claims:
            self.client.delete(self.place.payload(value))
        self.remove(value, mark)

    def end_client(self, client: int) -> None:
        """End a predecessor's connection, so that nothing is handed to it any more."""
        self.client.client_kill_filter(_id=str(client))

    def path(self) -> Mapping[str, str]:
        """Of the library's connection."""
        return path_of(self.client, self.place.url)

    def close(self) -> None:
        """Leave to others what was not acknowledged, close."""
        with suppress(BenchkitError), errors(self.place.url):
            self.leave()
        self.client.close()

    def join(self, client: int) -> None:
        """Announce this receiver and put back what its predecessors left."""
        raise NotImplementedError

    def take(self, timeout: float) -> tuple[bytes, bytes] | None:
        """Value and mark of the next message."""
        raise NotImplementedError

    def remove(self, value: bytes, mark: bytes) -> None:
        """Take it off the list or stream."""
        raise NotImplementedError

    def look(self) -> None:
        """Look for what dead peers hold."""

    def leave(self) -> None:
        """Make what was not acknowledged available to others."""


class PlainListReceiver(PlainReceiver):
    """BLMOVE to a list of this opening, LREM from it."""

    def join(self, client: int) -> None:
        """Register, put back what earlier workers left."""
        self._list = self.place.taken(self.worker, secrets.token_hex(4))
        self.client.hset(self.place.register, self._list, registered(client, self.life))
        self._take_over(self.place.taken(self.worker, ""))

    def take(self, timeout: float) -> tuple[bytes, bytes] | None:
        """BLMOVE."""
        value = self.client.blmove(self.place.queue, self._list, timeout, "LEFT", "RIGHT")
        return None if value is None else (value, b"")

    def remove(self, value: bytes, mark: bytes) -> None:  # noqa: ARG002  (a list has no marks)
        """LREM by value, as people do."""
        self.client.lrem(self._list, 1, value)

    def own(self) -> tuple[str, ...]:
        """The processing list."""
        return (self._list,)

    def look(self) -> None:
        """Put back what dead peers left."""
        self._take_over(None)

    def leave(self) -> None:
        """Put back what this worker holds."""
        self._put_back(self._list)

    def _take_over(self, mine: str | None) -> None:
        found = self.client.hgetall(self.place.register)
        others = {
            key.decode(): client_in(client, self.life)
            for key, client in found.items()
            if key.decode() != self._list
        }
        known = [client for client in others.values() if client]
        alive = {int(each["id"]) for each in self.client.client_list(client_id=known)} if known else set()
        for key, client in others.items():
            if mine is not None and key.startswith(mine) and client in alive:
                self.end_client(client)
                alive.discard(client)
            if client not in alive:
                self._put_back(key)

    def _put_back(self, key: str) -> None:
        while self.client.lmove(key, self.place.queue, "RIGHT", "LEFT") is not None:
            pass
        self.client.hdel(self.place.register, key)


class PlainStreamReceiver(PlainReceiver):
    """XREADGROUP as the consumer of this worker's number, XACK and XDEL; XAUTOCLAIM for what the dead held."""

    def __init__(self, place: Place, worker: int, claim_after_s: float) -> None:
        self._consumer = f"w{worker}"
        self._claim_after_ms = int(claim_after_s * 1000)
        self._after: bytes | None = b"0-0"
        """After which id this consumer's own pending messages are still to be delivered; None: they are."""
        self._held: set[bytes] = set()
        self._claimed: list[tuple[bytes, dict[bytes, bytes]]] = []
        super().__init__(place, worker)

    def join(self, client: int) -> None:
        """End the predecessor, register."""
        before = self.client.hget(self.place.register, self._consumer)
        if before is not None and (own := client_in(before, self.life)):
            self.end_client(own)
        self.client.hset(self.place.register, self._consumer, registered(client, self.life))

    def take(self, timeout: float) -> tuple[bytes, bytes] | None:
        """What was pending, what was claimed, what is new."""
        while self._after is not None:
            entry = self._read(self._after, None)
            self._after = None if entry is None else entry[0]
            if entry is not None and (taken := self._taken(entry)) is not None:
                return taken
        while self._claimed:
            if (taken := self._taken(self._claimed.pop(0))) is not None:
                return taken
        entry = self._read(b">", max(1, int(timeout * 1000)))
        return None if entry is None else self._taken(entry)

    def _read(self, after: bytes, block_ms: int | None) -> tuple[bytes, dict[bytes, bytes]] | None:
        found: Any = self.client.xreadgroup(
            GROUP, self._consumer, {self.place.queue: after}, count=1, block=block_ms
        )
        if not found:
            return None
        # RESP2: [[stream, entries]]; RESP3: {stream: [entries]}.
        entries = found[0][1] if isinstance(found, list) else next(iter(found.values()))
        while entries and isinstance(entries[0], list):
            entries = entries[0]
        return entries[0] if entries else None

    def _taken(self, entry: tuple[bytes, dict[bytes, bytes]]) -> tuple[bytes, bytes] | None:
        mark, fields = entry
        if mark in self._held:
            return None
        if not fields or b"m" not in fields:
            self.client.xack(self.place.queue, GROUP, mark)
            return None
        self._held.add(mark)
        return fields[b"m"], mark

    def remove(self, value: bytes, mark: bytes) -> None:  # noqa: ARG002  (a stream needs the id alone)
        """XDEL and XACK."""
        self._held.discard(mark)
        self.client.xdel(self.place.queue, mark)
        self.client.xack(self.place.queue, GROUP, mark)

    def look(self) -> None:
        """Claim what has been pending for too long."""
        found = self.client.xautoclaim(
            self.place.queue, GROUP, self._consumer, self._claim_after_ms, count=16
        )  # fmt: skip
        self._claimed.extend(entry for entry in found[1] if entry[0] not in self._held)
