"""The producer's end of the udp transport."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from select import select
from threading import Lock, Thread
from time import monotonic  # deadlines of waits that are woken early; nothing is stamped
from typing import Final

from benchkit.errors import BrokerError, MessageError, Rejected
from benchkit.tensors.wire import ENVELOPE_BYTES, total_bytes
from benchkit.transports._udp.arrivals import arrivals
from benchkit.transports._udp.flight import Flight, Sent
from benchkit.transports._udp.head import ACK, ANSWER, ASK, GRANT, MESSAGE, REPLY, Head, numbers
from benchkit.transports._udp.kernel import HEADERS_BYTES, HOST, Datagrams
from benchkit.transports._udp.outgoing import Outgoing
from benchkit.transports._udp.peer import ASK_S, Peer
from benchkit.transports._udp.place import Ways, announced, port_of
from benchkit.transports._udp.reassembly import Counts, Inbox, Room, Whole
from benchkit.transports._udp.window import window_bytes
from benchkit.transports.base import Address, Buffer, Reply, Sender
from benchkit.transports.buffers import Pool
from benchkit.transports.family import families

_RETRY_S: Final = 0.002
"""How long to wait for a worker that is being started again, or for what a helper may have read."""


class _Link:
    """One worker, as the producer sees it."""

    __slots__ = ("asked_s", "flight", "out", "peer", "sock", "told")

    def __init__(self, sock: Datagrams, peer: Peer, told: tuple[int, int]) -> None:
        self.sock, self.peer = sock, peer
        self.told = told
        """The announcement that led to it."""
        self.flight = Flight()
        self.out: Outgoing | None = None
        """What `send` has begun and not finished."""
        self.asked_s = 0.0

    def fileno(self) -> int:
        """For `select`."""
        return self.sock.fileno()


class UdpSender(Sender):
    """The producer's end: one connected socket for each worker, the least loaded takes the next message."""

    def __init__(self, address: Address, ways: Ways) -> None:
        self._where, self._ways = address.where, ways
        self._limit_bytes = int(address.where["message_bytes"])
        self._token = bytes.fromhex(str(address.where["token"]))
        self._counts = Counts()
        self._room = Room(int(address.where["reply_bytes"]), 2 * ways.depth + 2)
        self._replies: deque[Whole | Sent] = deque()
        """Of a message that is lost, what was sent."""
        self._shown: Whole | None = None
        self._parity = Pool(0)
        self._kernel_lost = 0
        self._lock = Lock()
        """Held by whoever sends, reads, or looks after what is under way."""
        self._helpers: list[Thread] = []
        self._closed = False
        self._links: list[_Link | None] = [None] * int(address.where["workers"])
        self._refused: dict[int, tuple[int, int]] = {}
        """Announcements of workers that are gone, by worker. What they announced stays, and connecting to it works:
        the next message would be lost as well, and the next one, since nobody has fewer in flight than they."""
        for worker in range(len(self._links)):
            self._links[worker] = self._connect(worker)
        if not any(self._links):
            raise BrokerError("no worker receives", where="udp", remedy="open the receivers first")

    # Workers -------------------------------------------------------------------------------------------

    def _connect(self, worker: int) -> _Link | None:
        told = announced(self._where, worker)
        port, ways = port_of(self._where, worker), self._ways
        if port is None or self._refused.get(worker) == told:
            return None
        sock = Datagrams(ways.send_buffer, ways.receive_buffer, offload=ways.offload)
        try:
            sock.sock.connect((HOST, port))
        except OSError:
            sock.close()
            return None
        inbox = Inbox(self._room, self._counts, ways.reassembly_s, ways.cut)
        theirs = window_bytes(int(self._where["receive_bytes"]), int(self._where["producers"]))
        token = int.from_bytes(self._token, "little")
        peer = Peer(
            sock, token, inbox, self._counts, window_bytes(sock.receive_bytes),
            window=theirs, pace_bytes_per_s=ways.pace_bytes_per_s,
        )  # fmt: skip
        return _Link(sock, peer, told)

    def _drop(self, link: _Link, error: OSError | None = None) -> None:
        """The worker is gone, and with it what it had."""
        worker = self._links.index(link)
        self._links[worker] = None
        if isinstance(error, ConnectionRefusedError):
            self._refused[worker] = link.told
        self._replies.extend(link.flight.clear())
        if link.out is not None:
            link.out.close()
            link.out = None
        self._kernel_lost += link.sock.kernel_lost()
        link.peer.inbox.close()
        link.sock.close()

    def _choose(self) -> _Link | None:
        """The worker with the fewest in flight that can begin a message, if there is room for one."""
        if sum(link.flight.placed for link in self._links if link is not None) >= self._ways.depth:
            return None
        best: _Link | None = None
        for worker, known in enumerate(self._links):
            link = known
            if link is None:
                self._links[worker] = link = self._connect(worker)
            if link is None or link.out is not None or not link.peer.room(self._ways.mtu - HEADERS_BYTES):
                continue
            if best is None or link.flight.placed < best.flight.placed:
                best = link
        return best

    # Reading -------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Take in everything that is there."""
        for link in self._links:
            if link is None:
                continue
            try:
                while (received := link.sock.receive()) is not None:
                    for head, datagrams, count in arrivals(link.sock, received, self._token, self._counts):
                        link.peer.note(head)
                        self._take(link, head, datagrams, count)
                    link.peer.grant()
            except OSError as error:
                self._drop(link, error)

    def _take(self, link: _Link, head: Head, datagrams: memoryview, count: int) -> None:
        kind = head.kind
        if kind == REPLY:
            self._take_reply(link, head, datagrams, count)
        elif kind == ACK:
            link.flight.done(head.number)
        elif kind == ANSWER:
            gone, now = numbers(datagrams), monotonic()
            link.flight.gone(gone, now)
            link.peer.inbox.ended(gone, now)
        elif kind == ASK:
            link.peer.answer(())
        elif kind != GRANT:
            self._counts.malformed += 1

    def _take_reply(self, link: _Link, head: Head, datagrams: memoryview, count: int) -> None:
        try:
            whole = link.peer.inbox.arrived(head, datagrams, count, monotonic())
        except MessageError:
            self._counts.malformed += 1
            return
        if whole is None:
            return
        if link.flight.done(head.number):
            self._replies.append(whole)
        else:  # to nothing that is under way
            self._room.give(whole.buffer)

    def _look_after(self) -> None:
        """Ask for messages of which nothing was heard for a while; those that are gone are given up."""
        now = monotonic()
        for link in self._links:
            if link is None or not (link.flight or link.peer.inbox):
                continue
            inbox = link.peer.inbox
            inbox.expire(now)
            for number, sent in link.flight.lost(now - self._ways.reassembly_s, inbox):
                # What may still come of a reply to it comes too late.
                inbox.forget(number)
                self._replies.append(sent)
            if now - link.asked_s >= ASK_S:
                self._ask(link, now)

    def _ask(self, link: _Link, now_s: float) -> None:
        quiet = link.flight.quiet(now_s - ASK_S)
        if not quiet and link.out is None:
            return
        link.asked_s = now_s
        try:
            link.peer.ask(quiet)
        except OSError as error:
            self._drop(link, error)

    def _wait(self, timeout_s: float, writing: _Link | None = None) -> None:
        """Until something has come, or what is unfinished may go on, or `timeout_s` has passed."""
        links = [link for link in self._links if link is not None]
        if None in self._links or any(helper.is_alive() for helper in self._helpers):
            timeout_s = min(timeout_s, _RETRY_S)
        if any(link.flight for link in links):
            timeout_s = min(timeout_s, ASK_S)
        if writing is not None and writing.out is not None:
            timeout_s = min(timeout_s, writing.peer.patience_s(writing.out))
        # A helper may close one of them meanwhile: whoever reads will see.
        with suppress(OSError, ValueError):
            select(links, (), (), timeout_s)

    # Sending -------------------------------------------------------------------------------------------

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """To the worker with the fewest in flight; waits while its socket, or the pace, takes no more."""
        nbytes = total_bytes(parts)
        if nbytes > self._limit_bytes:
            raise Rejected(f"{nbytes} bytes where at most {self._limit_bytes} were announced", where="udp")
        self._give_back()
        link: _Link | None = None
        deadline = 0.0
        while True:
            with self._lock:
                if link is None or link not in self._links:  # a worker that died has none of this message
                    link = self._begin(parts, nbytes)
                if link is not None and self._push(link):
                    return True
            now = monotonic()
            deadline = deadline or now + timeout
            if now >= deadline:
                break
            self._wait(deadline - now, link)
            with self._lock:
                self._read()
                self._look_after()
        if link is None:
            return False
        self._leave(link)
        return True

    def _begin(self, parts: Sequence[Buffer], nbytes: int) -> _Link | None:
        link = self._choose()
        if link is None:
            return None
        number = link.flight.begin(bytes(parts[0][:ENVELOPE_BYTES]))
        link.out = Outgoing(MESSAGE, number, parts, self._ways.cut(nbytes), self._parity)
        return link

    def _push(self, link: _Link) -> bool:
        """Whether what the link has begun is finished."""
        out = link.out
        if out is None:
            return True
        try:
            if not link.peer.push(out):
                return False
        except OSError as error:
            # The news of a worker's death come with the next datagram, which has not gone then.
            link.flight.done(out.number)
            self._drop(link, error)
            return False
        out.close()
        link.out = None
        link.flight.sent(out.number, monotonic())
        return True

    def _leave(self, link: _Link) -> None:
        """The rest of a begun message goes to a helper: its parts are the caller's again, who may sleep for long."""
        with self._lock:
            if link.out is not None:
                link.out.keep()
        self._helpers = [helper for helper in self._helpers if helper.is_alive()]
        self._helpers.append(Thread(target=self._help, args=(link,), name="udp-rest", daemon=True))
        self._helpers[-1].start()

    def _help(self, link: _Link) -> None:
        while True:
            with self._lock:
                if self._closed or link not in self._links or self._push(link):
                    return
                self._read()
                self._look_after()
            self._wait(_RETRY_S, link)

    # Replies -------------------------------------------------------------------------------------------

    def reply(self, timeout: float) -> Reply | None:
        """The oldest reply not seen yet, or the news that a message was lost."""
        self._give_back()
        deadline = 0.0
        while True:
            if not self._replies:
                with self._lock:
                    self._read()
                    if not self._replies:
                        self._look_after()
            if self._replies:
                return self._show(self._replies.popleft())
            if timeout <= 0:
                return None
            now = monotonic()
            deadline = deadline or now + timeout
            if now >= deadline:
                return None
            self._wait(deadline - now)

    def _show(self, found: Whole | Sent) -> Reply:
        if isinstance(found, Sent):
            return Reply(memoryview(found.start), lost=True)
        self._shown = found
        return Reply(found.buffer[: found.total])

    def _give_back(self) -> None:
        if self._shown is not None:
            self._room.give(self._shown.buffer)
            self._shown = None

    def path(self) -> Mapping[str, str]:
        """Of the sockets that are connected."""
        return {"family": families(link.sock.sock for link in self._links if link is not None)}

    def counts(self) -> Mapping[str, int]:
        """See reassembly.Counts; and what the kernel lost."""
        lost = sum(link.sock.kernel_lost() for link in self._links if link is not None)
        return {**asdict(self._counts), "kernel_lost": self._kernel_lost + lost}

    def close(self) -> None:
        """Messages that a worker has taken in stay there; an unfinished one is lost."""
        self._closed = True
        for helper in self._helpers:
            helper.join()
        for link in self._links:
            if link is not None:
                self._drop(link)
