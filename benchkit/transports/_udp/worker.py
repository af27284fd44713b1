"""The worker's end of the udp transport."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from select import select
from time import monotonic  # deadlines of waits that are woken early; nothing is stamped
from typing import Any, Final

from benchkit.errors import MessageError, Rejected, StorageError
from benchkit.tensors.wire import total_bytes
from benchkit.transports._udp.arrivals import arrivals
from benchkit.transports._udp.head import ACK, ANSWER, ASK, GRANT, MESSAGE, REPLY, Head, numbers
from benchkit.transports._udp.kernel import HOST, Datagrams
from benchkit.transports._udp.outgoing import Outgoing
from benchkit.transports._udp.peer import ASK_S, Peer
from benchkit.transports._udp.place import Ways, announce
from benchkit.transports._udp.reassembly import Counts, Inbox, Room, Whole
from benchkit.transports._udp.window import window_bytes
from benchkit.transports.base import Address, Buffer, Delivery, Receiver
from benchkit.transports.buffers import Pool
from benchkit.transports.family import family

_ABANDONED_S: Final = 1.0
"""A producer that takes nothing in for so long has gone, and its reply with it."""
_MOST_PEERS: Final = 1024
"""A link gives producers new addresses when it is opened anew; who was silent for longest is forgotten."""


class Producing:
    """A producer, and its messages that are here."""

    __slots__ = ("held", "peer")

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.held: set[int] = set()
        """Whole, and neither answered nor acknowledged."""


class UdpDelivery(Delivery):
    """A message in a buffer of the worker's room."""

    __slots__ = ("_from", "_owes", "_receiver", "_whole", "view")

    def __init__(self, receiver: UdpReceiver, whole: Whole, producing: Producing) -> None:
        self._receiver, self._whole, self._from = receiver, whole, producing
        self._owes = True
        self.view = whole.buffer[: whole.total].toreadonly()

    def reply(self, parts: Sequence[Buffer]) -> None:
        """Acknowledges too; waits while the producer's socket is full."""
        self._owes = not self._receiver.answer(self._from, self._whole.number, parts)

    def ack(self) -> None:
        """Goes without waiting."""
        self._from.held.discard(self._whole.number)
        if self._owes:
            self._owes = False
            with suppress(OSError):  # the producer is gone: nobody waits for it
                self._from.peer.say(ACK, self._whole.number)

    def release(self) -> None:
        """The buffer takes the next message."""
        self._receiver.room.give(self._whole.buffer)


