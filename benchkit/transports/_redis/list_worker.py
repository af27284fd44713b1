"""The worker's end of redis-list; see the head of redis_list.py for how nothing is lost."""

from __future__ import annotations

import re
import secrets

from benchkit.transports._redis.place import PRODUCER_BYTES, Place, client_in, registered
from benchkit.transports._redis.resp import Refused, command
from benchkit.transports._redis.worker import RedisDelivery, RedisReceiver

_ID = re.compile(rb"^(?:txt:)?id=(\d+) ", re.MULTILINE)
"""A line of CLIENT LIST, which RESP3 sends as text of a named kind: the kind stands before the first line."""


class ListReceiver(RedisReceiver):
    """BLMOVE to a processing list; `_held` mirrors that list from its oldest message on."""

    def __init__(self, place: Place, worker: int) -> None:
        self._list = place.taken(worker, secrets.token_hex(4))
        # Unguessable like the cell's name: no message looks like it.
        self._marker = f"{place.name}:done".encode()
        self._held: list[RedisDelivery] = []
        self._alone = place.producers == 1
        self._trim = command("LTRIM", self._list, 1, -1)
        self._unmark = command("LREM", self._list, 1, self._marker)
        super().__init__(place, worker)

    def join(self) -> bytes:
        """Register, put back what earlier workers left."""
        self.ask("HSET", self.place.register, self._list, registered(self.client, self.life))
        self._take_over(same_number=True)
        return command("BLMOVE", self.place.queue, self._list, "LEFT", "RIGHT", 0)

    def taken(self) -> RedisDelivery | None:
        """The message that was moved, or None."""
        landed = self.takes.payload(self.pool)
        if landed is None:
            return None
        delivery = RedisDelivery(self, *landed) if self._alone else self._of_several(*landed)
        self._held.append(delivery)
        return delivery

    def _of_several(self, slot: memoryview, nbytes: int) -> RedisDelivery:
        """The last bytes of the value say whose message it is."""
        end = max(0, nbytes - PRODUCER_BYTES)
        return RedisDelivery(self, slot, end, producer=self.producer(slot[end:nbytes]))

    def acknowledge(self, delivery: RedisDelivery) -> None:
        """Remove it by its position, counted from the oldest so that new messages do no harm."""
        held = self._held
        index = held.index(delivery)
        del held[index]
        if index == 0:
            self.tell(self._trim, 1)
        else:
            self.tell(command("LSET", self._list, index, self._marker) + self._unmark, 2)

    def own(self) -> tuple[str, ...]:
        """The processing list."""
        return (self._list,)

    def look(self) -> None:
        """Put back what dead peers left."""
        self._take_over(same_number=False)

    def leave(self) -> None:
        """Put back what this worker holds."""
        self._put_back(self._list)

    def _take_over(self, *, same_number: bool) -> None:
        found = self.ask("HGETALL", self.place.register)
        words = found if isinstance(found, list) else []
        clients = {
            key.decode(): client_in(client, self.life)
            for key, client in zip(words[::2], words[1::2], strict=True)
            if isinstance(key, bytes) and isinstance(client, bytes) and key.decode() != self._list
        }
        if not clients:
            return
        mine = self.place.taken(self.worker, "")
        alive = self._alive([client for client in clients.values() if client])
        for key, client in clients.items():
            ended = client in alive and same_number and key.startswith(mine) and self.end_client(client)
            if ended or client not in alive:
                self._put_back(key)

    def _alive(self, clients: list[int]) -> set[int]:
        if not clients:
            return set()
        try:
            text = self.ask("CLIENT", "LIST", "ID", *clients)
        except Refused:
            return set(clients)
        return {int(match) for match in _ID.findall(text)} if isinstance(text, bytes) else set(clients)

    def _put_back(self, key: str) -> None:
        count = self.ask("LLEN", key)
        # LMOVE answers with the value, which nobody wants here. All at once, or a worker that waits would be
        # handed the newest message as soon as it is back.
        moves = command("LMOVE", key, self.place.queue, "RIGHT", "LEFT") * (
            count if isinstance(count, int) else 0
        )
        commands = (
            command("CLIENT", "REPLY", "OFF")
            + command("MULTI")
            + command("LREM", key, 0, self._marker)
            + moves
            + command("HDEL", self.place.register, key)
            + command("EXEC")
            + command("CLIENT", "REPLY", "ON")
        )
        self.tell(commands, 1)
        self.settle()


class ClaimedListReceiver(ListReceiver):
    """The list has claims: BLMOVE, then GET. A claim is short and unlike any other, so LREM names it."""

    def taken(self) -> RedisDelivery | None:
        """The payload of the claim that was moved; None when it was done before."""
        claim = self.takes.read()
        if not isinstance(claim, bytes):
            return None
        delivery = self.fetched(self.takes, claim)
        if delivery is None:
            self.tell(command("LREM", self._list, 1, claim), 1)
        return delivery

    def acknowledge(self, delivery: RedisDelivery) -> None:
        """Delete the payload, then the claim."""
        claim = delivery.claim
        self.tell(
            command("UNLINK", self.place.payload(claim)) + command("LREM", self._list, 1, claim), 2
        )  # fmt: skip
