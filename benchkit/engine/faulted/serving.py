"""A stage worker of a trial: receives, checks every byte, runs the stage, replies, acknowledges."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from select import select
from typing import Final

from benchkit.engine.faulted.board import (
    CLOCK_STAGE_NS,
    HELD,
    LEAVING,
    POISON,
    POISON_FATAL,
    SLOW_NS,
    STATE,
    Board,
)
from benchkit.engine.faulted.clock import WallClock
from benchkit.engine.faulted.journal import Journal, What
from benchkit.engine.faulted.opening import Reopened
from benchkit.errors import BenchkitError, MessageError, Rejected
from benchkit.stages.base import OpenStage
from benchkit.tensors import integrity
from benchkit.tensors.codecs.base import Codec
from benchkit.tensors.message import Message
from benchkit.tensors.wire import FAILED, FOREIGN, REPLY, Envelope, header, total_bytes, unpack
from benchkit.transports.base import Delivery, Receiver

_POLL_S: Final = 0.01
_LARGEST: Final = (1 << 62) - 1
"""Beyond it no schedule counts: the envelope itself is torn."""
POISONED: Final = 86
"""How a worker ends that dies of a message."""


class Poisoned(Exception):
    """What the stage raises on a poisoned message."""


@dataclass(slots=True)
class _Held:
    delivery: Delivery
    envelope: Envelope
    message: Message


class Serving:
    """One incarnation."""

    def __init__(
        self, make: Callable[[], Receiver], codec: Codec, stage: OpenStage, journal: Journal, board: Board,
        *, worker: int, replies: bool, wall: WallClock, batch_size: int = 1, batch_delay_s: float = 0.0,
    ) -> None:  # fmt: skip
        self._codec = codec
        self._stage = stage
        self._wall = wall
        self._words = board.words
        self._write = journal.write
        self._nothing = journal.nothing_there
        self._worker = worker
        self._replies = replies
        self._batch_size, self._batch_delay_s = batch_size, batch_delay_s
        self._open: Reopened[Receiver] = Reopened(make, journal, board)

    def run(self) -> None:
        """Until the board says that the parties end."""
        words = self._words
        while words[STATE] != LEAVING:
            if words[CLOCK_STAGE_NS] != self._wall.offset_ns:
                self._wall.step(words[CLOCK_STAGE_NS])
            end = self._open.end
            if end is None:
                return
            if words[HELD]:
                select((), (), (), _POLL_S / 5)
                continue
            try:
                self._turn(end)
            except (BenchkitError, OSError):
                self._open.broken()
        self._open.close()

    def _turn(self, end: Receiver) -> None:
        held = self._received(end, _POLL_S)
        if held is None:
            return
        batch = [held]
        until_s = time.monotonic() + self._batch_delay_s
        while len(batch) < self._batch_size:
            more = self._received(end, max(0.0, until_s - time.monotonic()))
            if more is None:
                break
            batch.append(more)
        self._handle(batch)

    def _received(self, end: Receiver, timeout_s: float) -> _Held | None:
        """The next message that is whole; None where none came. What is torn is written down and done with."""
        delivery = end.receive(timeout_s)
        if delivery is None:
            self._nothing()
            return None
        at_ns = time.monotonic_ns()
        seq = -1
        try:
            envelope, body = unpack(delivery.view)
            seq = envelope.seq if envelope.seq <= _LARGEST else -1
            self._write(What.RECEIVED, seq, self._worker, at_ns)
            if envelope.flags & FOREIGN:
                raise MessageError("a message of somebody else's")  # noqa: TRY301
            if integrity.checksum(body) != envelope.checksum:
                raise MessageError("it is not what was sent")  # noqa: TRY301
            arrays, metadata = self._codec.decode(body)
        except MessageError:
            self._write(What.TORN, seq)
            delivery.ack()
            delivery.release()
            return None
        return _Held(delivery, envelope, Message(seq, arrays, metadata))

    def _handle(self, batch: list[_Held]) -> None:
        write = self._write
        for held in batch:
            write(What.STARTED, held.envelope.seq)
        flags, outputs = REPLY, []
        try:
            self._meddle(batch)
            outputs = [
                self._codec.encode(arrays, b"")
                for arrays in self._stage.run([held.message for held in batch])
            ]
        except (Exception, SystemExit) as error:  # noqa: BLE001  (a stage is anybody's code)
            flags = REPLY | FAILED
            outputs = [[f"{type(error).__name__}".encode()] for _ in batch]
        done = What.FAILED if flags & FAILED else What.FINISHED
        for held, parts in zip(batch, outputs, strict=True):
            envelope, delivery = held.envelope, held.delivery
            write(done, envelope.seq)
            if self._replies:
                head = header(envelope.seq, total_bytes(parts), flags, item=envelope.item)
                try:
                    delivery.reply([head, *parts])
                except Rejected:
                    delivery.reply([header(envelope.seq, 0, REPLY | FAILED, item=envelope.item)])
            delivery.ack()
            write(What.ACKED, envelope.seq)
            delivery.release()

    def _meddle(self, batch: list[_Held]) -> None:
        """What the board wants to go wrong with the stage."""
        words = self._words
        poison = words[POISON]
        if poison >= 0 and any(held.envelope.seq == poison for held in batch):
            if words[POISON_FATAL]:
                os._exit(POISONED)
            raise Poisoned
        if words[SLOW_NS]:
            until_ns = time.monotonic_ns() + words[SLOW_NS] * len(batch)
            while (left_ns := until_ns - time.monotonic_ns()) > 0 and words[STATE] != LEAVING:
                select((), (), (), min(left_ns * 1e-9, _POLL_S))
