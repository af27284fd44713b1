"""The producer's end: a pool of keep-alive connections over the workers' endpoints, driven by one thread."""

from __future__ import annotations

import select
import selectors
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from benchkit.errors import BrokerError, Rejected
from benchkit.tensors.wire import Buffer, total_bytes
from benchkit.transports._http.connection import DEFAULT, NO_CONTENT, OK, Connection, Dropped, Manner
from benchkit.transports.base import Reply, Sender
from benchkit.transports.family import families

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_REMEDY = "see whether the stage's worker still runs"


class HttpSender(Sender):
    """At most `depth` requests in flight, each on a connection of its own, to the least busy worker first.

    A request that could not be written whole cannot have been delivered and is tried again on a fresh
    connection or another worker; one that was written whole is never sent twice. What a dying worker held is
    lost: while another worker is up silently (the account counts it), else with a BrokerError.
    """

    def __init__(
        self,
        endpoints: Sequence[tuple[str, int]],
        path: str,
        depth: int,
        message_bytes: int,
        reply_bytes: int,
        manner: Manner = DEFAULT,
    ) -> None:
        self._endpoints = endpoints
        self._path = path
        self._depth = depth
        self._message_bytes = message_bytes
        self._reply_bytes = reply_bytes
        self._manner = manner
        self._kept = manner.pool or depth
        self._selector = selectors.DefaultSelector()
        self._ready_fd = (self._selector.fileno(),)
        self._idle: list[list[Connection]] = [[] for _ in endpoints]
        self._busy = [0] * len(endpoints)
        self._up = [True] * len(endpoints)
        self._in_flight = 0
        self._turn = 0
        self._answered: deque[tuple[Connection, Reply]] = deque()
        self._shown: Connection | None = None
        self._last: Connection
        try:
            for worker, idle in enumerate(self._idle):
                idle.append(self._connect(worker))
        except OSError as error:
            self.close()
            raise BrokerError(
                f"the stage's HTTP server cannot be reached: {error.strerror or error}",
                where=f"worker {worker}", remedy=_REMEDY,
            ) from error  # fmt: skip

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """See Sender.send; it returns False early when a reply waits to be taken first."""
        self._recycle()
        total = total_bytes(parts)
        if total > self._message_bytes:
            raise Rejected(
                f"{total} bytes are more than the server's body limit of {self._message_bytes}",
                remedy="raise the message size that the transport was prepared for",
            )
        if self._in_flight >= self._depth and not self._wait_for_place(timeout):
            return False
        for worker in self._by_load():
            sent = self._send_to(worker, parts, total)
            if sent is not None:
                return sent
        raise BrokerError("the stage's HTTP server closed the connection and takes no other", remedy=_REMEDY)

    def reply(self, timeout: float) -> Reply | None:
        """See Sender.reply; microseconds of `timeout` are honoured."""
        self._recycle()
        answered = self._answered
        if not answered:
            deadline = monotonic() + timeout
            self._poll(timeout)
            while not answered:
                left = deadline - monotonic()
                if left <= 0:
                    return None
                self._poll(left)
        self._shown, reply = answered.popleft()
        return reply

    def path(self) -> Mapping[str, str]:
        """Of the connections that were opened; the server does not name itself in its responses."""
        socks = [connection.sock for idle in self._idle for connection in idle]
        return {"family": families(socks), **self._manner.sockets.found(socks)}

    def close(self) -> None:
        """Close every connection."""
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]  # (only connections are registered)
        self._selector.close()

    def _recycle(self) -> None:
        """The reply that was shown last has been used: its connection is free."""
        connection, self._shown = self._shown, None
        if connection is not None:
            self._free(connection)

    def _free(self, connection: Connection) -> None:
        self._busy[connection.worker] -= 1
        self._in_flight -= 1
        idle = self._idle[connection.worker]
        if connection.keep_alive and len(idle) < self._kept:
            idle.append(connection)
        else:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        if connection.fileno() >= 0:
            self._selector.unregister(connection)
            connection.close()

    def _wait_for_place(self, timeout: float) -> bool:
        self._poll(0.0)
        deadline = monotonic() + timeout
        while self._in_flight >= self._depth:
            left = deadline - monotonic()
            if self._answered or left <= 0:
                return False
            self._poll(left)
        return True

    def _by_load(self) -> Sequence[int]:
        """Workers, the least busy first; among equals they take turns."""
        count = len(self._busy)
        if count == 1:
            return (0,)
        self._turn = (self._turn + 1) % count
        return sorted(range(count), key=lambda worker: (self._busy[worker], (worker - self._turn) % count))

    def _connect(self, worker: int) -> Connection:
        connection = self._new_connection(worker)
        self._selector.register(connection, selectors.EVENT_READ, connection)
        self._up[worker] = True
        return connection

    def _new_connection(self, worker: int) -> Connection:
        return Connection(self._endpoints[worker], worker, self._path, self._reply_bytes, self._manner)

    def _idle_connection(self, worker: int) -> Connection | None:
        idle = self._idle[worker]
        while idle:
            connection = idle.pop()
            if not connection.is_stale():
                return connection
            self._forget(connection)
        return None

    def _send_to(self, worker: int, parts: Sequence[Buffer], total: int) -> bool | None:
        """True: sent; False: the server takes nothing now; None: there is no server."""
        while True:
            connection = self._idle_connection(worker)
            fresh = connection is None
            if connection is None:
                try:
                    connection = self._connect(worker)
                except (ConnectionError, TimeoutError):
                    self._up[worker] = False
                    return None
                except OSError as error:
                    raise BrokerError(
                        f"no further HTTP connection can be opened: {error.strerror}",
                        remedy="lower the transport's depth, or raise the limit of open files (ulimit -n)",
                    ) from error
            outcome = connection.write(parts, total)
            if outcome == "whole":
                self._occupy(connection)
                return True
            if self._early_answer(connection):
                return True
            self._forget(connection)
            if outcome == "stalled":
                return False
            if fresh:
                return None

    def _occupy(self, connection: Connection) -> None:
        connection.awaiting = True
        self._last = connection
        self._busy[connection.worker] += 1
        self._in_flight += 1

    def _early_answer(self, connection: Connection) -> bool:
        """Whether the server refused before it had read all (413, 503) and then listened no longer."""
        with suppress(Dropped, BrokerError):
            answer = connection.read()
            if answer is not None:
                connection.keep_alive = False
                self._occupy(connection)
                self._take(connection, *answer)
                return True
        return False

    def _poll(self, timeout: float) -> None:
        """Read what has come; `timeout` waits for anything at all to come."""
        # epoll alone rounds its timeout up to a millisecond, select does not.
        if timeout > 0 and not select.select(self._ready_fd, (), (), timeout)[0]:
            return
        if self._in_flight == 1 and self._last.awaiting and self._read(self._last):
            return
        for key, _ in self._selector.select(0):
            connection: Connection = key.data
            if connection.awaiting:
                self._read(connection)
            else:
                self._drop(connection)

    def _read(self, connection: Connection) -> bool:
        """Whether the response is whole."""
        try:
            answer = connection.read()
        except Dropped:
            self._lose(connection)
            return True
        except BrokerError:
            connection.awaiting = connection.keep_alive = False
            self._free(connection)
            raise
        if answer is None:
            return False
        self._take(connection, *answer)
        return True

    def _take(self, connection: Connection, status: int, body: memoryview) -> None:
        connection.awaiting = False
        if status == NO_CONTENT:
            self._free(connection)
        elif status == OK:
            self._answered.append((connection, Reply(body)))
        else:
            start, after_s = memoryview(connection.message_start), connection.retry_after_s
            self._answered.append((connection, Reply(start, rejected=True, retry_after_s=after_s)))

    def _drop(self, connection: Connection) -> None:
        """Nothing is awaited of it, so what came is its end; a reply on it is still to be shown."""
        connection.keep_alive = False
        with suppress(ValueError):
            self._idle[connection.worker].remove(connection)
        self._forget(connection)

    def _lose(self, connection: Connection) -> None:
        worker = connection.worker
        connection.awaiting = connection.keep_alive = False
        self._free(connection)
        self._up[worker] = False
        if not any(self._up):
            raise BrokerError(
                "the stage's HTTP server closed the connection", where=f"worker {worker}", remedy=_REMEDY
            )
