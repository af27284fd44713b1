"""`multiprocessing.Queue`: what a Python programmer writes first, kept as ordinary as it is.

It is made of the standard library's own parts: `multiprocessing.Pipe` (the kernel's pipe of 64 KiB), its
framing and its way of reading (`Connection.send_bytes`, `recv_bytes`: each message into fresh memory that
grows as it comes), and a feeder thread that writes what `put` left in a deque, one queue each way.

It is not the class itself, for three reasons. Its two ends must descend from one process, and here they do
not, so the pipes' ends are handed over at a Unix socket. What it receives it would load as objects, and
nothing that arrives here may be executed, so a message stays bytes, copied as often as it would be there
(tests/transports/measure_direct.py compares the two). And its workers share one pipe, which a worker killed
while it reads leaves locked or torn for ever: here each worker has a pipe of its own, and a byte written back
for each message acknowledged stands for its semaphore.

A message is in the producer's memory, a pipe or a worker's. If that worker dies it is lost.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from socket import socket
from time import monotonic  # deadlines of waits that are woken early; nothing is stamped
from typing import ClassVar

from benchkit.errors import Rejected
from benchkit.transports._direct.meeting import answer, listen, meeting, socket_path
from benchkit.transports._mp_queue.feeder import MARK, Feeder, unmarked
from benchkit.transports._mp_queue.sender import HELLO, MpQueueSender
from benchkit.transports.base import (
    Address,
    Buffer,
    Capabilities,
    Delivery,
    Receiver,
    Sender,
    Setup,
    Transport,
)


class _Producer:
    """Our ends of one producer's pipes."""

    def __init__(self, sock: socket, messages: int, replies: int, crediting: int) -> None:
        self._sock = sock
        self.descriptor = messages
        self.messages = Connection(messages, writable=False)
        self._feeder = Feeder(Connection(replies, readable=False))
        self._crediting = crediting
        self._owed = 0
        self._open = True

    def put(self, reply: bytes) -> None:
        """Towards the producer; it goes when there is room."""
        if self._open:
            self._feeder.put(reply)

    def credit(self, count: int) -> None:
        """Acknowledge; what finds no room now is owed, and goes with the next call (`count` may be 0)."""
        self._owed += count
        if self._owed and self._open:
            with suppress(OSError):  # full, or the producer is gone and nobody counts
                self._owed -= os.write(self._crediting, bytes(self._owed))

    def close(self) -> None:
        """Replies that were given still go."""
        self._open = False
        self.messages.close()
        self._feeder.close()
        os.close(self._crediting)
        self._sock.close()


class MpQueueDelivery(Delivery):
    """A message in memory of its own."""

    __slots__ = ("_producer", "_reply_limit_bytes", "view")

    def __init__(self, producer: _Producer, message: bytes, reply_limit_bytes: int) -> None:
        self._producer = producer
        self._reply_limit_bytes = reply_limit_bytes
        self.view = memoryview(message)

    def reply(self, parts: Sequence[Buffer]) -> None:
        """Put into the second queue."""
        reply = b"".join(parts)
        if len(reply) > self._reply_limit_bytes:
            limit = self._reply_limit_bytes
            raise Rejected(f"a reply of {len(reply)} bytes where at most {limit} were announced")
        self._producer.put(reply)

    def ack(self) -> None:
        """One byte, without waiting."""
        self._producer.credit(1)

    def release(self) -> None:
        """The memory goes back to the allocator, as it does in an ordinary program."""
        self.view = memoryview(b"")


class MpQueueReceiver(Receiver):
    """A worker's end, one producer at a time."""

    def __init__(self, address: Address, worker: int) -> None:
        where = address.where
        self._limit_bytes = int(where["message_bytes"])
        self._reply_limit_bytes = int(where["reply_bytes"])
        self._producer: _Producer | None = None
        self._listener = listen(socket_path(where, worker))
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)

    def receive(self, timeout: float) -> Delivery | None:
        """The next message of whichever producer is connected."""
        deadline = -1.0
        left_s = 0.0
        while True:
            if self._poll.poll(left_s * 1000):
                producer = self._producer
                if producer is None:
                    self._meet()
                elif (message := self._message(producer)) is not None:
                    return MpQueueDelivery(producer, message, self._reply_limit_bytes)
                continue
            if self._producer is not None:
                self._producer.credit(0)
            now = monotonic()
            if deadline < 0:
                deadline = now + timeout
            left_s = deadline - now
            if left_s <= 0:
                return None

    def _meet(self) -> None:
        met = answer(self._listener, len(HELLO), 3)
        if met is not None:
            sock, _, (messages, replies, crediting) = met
            self._producer = _Producer(sock, messages, replies, crediting)
            self._poll.unregister(self._listener)
            self._poll.register(messages, select.POLLIN)

    def _message(self, producer: _Producer) -> bytes | None:
        """A whole one; None when the producer is gone, or sent away, and with it what it had not finished."""
        try:
            return unmarked(producer.messages.recv_bytes(len(MARK) + self._limit_bytes))
        except (EOFError, OSError):  # also for a frame that is longer than was announced
            self._poll.unregister(producer.descriptor)
            self._poll.register(self._listener, select.POLLIN)
            self._producer = None
            producer.close()
            return None

    def close(self) -> None:
        """What was not acknowledged is lost, as the guarantee says."""
        if self._producer is not None:
            self._producer.close()
        self._listener.close()


class MpQueue(Transport):
    """multiprocessing.Queue as ordinary programs use it: pipes and feeder threads."""

    kind: ClassVar[str] = "mp-queue"

    def capabilities(self) -> Capabilities:
        """Each worker sees its messages in the order sent; one that dies takes them with it."""
        return Capabilities("at-most-once", "process", "per-worker", same_host=True)

    @contextmanager
    def prepare(self, setup: Setup) -> Iterator[Address]:
        """Nothing runs yet: the workers make their sockets in the cell's folder; removed here at the end."""
        with meeting(setup, self.depth) as where:
            yield Address(where, path="multiprocessing pipes and feeder threads, one pair for each worker")

    def sender(self, address: Address) -> Sender:
        """Connects to every worker; raises BrokerError when none listens."""
        return MpQueueSender(address)

    def receiver(self, address: Address, worker: int) -> Receiver:
        """Listens in place of whoever had this worker number before."""
        return MpQueueReceiver(address, worker)