class UdpReceiver(Receiver):
    """A worker's end: one socket, which every producer sends to."""

    def __init__(self, address: Address, worker: int, ways: Ways) -> None:
        where = address.where
        producers = int(where["producers"])
        self._ways = ways
        self._reply_limit_bytes = int(where["reply_bytes"])
        self._token = bytes.fromhex(str(where["token"]))
        self._counts = Counts()
        # One more than may be in flight, and one that is being put together.
        self.room = Room(int(where["message_bytes"]), producers * (ways.depth + 2))
        self._ready: deque[tuple[Whole, Producing]] = deque()
        self._producing: OrderedDict[Any, Producing] = OrderedDict()
        self._sock = Datagrams(ways.send_buffer, ways.receive_buffer, offload=ways.offload)
        self._parity = Pool(0)
        self._window = window_bytes(self._sock.receive_bytes, producers)
        try:
            self._sock.sock.bind((HOST, 0))
            announce(where, worker, self._sock.sock.getsockname()[1])
        except OSError as error:
            self._sock.close()
            raise StorageError(f"cannot receive: {error.strerror}", where="udp") from error

    def receive(self, timeout: float) -> Delivery | None:
        """The next message that is whole, of any producer."""
        deadline = 0.0
        while True:
            if self._ready:
                whole, producing = self._ready.popleft()
                return UdpDelivery(self, whole, producing)
            if self._read():
                continue
            now = monotonic()
            self._expire(now)
            deadline = deadline or now + timeout
            if now >= deadline:
                return None
            select((self._sock,), (), (), deadline - now)

    def _expire(self, now_s: float) -> None:
        for producing in self._producing.values():
            if len(producing.peer.inbox):
                producing.peer.inbox.expire(now_s)

    def _read(self) -> bool:
        """Take in what came with one call; whether anything did."""
        try:
            received = self._sock.receive()
        except OSError:  # news of a datagram for which nobody listened any more
            return True
        if received is None:
            return False
        producing: Producing | None = None
        for head, datagrams, count in arrivals(self._sock, received, self._token, self._counts):
            producing = self._from(received[2])
            producing.peer.note(head)
            try:
                self._take(producing, head, datagrams, count)
            except MessageError:
                self._counts.malformed += 1
        if producing is not None:
            with suppress(OSError):  # as above
                producing.peer.grant()
        return True

    def _from(self, address: Any) -> Producing:
        known = self._producing.get(address)
        if known is not None:
            return known
        if len(self._producing) >= _MOST_PEERS:
            _, silent = self._producing.popitem(last=False)
            silent.peer.inbox.close()
        inbox = Inbox(self.room, self._counts, self._ways.reassembly_s, self._ways.cut)
        token = int.from_bytes(self._token, "little")
        peer = Peer(self._sock, token, inbox, self._counts, self._window, address=address)
        self._producing[address] = made = Producing(peer)
        return made

    def _take(self, producing: Producing, head: Head, datagrams: memoryview, count: int) -> None:
        if head.kind == MESSAGE:
            whole = producing.peer.inbox.arrived(head, datagrams, count, monotonic())
            if whole is not None:
                producing.held.add(whole.number)
                self._ready.append((whole, producing))
        elif head.kind == ASK:
            asked, held, inbox = numbers(datagrams), producing.held, producing.peer.inbox
            inbox.ended(asked, monotonic())
            with suppress(OSError):  # the producer is gone
                producing.peer.answer([n for n in asked if n not in held and n not in inbox])
        elif head.kind not in (GRANT, ANSWER):
            raise MessageError(f"no producer sends datagrams of kind {head.kind}")

    def answer(self, producing: Producing, number: int, parts: Sequence[Buffer]) -> bool:
        """Send a reply; False when its producer took too little of it. Raises Rejected when it is too long."""
        nbytes, limit = total_bytes(parts), self._reply_limit_bytes
        if nbytes > limit:
            raise Rejected(f"a reply of {nbytes} bytes where at most {limit} were announced", where="udp")
        out = Outgoing(REPLY, number, parts, self._ways.cut(nbytes), self._parity)
        try:
            return self._send(producing.peer, out)
        except OSError:  # the producer is gone: nobody waits for it
            return False
        finally:
            out.close()

    def _send(self, peer: Peer, out: Outgoing) -> bool:
        moved_s, asked_s, at = monotonic(), 0.0, -1
        while not peer.push(out):
            now = monotonic()
            if out.index != at:
                moved_s, at = now, out.index
            elif now - moved_s > _ABANDONED_S:
                self._counts.abandoned_replies += 1
                return False
            if now - asked_s > ASK_S:
                asked_s = now
                peer.ask(())
            # What comes meanwhile is taken in: the news are behind it.
            select((self._sock,), (), (), peer.patience_s(out))
            while self._read():
                pass
        return True

    def path(self) -> Mapping[str, str]:
        """Of the socket, and what the kernel granted it."""
        return {"family": family(self._sock.sock), "receive_buffer": str(self._sock.receive_bytes)}

    def counts(self) -> Mapping[str, int]:
        """See reassembly.Counts; and what the kernel lost."""
        return {**asdict(self._counts), "kernel_lost": self._sock.kernel_lost()}

    def close(self) -> None:
        """What was not acknowledged is lost, as the guarantee says."""
        self._sock.close()
