"""One direction of one TCP connection: read, held as long as its lane says, handed on in order."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import Final, NamedTuple

from benchkit.link.ends import End
from benchkit.link.lane import Lane
from benchkit.link.loop import READ, WRITE, Loop

AT_ONCE_BYTES: Final = 1 << 18
"""Read at a time where nothing is impaired: as much as stays in a core's cache."""
_ROUNDS: Final = 8
"""Full reads in a row before others have their turn."""
_FAIR_BYTES: Final = 1 << 16
"""Held for any connection, however full the lane is with others'."""


class _Piece(NamedTuple):
    due_ns: int
    entered_ns: int
    through_ns: int
    """When the rate let it pass."""
    data: memoryview
    """Empty: the stream's end."""
    queued: bool
    """Others were before it at the rate."""
    drawn: bool
    """Its delay was drawn for it: it counts in what was achieved."""


class Pipe:
    """From one end of a connection to the other.

    What one end does not take is held, and what is held is bounded: then nothing more is read, and the kernel's
    own window holds the sender back.
    """

    __slots__ = (
        "_armed",
        "_blocked",
        "_buffer",
        "_dark_until_ns",
        "_dst",
        "_due_ns",
        "_held",
        "_lane",
        "_loop",
        "_more",
        "_on_done",
        "_on_reset",
        "_queue",
        "_rest",
        "_src",
        "_stopped",
        "ended",
    )  # fmt: skip

    def __init__(
        self,
        loop: Loop,
        lane: Lane,
        ends: tuple[End, End],
        buffer: memoryview,
        calls: tuple[Callable[[], None], Callable[[], None]],
    ) -> None:
        """`calls`: when the stream's end has been handed on, and when either end turns out to be gone."""
        self._loop, self._lane, self._buffer = loop, lane, buffer
        self._src, self._dst = ends
        self._on_done, self._on_reset = calls
        self._queue: deque[_Piece] = deque()
        self._rest = memoryview(b"")
        """Of a piece whose moment has come, what the other end has not taken."""
        self._held = self._due_ns = self._dark_until_ns = 0
        self._armed = self._blocked = self._stopped = self._more = False
        self.ended = False
        """The end of the stream was handed on."""

    def readable(self) -> None:
        """Take what is there."""
        try:
            if self._lane.nothing and not self._queue and not self._blocked:
                self._pass()
            else:
                self._enter(self._src.sock.recv(self._lane.piece_bytes))
        except BlockingIOError:
            return
        except OSError:
            self._on_reset()

    def _pass(self) -> None:
        """Without delay and rate: straight on, through one buffer for all."""
        buffer, tally, recv_into, send = (
            self._buffer, self._lane.tally, self._src.sock.recv_into, self._dst.sock.send
        )  # fmt: skip
        for _ in range(_ROUNDS):
            entered_ns = monotonic_ns()
            nbytes = recv_into(buffer)
            if not nbytes:
                self._src.drop(READ)
                self._end()
                return
            try:
                sent = send(buffer[:nbytes])
            except BlockingIOError:
                sent = 0
            tally.packets += 1
            tally.nbytes += nbytes
            tally.delay.add(monotonic_ns() - entered_ns)
            if sent < nbytes:
                self._block(memoryview(bytes(buffer[sent:nbytes])))
                self._src.drop(READ)
                self._stopped = True
            if sent < AT_ONCE_BYTES:
                return

    def _enter(self, data: bytes) -> None:
        now_ns, lane, nbytes = monotonic_ns(), self._lane, len(data)
        lane.begin(now_ns)
        # What was waiting to be read has been at the link for longer than we know of: a loop that is late must
        # not make the link slower.
        entered_ns = lane.shaper.caught_up_ns(now_ns) if self._more else now_ns
        queued = lane.shaper.backlog_bytes(entered_ns) > 0 or self._more
        through_ns = lane.shaper.leaves_ns(entered_ns, nbytes)
        self._more = nbytes == lane.piece_bytes
        delay_ns, drawn = lane.shared_delay_ns(now_ns)
        self._due_ns = max(self._due_ns, through_ns + delay_ns)
        self._queue.append(_Piece(self._due_ns, entered_ns, through_ns, memoryview(data), queued, drawn))
        if not nbytes:
            self._src.drop(READ)
        else:
            lane.tally.packets += 1
            self._held += nbytes
            lane.take(nbytes)
            if lane.held_bytes >= lane.limit_bytes and self._held >= _FAIR_BYTES:
                self._src.drop(READ)
                lane.paused[self._resume] = None
        if not self._armed:
            self._come(now_ns)

    def _resume(self) -> None:
        if self._src.sock.fileno() >= 0:
            self._src.want(READ)

    def _come(self, now_ns: int) -> None:
        """Hand on everything that is due, then wait for the next."""
        self._armed = False
        queue = self._queue
        while queue and not self._blocked:
            piece = queue[0]
            if piece.due_ns > now_ns:
                self._wait_until(piece.due_ns)
                return
            dark_ns = self._lane.dark_until_ns(now_ns)
            if dark_ns is not None:
                self._dark_until_ns = dark_ns
                self._wait_until(dark_ns)
                return
            queue.popleft()
            if not piece.data:
                self._end()
                return
            self._hand_on(piece)

    def _wait_until(self, moment_ns: int) -> None:
        self._armed = True
        self._loop.at(moment_ns, self._come)

    def _hand_on(self, piece: _Piece) -> None:
        data, tally = piece.data, self._lane.tally
        nbytes = len(data)
        try:
            sent = self._dst.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._on_reset()
            return
        now_ns = monotonic_ns()
        tally.nbytes += nbytes
        if piece.due_ns < self._dark_until_ns:
            tally.blacked_out += 1
        else:
            if piece.drawn:
                tally.delay.add(now_ns - piece.through_ns)
            if self._lane.alone_ns:
                departed_ns = piece.through_ns + now_ns - piece.due_ns
                tally.departed(departed_ns, piece.entered_ns, nbytes, queued=piece.queued)
        self._held -= sent
        self._lane.give(sent)
        if sent < nbytes:
            self._block(data[sent:], taken=True)

    def _block(self, rest: memoryview, *, taken: bool = False) -> None:
        """The other end takes no more for now."""
        self._rest = rest
        self._blocked, self._more = True, False
        if not taken:
            self._held += len(rest)
            self._lane.take(len(rest))
        self._dst.want(WRITE)

    def writable(self) -> None:
        """The other end takes more."""
        try:
            sent = self._dst.sock.send(self._rest)
        except BlockingIOError:
            return
        except OSError:
            self._on_reset()
            return
        self._rest = self._rest[sent:]
        self._held -= sent
        self._lane.give(sent)
        if self._rest:
            return
        self._blocked = False
        self._dst.drop(WRITE)
        if self._stopped:
            self._stopped = False
            self._resume()
        if not self._armed:
            self._come(monotonic_ns())

    def _end(self) -> None:
        self.ended = True
        try:
            self._dst.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._on_reset()
            return
        self._on_done()

    def abandon(self) -> None:
        """The connection is closed: what is held goes with it, and moments that still come do nothing."""
        self._queue.clear()
        self._lane.paused.pop(self._resume, None)
        held, self._held = self._held, 0
        self._lane.give(held)
        self._blocked = self._armed = True
