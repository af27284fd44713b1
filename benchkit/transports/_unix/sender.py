"""The producer's end of the unix transport."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from select import select
from threading import Lock, Thread
from time import monotonic  # deadlines of waits that are woken early; nothing is stamped

from benchkit.errors import BrokerError, Rejected
from benchkit.tensors.wire import total_bytes
from benchkit.transports._unix.link import ACK, HEAD, MESSAGE, REPLY, Frame, Link, rest
from benchkit.transports.base import Address, Buffer, Reply, Sender
from benchkit.transports.buffers import Pool
from benchkit.transports.family import families

_RETRY_S = 0.002
"""How long to wait for a worker that is being started again before trying to connect once more."""


class _Peer:
    """One worker, as the producer sees it."""

    __slots__ = ("in_flight", "link", "lock", "path", "rest")

    def __init__(self, path: str) -> None:
        self.path = path
        self.link: Link | None = None
        self.in_flight = 0
        self.rest: list[Buffer] = []
        """What is still to be written of a message that `send` could not finish in its time."""
        self.lock = Lock()
        """Held by whoever writes `rest`."""

    def flush(self) -> bool:
        """Write of `rest` what the kernel takes now; True when nothing is left."""
        with self.lock:
            while self.rest and self.link is not None:
                try:
                    sent = self.link.write(self.rest)
                except OSError:  # whoever reads sees the end of the connection and drops the peer
                    self.rest = []
                    break
                if not sent:
                    return False
                self.rest = rest(self.rest, sent)
            return True


class UnixSender(Sender):
    """The producer's end."""

    def __init__(self, address: Address) -> None:
        where = address.where
        self._depth = int(where["depth"])
        self._limit_bytes = int(where["message_bytes"])
        self._reply_limit_bytes = int(where["reply_bytes"])
        self._pool = Pool(self._reply_limit_bytes)
        self._replies: deque[Frame] = deque()
        self._shown: memoryview | None = None
        self._in_flight = 0
        self._helpers: list[Thread] = []
        self._peers = [_Peer(f"{where['prefix']}-{worker}.sock") for worker in range(int(where["workers"]))]
        connected = [self._connect(peer) for peer in self._peers]
        if not any(connected):
            path = self._peers[0].path
            raise BrokerError("no worker listens", where=path, remedy="open the receivers first")

    # Workers -------------------------------------------------------------------------------------------

    def _connect(self, peer: _Peer) -> bool:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(peer.path)
        except OSError:  # not there, not listening any more, or too many waiting: the next try will tell
            sock.close()
            return False
        peer.link = Link(sock, self._pool, self._reply_limit_bytes)
        return True

    def _drop(self, peer: _Peer) -> None:
        """The worker is gone, and with it what it had."""
        with peer.lock:
            if peer.link is not None:
                peer.link.close()
            peer.link = None
            peer.rest = []
        self._in_flight -= peer.in_flight
        peer.in_flight = 0

    def _choose(self) -> _Peer | None:
        """The worker with the fewest in flight that can begin a message, if there is room for one."""
        if self._in_flight >= self._depth:
            return None
        best = None
        for peer in self._peers:
            if peer.link is None and not self._connect(peer):
                continue
            if not peer.rest and (best is None or peer.in_flight < best.in_flight):
                best = peer
        return best

    def _read(self) -> None:
        """Take in what the workers have answered; never waits."""
        for peer in self._peers:
            if peer.link is None:
                continue
            try:
                while (frame := peer.link.frame()) is not None:
                    done = min(frame.length, peer.in_flight) if frame.kind == ACK else 1
                    peer.in_flight -= done
                    self._in_flight -= done
                    if frame.kind == REPLY:
                        self._replies.append(frame)
            except OSError:
                self._drop(peer)

    def _wait(self, timeout: float, writing: _Peer | None = None) -> None:
        """Until a worker has answered, or what is unfinished can go on, or `timeout` has passed."""
        links = [peer.link for peer in self._peers if peer.link is not None]
        unfinished = [peer.link for peer in self._peers if peer.link and (peer.rest or peer is writing)]
        select(links, unfinished, (), timeout if len(links) == len(self._peers) else min(timeout, _RETRY_S))
        for peer in self._peers:
            if peer.rest:
                peer.flush()
        self._read()

    # Sending -------------------------------------------------------------------------------------------

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """Straight from the parts into the socket; replies are read while it waits."""
        nbytes = total_bytes(parts)
        if nbytes > self._limit_bytes:
            raise Rejected(f"{nbytes} bytes where at most {self._limit_bytes} were announced", where="unix")
        frame = [HEAD.pack(MESSAGE, nbytes), *parts]
        nbytes += HEAD.size
        if self._in_flight >= self._depth or len(self._peers) > 1:
            self._read()
        deadline = 0.0
        while True:
            peer = self._choose()
            if peer is not None:
                sent = self._write(peer, frame)
                if sent == nbytes:
                    return True
                deadline = deadline or monotonic() + timeout
                if sent > 0 and self._finish(peer, rest(frame, sent), deadline):
                    return True
                if sent:  # that worker is gone, and has none of this message
                    continue
            now = monotonic()
            deadline = deadline or now + timeout
            if now >= deadline:
                return False
            self._wait(deadline - now, peer)

    def _write(self, peer: _Peer, frame: list[Buffer]) -> int:
        """Bytes that went, 0 when there is no room, -1 when the worker is gone."""
        try:
            sent = peer.link.write(frame) if peer.link is not None else -1
        except OSError:
            self._drop(peer)
            return -1
        if sent > 0:
            peer.in_flight += 1
            self._in_flight += 1
        return sent

    def _finish(self, peer: _Peer, left: list[Buffer], deadline: float) -> bool:
        """Write what is left of a begun message; False when the worker went away.

        What finds no room in time is copied and left to a helper thread: the parts are the caller's again,
        and the caller may sleep for long.
        """
        link = peer.link
        peer.rest = left
        while not peer.flush():
            remaining = deadline - monotonic()
            if remaining <= 0:
                with peer.lock:
                    peer.rest = [b"".join(peer.rest)]
                self._helpers = [helper for helper in self._helpers if helper.is_alive()]
                self._helpers.append(Thread(target=_flush_all, args=(peer,), name="unix-flush", daemon=True))
                self._helpers[-1].start()
                return True
            self._wait(remaining)
        return peer.link is link

    def reply(self, timeout: float) -> Reply | None:
        """The oldest reply not seen yet."""
        if self._shown is not None:
            self._pool.give(self._shown)
            self._shown = None
        if not self._replies:
            self._read()
            if not self._replies and timeout > 0:
                deadline = monotonic() + timeout
                while not self._replies and (left := deadline - monotonic()) > 0:
                    self._wait(left)
            if not self._replies:
                return None
        frame = self._replies.popleft()
        self._shown = frame.buffer
        return Reply(frame.buffer[: frame.length])

    def path(self) -> Mapping[str, str]:
        """Of the sockets that are connected."""
        return {"family": families(peer.link.sock for peer in self._peers if peer.link is not None)}

    def close(self) -> None:
        """Messages that a worker has not begun to read stay in its socket; an unfinished one is lost."""
        for peer in self._peers:
            self._drop(peer)
        for helper in self._helpers:
            helper.join()


def _flush_all(peer: _Peer) -> None:
    """What a helper thread does for one unfinished message."""
    while not peer.flush():
        link = peer.link
        # Closed or dropped meanwhile: `flush` will say so.
        with suppress(OSError, ValueError):
            select((), (link,) if link is not None else (), (), _RETRY_S)
