"""The producer of a trial: sends the schedule's messages one after the other, whatever happens to the other side.

Nothing is sent twice on purpose. A message whose `send` raised may or may not come: it stays TAKEN and UNSENT, and
the next one follows once the end is open again. What is due meanwhile is late and not left out.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from select import select
from typing import Final

from benchkit.engine.faulted.board import (
    CLOCK_PRODUCER_NS,
    ENDING,
    GOING,
    LEAVING,
    PAUSED,
    SHIFT_NS,
    START_NS,
    STATE,
    Board,
)
from benchkit.engine.faulted.clock import WallClock
from benchkit.engine.faulted.journal import Journal, What
from benchkit.engine.faulted.opening import Reopened
from benchkit.engine.feed import Feed, Prepared
from benchkit.errors import BenchkitError, MessageError, Rejected
from benchkit.tensors.codecs.base import Codec
from benchkit.tensors.wire import Buffer, header, total_bytes, unpack_envelope
from benchkit.transports.base import Reply, Sender

_SLICE_S: Final = 0.01
"""How long one wait may last before the board is looked at."""
_SHORT_S: Final = 0.002


class Producing:
    """One incarnation. `dues` are the schedule's moments from its start, all producers' together."""

    def __init__(
        self, make: Callable[[], Sender], feed: Feed, codec: Codec, dues: Sequence[int],
        journal: Journal, board: Board, *, first: int, step: int, replies: bool, wall: WallClock,
    ) -> None:  # fmt: skip
        """Numbers first, first + step, ... are this producer's."""
        self._feed = feed
        self._codec = codec
        self._wall = wall
        self._dues = dues
        self._words = board.words
        self._write = journal.write
        self._nothing = journal.nothing_there
        self._next, self._step = first, step
        self._replies = replies
        self._handed: deque[int] = deque()
        """Sent and not known to be confirmed, in order."""
        self._open: Reopened[Sender] = Reopened(make, journal, board)

    def run(self) -> None:
        """Until the board says that the parties end."""
        words = self._words
        while words[STATE] != LEAVING:
            if words[CLOCK_PRODUCER_NS] != self._wall.offset_ns:
                self._wall.step(words[CLOCK_PRODUCER_NS])
            try:
                self._turn()
            except (BenchkitError, OSError):
                self._handed.clear()
                self._open.broken()
        self._open.close()

    def _turn(self) -> None:
        """Send what is due, or look for replies until it is."""
        words = self._words
        end = self._open.end
        if end is None:
            return
        state = words[STATE]
        if state != GOING or words[PAUSED] or self._next >= len(self._dues):
            self._look(end, _SHORT_S)
            if state == ENDING and not self._handed:
                self._nothing()
            return
        # Before it is turned to: a message that is taken stands for one in the journal.
        due = words[START_NS] + words[SHIFT_NS] + self._dues[self._next]
        left_s = (due - time.monotonic_ns()) * 1e-9
        if left_s > 0:
            self._look(end, min(left_s, _SLICE_S))
        else:
            self._send(end, due)

    def _send(self, end: Sender, due: int) -> None:
        seq = self._next
        prepared = self._feed.take()
        if prepared is None:
            self._next = len(self._dues)
            return
        write = self._write
        write(What.TAKEN, seq, due)
        self._next = seq + self._step
        message = self._message(seq, prepared)
        send, words = end.send, self._words
        try:
            while not send(message, _SLICE_S):
                self._see_all(end)
                if words[STATE] == LEAVING:
                    write(What.UNSENT, seq)
                    return
        except Rejected:
            write(What.REJECTED, seq)
            return
        except BaseException:
            write(What.UNSENT, seq)
            raise
        write(What.SENT, seq)
        self._handed.append(seq)
        self._see_all(end)

    def _message(self, seq: int, prepared: Prepared) -> list[Buffer]:
        parts = self._codec.encode(prepared.arrays, prepared.metadata)
        head = header(
            seq, total_bytes(parts), 0, prepared.fingerprint, prepared.checksum, prepared.index
        )  # fmt: skip
        return [head, *parts]

    def _look(self, end: Sender, timeout_s: float) -> None:
        """Wait for a reply for so long, and take in all that are there."""
        if self._replies:
            reply = end.reply(timeout_s)
            if reply is not None:
                self._see(reply)
        else:
            select((), (), (), timeout_s)
        self._see_all(end)

    def _see_all(self, end: Sender) -> None:
        """Replies and confirmations that have come by now."""
        while (reply := end.reply(0)) is not None:
            self._see(reply)
        handed = self._handed
        if handed:
            unconfirmed, write = end.unconfirmed(), self._write
            while len(handed) > unconfirmed:
                write(What.CONFIRMED, handed.popleft())

    def _see(self, reply: Reply) -> None:
        try:
            seq = unpack_envelope(reply.view).seq
        except MessageError:
            self._write(What.TORN)
            return
        if seq >= len(self._dues):
            self._write(What.TORN)
            return
        if reply.rejected or reply.lost:
            self._write(What.REJECTED, seq, int(reply.lost))
        else:
            self._write(What.REPLIED, seq)
