"""The producer's end of the mp-queue transport."""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from socket import socket

from benchkit.transports._direct.meeting import call, socket_path
from benchkit.transports._direct.sender import DirectSender, Held, Link
from benchkit.transports._mp_queue.feeder import MARK, Feeder, unmarked
from benchkit.transports.base import Address, Buffer

HELLO = b"q"
_CREDITS = 65536
"""Credits that one read takes in: all that a pipe holds."""


class QueueLink(Link):
    """A queue to a worker, a queue back, and a pipe of one byte for each message acknowledged."""

    __slots__ = ("_come", "_credits", "_feeder", "_limit_bytes", "_poll", "_replies", "_sock", "news")

    def __init__(
        self, sock: socket, feeder: Feeder, replies: Connection, credit: int, limit_bytes: int
    ) -> None:
        super().__init__()
        self._sock = sock
        self._feeder = feeder
        self._replies = replies
        self._credits = credit
        self._limit_bytes = len(MARK) + limit_bytes
        self.news = (replies.fileno(), credit)
        self._poll = select.poll()
        for descriptor in self.news:
            self._poll.register(descriptor, select.POLLIN)
        self._come = self._poll.poll

    @classmethod
    def to(cls, address: Address, worker: int) -> QueueLink | None:
        """Pipes of our making, whose other ends go to the worker; None when nobody listens."""
        there, here = Pipe(duplex=False)
        replies, replying = Pipe(duplex=False)
        credit, crediting = os.pipe()
        os.set_blocking(credit, False)
        os.set_blocking(crediting, False)
        given = (there.fileno(), replying.fileno(), crediting)
        sock = call(socket_path(address.where, worker), HELLO, given)
        there.close()
        replying.close()
        os.close(crediting)
        if sock is not None:
            return cls(sock, Feeder(here), replies, credit, int(address.where["reply_bytes"]))
        here.close()
        replies.close()
        os.close(credit)
        return None

    def send(self, parts: Sequence[Buffer], nbytes: int) -> bool:
        """Joined, as an ordinary program does; the pipe is the feeder's business."""
        del nbytes
        self._feeder.put(b"".join(parts))
        return True

    def read(self, replies: deque[Held]) -> int:
        """Whole replies and all credits that are there."""
        done = 0
        while True:
            reply_came = False
            for descriptor, _ in self._come(0):
                if descriptor == self._credits:
                    done += self._count()
                else:
                    reply_came = True
                    replies.append((memoryview(self._reply()), None))
            if not reply_came:
                return done

    def _count(self) -> int:
        credit = os.read(self._credits, _CREDITS)
        if not credit:
            raise ConnectionResetError("the worker is gone")
        return len(credit)

    def _reply(self) -> bytes:
        try:
            return unmarked(self._replies.recv_bytes(self._limit_bytes))
        except EOFError as error:
            raise ConnectionResetError("the worker is gone") from error

    def close(self) -> None:
        """The feeder goes on with what it has."""
        self._feeder.close()
        self._replies.close()
        os.close(self._credits)
        self._sock.close()


class MpQueueSender(DirectSender):
    """The producer's end."""

    def __init__(self, address: Address) -> None:
        super().__init__(address, "mp-queue")
        self._address = address
        self._connect_all()

    def _connect(self, worker: int) -> Link | None:
        return QueueLink.to(self._address, worker)

    def _wait(self, timeout_s: float) -> None:
        poll = select.poll()
        for link in self._links:
            if isinstance(link, QueueLink):
                for descriptor in link.news:
                    poll.register(descriptor, select.POLLIN)
        poll.poll(timeout_s * 1000)
