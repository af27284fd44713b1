"""Floors of a broker: the commands of redis-list and redis-stream on raw sockets, to the same server.

Gathered writes, reads into a buffer that is used again, no bound on the queue, nothing parsed that need not be.
Two connections at each end, as the transports have: one that waits and one that tells. Answers that nobody
waits for are read when some have gathered.
"""

from __future__ import annotations

import socket as sockets
from contextlib import suppress
from typing import Any

from benchkit.errors import BrokerError
from benchkit.exchange.base import ACK, Far, Near, Spot, gone
from benchkit.exchange.sockets import fill, patient, send
from benchkit.tensors.wire import Buffer
from benchkit.transports._redis.resp import CRLF, command, opening
from benchkit.transports.buffers import fresh

_ASKED = 8
"""BLPOPs that are written at once, as the transports do."""
_UNREAD = 32
_MAX_HEAD_BYTES = 4096


class Broker:
    """Connections to the broker of a spot, greeted by redis-py and then driven here."""

    def __init__(self, spot: Spot) -> None:
        self._url = str(spot.where["url"])
        self._opened: list[Any] = []
        self.queue, self.taken, self.replies = (
            f"{spot.name}:{part}" for part in ("floor-q", "floor-t", "floor-r")
        )
        self._unread = 0
        self._scratch = memoryview(bytearray(1 << 16))

    def socket(self) -> sockets.socket:
        """A fresh connection."""
        from redis.connection import Connection, parse_url

        options: dict[str, Any] = {"protocol": 2, **parse_url(self._url)}  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        connection: Any = options.pop("connection_class", Connection)(**options)
        connection.connect()
        self._opened.append(connection)
        return patient(connection._sock)  # noqa: SLF001  (redis-py has no public name for it)

    def call(self, sock: sockets.socket, *words: str | int) -> None:
        """A command whose answer does not matter, unless it is an error."""
        sock.sendall(command(*words))
        self._look(self._scratch[: sock.recv_into(self._scratch)])

    def told(self, sock: sockets.socket) -> None:
        """Read the answers that have gathered on `sock` now and then; raises BrokerError when one is an error."""
        self._unread += 1
        if self._unread >= _UNREAD:
            self._unread = 0
            with suppress(BlockingIOError):
                self._look(self._scratch[: sock.recv_into(self._scratch, 0, sockets.MSG_DONTWAIT)])

    def _look(self, answers: memoryview) -> None:
        if not answers:
            raise gone("the broker closed the connection; no answer")
        if answers[0] == ord("-") or b"\n-" in bytes(answers):
            raise BrokerError(f"the broker refuses: {bytes(answers[:120])!r}")

    def close(self) -> None:
        """Take the keys away, close everything."""
        with suppress(OSError, BrokerError):
            self.call(self.socket(), "UNLINK", self.queue, self.taken, self.replies)
        for connection in self._opened:
            connection.disconnect()


class _RespNear(Near):
    def __init__(self, spot: Spot, head: bytes, tail: bytes) -> None:
        self._broker = broker = Broker(spot)
        self._out, self._in = broker.socket(), broker.socket()
        self._head, self._tail = head, tail
        self._total = len(head) + spot.nbytes + len(tail)
        self._ask = command("BLPOP", broker.replies, 0) * _ASKED
        self._asked = 0
        self._answer = memoryview(bytearray(len(command(broker.replies, ACK))))

    def exchange(self, payload: bytes) -> None:
        """One gathered write; the reply comes by itself."""
        if not self._asked:
            self._in.sendall(self._ask)
            self._asked = _ASKED
        send(self._out, (self._head, payload, self._tail), self._total)
        fill(self._in, self._answer)
        self._asked -= 1
        self._broker.told(self._out)

    def close(self) -> None:
        """The keys go too."""
        self._broker.close()


class _RespFar(Far):
    def __init__(self, spot: Spot) -> None:
        self._nbytes = spot.nbytes
        self.broker = broker = Broker(spot)
        self._takes, self._gives = broker.socket(), broker.socket()
        self._slot = fresh(_MAX_HEAD_BYTES + spot.nbytes)
        self._request = self._prepare()
        self._reply = command("RPUSH", broker.replies, ACK)
        self._mark = b""

    def _prepare(self) -> bytes:
        raise NotImplementedError

    def _done(self, mark: bytes) -> bytes:
        raise NotImplementedError

    def take(self) -> Buffer:
        """The value, where it landed behind the head of the answer."""
        takes, slot = self._takes, self._slot
        takes.sendall(self._request)
        got = start = 0
        while not start:
            count = takes.recv_into(slot[got:])
            if not count:
                raise gone("the broker closed the connection; no message")
            got += count
            start = self._start(bytes(slot[: min(got, _MAX_HEAD_BYTES)]))
        end = start + self._nbytes
        if got < end + len(CRLF):
            fill(takes, slot[got : end + len(CRLF)])
        return slot[start:end]

    def _start(self, head: bytes) -> int:
        """Where the value begins; 0 when that has not come yet."""
        length = b"$%d\r\n" % self._nbytes
        at = head.find(length)
        return at + len(length) if at >= 0 else 0

    def give(self) -> None:
        """The reply and the removal in one write."""
        self._gives.sendall(self._reply + self._done(self._mark))
        self.broker.told(self._gives)

    def close(self) -> None:
        """The keys go too."""
        self.broker.close()


class ListNear(_RespNear):
    """RPUSH."""

    def __init__(self, spot: Spot) -> None:
        head = opening(3, "RPUSH", f"{spot.name}:floor-q") + b"$%d\r\n" % spot.nbytes
        super().__init__(spot, head, CRLF)


class ListFar(_RespFar):
    """BLMOVE, then LTRIM."""

    def _prepare(self) -> bytes:
        broker = self.broker
        self._trim = command("LTRIM", broker.taken, 1, -1)
        return command("BLMOVE", broker.queue, broker.taken, "LEFT", "RIGHT", 0)

    def _done(self, mark: bytes) -> bytes:  # noqa: ARG002  (the oldest of the list is meant)
        return self._trim


class StreamNear(_RespNear):
    """XADD, and XLEN as the transport asks it."""

    def __init__(self, spot: Spot) -> None:
        queue = f"{spot.name}:floor-q"
        head = opening(5, "XADD", queue, "*", "m") + b"$%d\r\n" % spot.nbytes
        super().__init__(spot, head, CRLF + command("XLEN", queue))


class StreamFar(_RespFar):
    """XREADGROUP, then XDEL and XACK."""

    def _prepare(self) -> bytes:
        queue = self.broker.queue
        self.broker.call(self._gives, "XGROUP", "CREATE", queue, "g", 0, "MKSTREAM")
        return command("XREADGROUP", "GROUP", "g", "w0", "COUNT", 1, "BLOCK", 0, "STREAMS", queue, ">")

    def _start(self, head: bytes) -> int:
        # Around the value: stream, its one entry's id, and the entry's one field.
        before = head.find(b"$1\r\nm\r\n$")
        end = head.find(b"\n", before + len(b"$1\r\nm\r\n$")) + 1
        if before < 0 or not end:
            return 0
        self._mark = head[:before].split(CRLF)[-3]
        return end

    def _done(self, mark: bytes) -> bytes:
        queue = self.broker.queue
        return command("XDEL", queue, mark) + command("XACK", queue, "g", mark)
