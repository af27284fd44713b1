"""The stage worker's end of nats.

One connection. A pull request stays outstanding when `receive` times out, so that nothing can be lost between giving
up and asking again; replies and acknowledgements are sent without waiting for anything.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic

from benchkit.errors import BrokerError
from benchkit.tensors.wire import Buffer, total_bytes
from benchkit.transports._nats.connect import connect, path
from benchkit.transports._nats.keeper import Keeper
from benchkit.transports._nats.place import Place
from benchkit.transports._nats.takeover import release
from benchkit.transports._nats.wire import CRLF, Message, publish
from benchkit.transports.base import Delivery, Receiver
from benchkit.transports.buffers import Pool

_ASK_AGAIN = (b"404", b"408")
"""No messages, request timed out: nothing is outstanding any more."""
_IDLE = b"100"
_STATUS = slice(9, 12)
"""Where the code stands in "NATS/1.0 404 No Messages"."""


class NatsDelivery(Delivery):
    """A message in a slot of its receiver; `mark` is the subject that it is acknowledged to."""

    __slots__ = ("_receiver", "_reply", "_slot", "mark", "view")

    def __init__(self, receiver: NatsReceiver, slot: memoryview, message: Message, reply: bytes) -> None:
        self.view = slot[: message.nbytes].toreadonly()
        self.mark = message.reply
        self._slot: memoryview | None = slot
        self._receiver = receiver
        self._reply = reply

    def reply(self, parts: Sequence[Buffer]) -> None:
        """Published to the producer, gathered."""
        nbytes = total_bytes(parts)
        head = b"%s%d\r\n" % (self._reply, nbytes)
        self._receiver.wire.send((head, *parts, CRLF), len(head) + nbytes + 2)

    def ack(self) -> None:
        """Written at once; no answer is asked for."""
        self._receiver.acknowledge(self.mark)

    def release(self) -> None:
        """The slot goes back to the receiver."""
        if self._slot is not None:
            self._receiver.pool.give(self._slot)
            self._slot = None


class NatsReceiver(Receiver):
    """Pulls from the cell's consumer; `ack_wait_s` 0: nothing is acknowledged."""

    def __init__(self, place: Place, worker: int, prefetch: int, ack_wait_s: float) -> None:
        self._place = place
        self.pool = Pool(place.message_bytes + len(CRLF), ready=2)
        self._held: dict[bytes, None] = {}
        self._acknowledges = ack_wait_s > 0
        self._outstanding = 0
        self._batch = prefetch
        inbox = f"{place.prefix}.w.{worker}.{secrets.token_hex(6)}".encode()
        body = json.dumps({"batch": prefetch}).encode()
        self._request = publish(place.next.encode(), body, inbox)
        self._replies: dict[bytes, bytes] = {}
        self._subjects = {
            f"{place.prefix}.q.{producer}".encode(): f"PUB {place.replies(str(producer))} ".encode()
            for producer in range(place.producers)
        }
        self.wire = connect(place.url)
        self._keeper: Keeper | None = None
        try:
            if self._acknowledges:
                release(self.wire, place, inbox)
                self._keeper = Keeper(place, self._held, ack_wait_s)
            self.wire.write(b"SUB %s 1\r\n" % inbox)
        except BaseException:
            self.wire.close()
            raise

    def receive(self, timeout: float) -> NatsDelivery | None:
        """The next message; the request for one stays outstanding when this returns None."""
        wire = self.wire
        deadline_s = monotonic() + timeout
        while True:
            if not self._outstanding:
                wire.write(self._request)
                self._outstanding = self._batch
            if not wire.ready(max(0.0, timeout)):
                return None
            message = wire.message()
            if message is not None:
                if message.header_bytes:
                    self._status(wire.text(message))
                else:
                    return self._delivery(message)
            timeout = deadline_s - monotonic()

    def _delivery(self, message: Message) -> NatsDelivery:
        self._outstanding -= 1
        reply = self._subjects.get(message.subject)
        if reply is None:
            raise BrokerError("a message in the stream is of no producer of this cell", where=self.wire.where)
        slot = self.wire.landed(message, self.pool)
        if self._acknowledges:
            self._held[message.reply] = None
        return NatsDelivery(self, slot, message, reply)

    def _status(self, header: bytes) -> None:
        code = header[_STATUS]
        if code in _ASK_AGAIN:
            self._outstanding = 0
        elif code != _IDLE:
            reason = header[9:].partition(CRLF)[0].decode(errors="replace")
            raise BrokerError(f"the broker ends the request for messages: {reason}", where=self.wire.where)

    def acknowledge(self, mark: bytes) -> None:
        """The message is done."""
        if self._acknowledges:
            del self._held[mark]
            self.wire.write(b"PUB %s 4\r\n+ACK\r\n" % mark)

    def path(self) -> Mapping[str, str]:
        """Of the worker's connection."""
        return path((self.wire,))

    def close(self) -> None:
        """Ask for nothing more; what came too late and what was not acknowledged is delivered again, to others."""
        with suppress(BrokerError):
            self.wire.write(b"UNSUB 1\r\n")
            late = [message.reply for message in self.wire.flush() if message.reply]
            if self._acknowledges:
                self.wire.write(b"".join([publish(mark, b"-NAK") for mark in (*self._held, *late)]))
            self.wire.flush()
        if self._keeper is not None:
            self._keeper.close()
        self.wire.close()
