"""The stage worker's end of rabbitmq.

Two connections: one is handed messages and acknowledges them, which AMQP wants on the channel that they came by;
the other publishes replies. A message that is not acknowledged when its connection ends goes back into the queue
at once, in front, however the worker died.

The broker hands over at most `prefetch` messages before one is acknowledged. A worker that asks for more all the
same, to fill a batch, begins to consume once more with room for one, and ends that when it holds nothing more: AMQP
cannot widen what has begun (`basic.qos` with its `global` bit could, but quorum queues refuse that).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic

from benchkit.errors import BrokerError
from benchkit.tensors.wire import Buffer, total_bytes
from benchkit.transports._rabbitmq.connect import connect, path
from benchkit.transports._rabbitmq.frames import BETWEEN_BYTES
from benchkit.transports._rabbitmq.methods import (
    DELIVER,
    Route,
    ack,
    cancel,
    consume,
    delivered,
    qos,
    reply_to,
)
from benchkit.transports._rabbitmq.place import Place
from benchkit.transports.base import Delivery, Receiver
from benchkit.transports.buffers import Pool


class RabbitDelivery(Delivery):
    """A message in a slot of its receiver, under the number that its channel gave it."""

    __slots__ = ("_receiver", "_route", "_slot", "_tag", "view")

    def __init__(
        self, receiver: RabbitReceiver, slot: memoryview, nbytes: int, tag: int, route: Route
    ) -> None:
        self.view = slot[:nbytes].toreadonly()
        self._slot: memoryview | None = slot
        self._receiver = receiver
        self._tag = tag
        self._route = route

    def reply(self, parts: Sequence[Buffer]) -> None:
        """Published to the queue that the message names, gathered; no confirm is asked for."""
        self._receiver.replies.publish(self._route, parts, total_bytes(parts))

    def ack(self) -> None:
        """Written at once; AMQP has no answer to it."""
        self._receiver.acknowledge(self._tag)

    def release(self) -> None:
        """The slot goes back to the receiver."""
        if self._slot is not None:
            self._receiver.pool.give(self._slot)
            self._slot = None


class RabbitReceiver(Receiver):
    """Consumes the cell's queue."""

    def __init__(self, place: Place, prefetch: int) -> None:
        self._place = place
        self.pool = Pool(place.message_bytes + BETWEEN_BYTES, ready=2)
        self._routes: dict[bytes, Route] = {}
        self._held = 0
        self._prefetch = self._room = prefetch
        """How many unacknowledged messages the broker lets this worker have."""
        self._tags = 0
        self._extra: list[str] = []
        """Consumers with room for one more message each."""
        self._consuming = connect(place.url)
        self._takes = self._consuming.frames
        try:
            self._publishing = connect(place.url)
            self.replies = self._publishing.frames
            self._consume(prefetch)
        except BaseException:
            self._takes.close()
            raise

    def _consume(self, prefetch: int) -> str:
        self._tags += 1
        tag = f"w{self._tags}"
        self._takes.write(qos(prefetch) + consume(self._place.queue, tag, acknowledged=True))
        return tag

    def receive(self, timeout: float) -> RabbitDelivery | None:
        """The next message that the broker hands over."""
        takes = self._takes
        if self._held >= self._room:
            self._extra.append(self._consume(1))
            self._room += 1
        deadline_s = monotonic() + timeout
        while takes.ready(max(0.0, timeout)):
            key, payload = takes.method()
            if key == DELIVER:
                slot, nbytes, header = takes.content(self.pool)
                self._held += 1
                return RabbitDelivery(self, slot, nbytes, delivered(payload)[1], self._route(header))
            timeout = deadline_s - monotonic()
        return None

    def _route(self, header: bytes) -> Route:
        """Where a message wants its reply; one of somebody else's would have its own idea of that."""
        name = reply_to(header)
        route = self._routes.get(name)
        if route is None:
            known = [self._place.reply_queue(producer).encode() for producer in range(self._place.producers)]
            if name not in known:
                raise BrokerError(
                    "a message in the queue is of no producer of this cell", where=self._takes.where
                )
            route = self._routes[name] = Route("", name, persistent=False, mandatory=False)
        return route

    def acknowledge(self, tag: int) -> None:
        """One message is done."""
        self._held -= 1
        if self._extra and not self._held:
            self._takes.write(ack(tag) + b"".join(map(cancel, self._extra)))
            self._extra.clear()
            self._room = self._prefetch
        else:
            self._takes.write(ack(tag))

    def path(self) -> Mapping[str, str]:
        """Of both connections."""
        return path((self._consuming, self._publishing))

    def close(self) -> None:
        """What was not acknowledged goes back into the queue."""
        self.replies.close()
        self._takes.close()
