"""Frames on one connection that py-amqp has opened: methods in and out, messages gathered and landed.

Waiting has a timeout only between frames; once one has begun, the rest follows (links.PATIENCE_S).
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from benchkit.errors import BrokerError
from benchkit.tensors.wire import Buffer
from benchkit.transports._rabbitmq.methods import (
    BODY,
    CANCEL,
    CHANNEL,
    CHANNEL_CLOSE,
    CHANNEL_CLOSE_OK,
    CONNECTION_BLOCKED,
    CONNECTION_CLOSE,
    CONNECTION_UNBLOCKED,
    END,
    END_BYTE,
    FRAME,
    HEADER,
    HEARTBEAT,
    MAX_MESSAGE_BYTES,
    METHOD,
    RETURN,
    Route,
    close_channel,
    close_connection,
    closing,
)
from benchkit.transports.buffers import Pool
from benchkit.transports.links import Link

BETWEEN_BYTES = 8
"""The end of one frame and the head of the next, landed behind a piece of a body and written over by the next."""
_SCRATCH_BYTES = 16 << 10
_SHORT_BYTES = 16 << 20
_TOO_LARGE = ("message size", "larger than")


def _longer(memory: memoryview, kept: int, nbytes: int) -> memoryview:
    longer = memoryview(bytearray(nbytes))
    longer[:kept] = memory[:kept]
    return longer


class Frames:
    """One connection with its one channel."""

    def __init__(
        self, link: Link, frame_max: int, close: Callable[[], None], sock: socket.socket, where: str
    ) -> None:
        self._link = link
        self._write = link.write
        self._close = close
        self._piece_bytes = frame_max - FRAME.size - len(END)
        self.sock = sock
        """The live socket, to be asked what it is."""
        self.where = where
        self.blocked = False
        """The server has said that it takes no messages for now (memory or disk alarm)."""
        self._memory = bytearray(_SCRATCH_BYTES)
        self._view = memoryview(self._memory)
        self._start = self._end = 0
        self._aside: deque[tuple[int, bytes]] = deque()

    # Out -----------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Whole frames."""
        self._write((data,), len(data))

    def publish(self, route: Route, parts: Sequence[Buffer], nbytes: int, more: bytes = b"") -> None:
        """One message, gathered, and `more` frames behind it: one system call where the kernel takes it all."""
        head = route.head(nbytes)
        if nbytes > self._piece_bytes:
            buffers, total = self._pieces(head, parts, nbytes)
        elif nbytes:
            head += FRAME.pack(BODY, CHANNEL, nbytes)
            buffers, total = [head, *parts, END], len(head) + nbytes + 1
        else:
            buffers, total = [head], len(head)
        if more:
            buffers.append(more)
            total += len(more)
        self._write(buffers, total)

    def _pieces(self, head: bytes, parts: Sequence[Buffer], nbytes: int) -> tuple[list[Buffer], int]:
        """A body in as many frames as the server's limit asks for; nothing is copied."""
        most = self._piece_bytes
        left = nbytes
        room = min(most, left)
        buffers: list[Buffer] = [head + FRAME.pack(BODY, CHANNEL, room)]
        total = len(head) + FRAME.size
        for part in parts:
            view = memoryview(part)
            while view:
                taken = view[:room]
                buffers.append(taken)
                view = view[len(taken) :]
                room -= len(taken)
                left -= len(taken)
                if not room and left:
                    room = min(most, left)
                    buffers.append(END + FRAME.pack(BODY, CHANNEL, room))
                    total += BETWEEN_BYTES
        buffers.append(END)
        return buffers, total + nbytes + 1

    # In ------------------------------------------------------------------------------------------------

    def ready(self, timeout_s: float) -> bool:
        """Whether a frame has begun to arrive within `timeout_s` (0: no wait)."""
        if self._start < self._end or self._aside:
            return True
        self._start, self._end = 0, self._link.arrive(self._view, timeout_s)
        return self._end > 0

    def method(self) -> tuple[int, bytes]:
        """The next method and its frame's payload; what concerns every end is dealt with first.

        Raises BrokerError where the server closes the channel or the connection, or the queue is gone.
        """
        kind, payload = self._frame()
        if kind == HEARTBEAT:
            return 0, payload
        if kind != METHOD:
            raise self._stranger(f"a frame of type {kind} where a method was expected")
        key = int.from_bytes(payload[:4], "big")
        if key in (CHANNEL_CLOSE, CONNECTION_CLOSE):
            raise self._closed(payload)
        if key in (CANCEL, RETURN):
            raise BrokerError(
                "the queue was deleted while it was in use", where=self.where, remedy="see who did"
            )
        if key in (CONNECTION_BLOCKED, CONNECTION_UNBLOCKED):
            self.blocked = key == CONNECTION_BLOCKED
        return key, payload

    def content(self, pool: Pool) -> tuple[memoryview, int, bytes]:
        """The message behind a DELIVER: a slot that it was landed in, its length, and its content header."""
        kind, header = self._frame()
        if kind != HEADER:
            raise self._stranger(f"a frame of type {kind} where a content header was expected")
        nbytes = int.from_bytes(header[4:12], "big")
        if nbytes > MAX_MESSAGE_BYTES:
            raise self._stranger(f"a message of {nbytes} bytes; none has more than {MAX_MESSAGE_BYTES}")
        # A longer one than was announced gets its memory as it comes.
        slot = pool.take(min(nbytes + BETWEEN_BYTES, pool.nbytes))
        at = 0
        piece = self._body_head(self._bytes(FRAME.size)) if nbytes else 0
        while at < nbytes:
            end = at + piece
            if not 0 < piece <= self._piece_bytes or end > nbytes:
                raise self._stranger("a body of another length than was announced")
            if end + BETWEEN_BYTES > slot.nbytes:
                slot = _longer(slot, at, max(end, min(nbytes, 2 * slot.nbytes)) + BETWEEN_BYTES)
            last = end == nbytes
            self._land(slot[at:], piece + (1 if last else BETWEEN_BYTES))
            if slot[end] != END_BYTE:
                raise self._stranger("a frame without its end")
            if not last:
                piece = self._body_head(bytes(slot[end + 1 : end + BETWEEN_BYTES]))
            at = end
        return slot, nbytes, header

    def _body_head(self, head: bytes) -> int:
        """The length of the next piece of a body; a frame of another channel that comes between is kept for later."""
        while True:
            kind, channel, nbytes = FRAME.unpack(head)
            if kind == BODY:
                return int(nbytes)
            if channel == CHANNEL:
                raise self._stranger(f"a frame of type {kind} in the middle of a body")
            self._aside.append((kind, self._payload(nbytes)))
            head = self._bytes(FRAME.size)

    def _frame(self) -> tuple[int, bytes]:
        if self._aside:
            return self._aside.popleft()
        kind, _, nbytes = FRAME.unpack(self._bytes(FRAME.size))
        return kind, self._payload(nbytes)

    def _payload(self, nbytes: int) -> bytes:
        if nbytes > _SHORT_BYTES:
            raise self._stranger(f"a frame of {nbytes} bytes where a short one was expected")
        whole = self._bytes(nbytes + 1)
        if whole[nbytes] != END_BYTE:
            raise self._stranger("a frame without its end")
        return whole[:nbytes]

    def _bytes(self, nbytes: int) -> bytes:
        start = self._start
        if start + nbytes <= self._end:
            self._start = start + nbytes
            return bytes(self._view[start : start + nbytes])
        if nbytes <= _SCRATCH_BYTES:
            rest = self._end - start
            self._view[:rest] = bytes(self._view[start : self._end])
            while rest < nbytes:
                rest += self._link.read(self._view[rest:])
            self._start, self._end = nbytes, rest
            return bytes(self._view[:nbytes])
        memory = bytearray(nbytes)
        self._land(memoryview(memory), nbytes)
        return bytes(memory)

    def _land(self, memory: memoryview, nbytes: int) -> None:
        start = self._start
        have = min(self._end - start, nbytes)
        memory[:have] = self._view[start : start + have]
        self._start = start + have
        if have < nbytes:
            self._link.fill(memory[have:nbytes])

    def _closed(self, payload: bytes) -> BrokerError:
        code, reason = closing(payload)
        remedy = "see the server's log"
        if any(words in reason for words in _TOO_LARGE):
            remedy = "raise the server's max_message_size"
        return BrokerError(f"the server closed the channel: {code} {reason}", where=self.where, remedy=remedy)

    def _stranger(self, what: str) -> BrokerError:
        return BrokerError(f"not what AMQP 0-9-1 says: {what}", where=self.where)

    # The end -------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Have the server do what was sent, throw away what it still sends, close.

        An acknowledgement that is followed by the end of the connection and nothing else may never be looked at.
        """
        with suppress(BrokerError):
            self.write(close_channel())
            while True:
                kind, payload = self._frame()
                if kind == METHOD and int.from_bytes(payload[:4], "big") == CHANNEL_CLOSE_OK:
                    break
            self.write(close_connection())
        self._close()
