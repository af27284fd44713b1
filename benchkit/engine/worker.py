"""The stage worker: receives messages, runs the stage on them, hands the replies over.

One thread. Integrity is checked after the reply was handed over, outside every stamped phase; its time is
recorded, and whoever waits behind it sees it as `queue`.
"""

from __future__ import annotations

import os
import time
import traceback
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.engine import usage
from benchkit.engine.account import Account, SoFar
from benchkit.engine.pacing import NO_STAMP, sharpen_timers
from benchkit.engine.task import Task
from benchkit.errors import BenchkitError, MessageError, Rejected
from benchkit.scenario.redact import redact_lines
from benchkit.stages.base import OpenStage
from benchkit.tensors import integrity
from benchkit.tensors.codecs.base import Coder
from benchkit.tensors.message import Arrays, Message
from benchkit.tensors.wire import (
    FAILED,
    FOREIGN,
    REPLY,
    WARMUP,
    Buffer,
    Envelope,
    header,
    total_bytes,
    unpack,
)
from benchkit.transports.base import Delivery, Receiver

_POLL_S = 0.02
_MAX_ERROR_BYTES = 2048
COLUMNS = ("seq", "asked", "received", "decoded", "started", "finished", "replied", "ok")
"""`ok`: 0 the stage failed, 1 it did not, 2 the message was dropped before it."""
ROW_DROPPED = 2


@dataclass(slots=True)
class Held:
    """A message between `received` and `replied`."""

    delivery: Delivery
    envelope: Envelope
    body: memoryview
    message: Message
    asked: int
    received: int
    decoded: int


class Worker:
    """One block's stage end."""

    def __init__(
        self, task: Task, codec: Coder, receiver: Receiver, stage: OpenStage, stopped: Callable[[], str]
    ) -> None:
        self._task = task
        self._codec = codec
        self._receiver = receiver
        self._stage = stage
        self._stopped = stopped
        self._clock: Callable[[], int] = time.monotonic_ns if task.stamps else NO_STAMP
        self._finish = self._verify if task.checksums else _release
        self._answers = task.replies
        self.handed = 0
        """Messages handed on to a next stage; read by the control thread."""
        self._rows = array("q")
        """Row after row of COLUMNS: one call a message, and as compact as columns."""
        self.corrupted = 0
        self.foreign = 0
        """Messages of other clients, answered and in no account."""
        self.failures: dict[tuple[str, str], dict[str, Any]] = {}
        self.gave_up = False
        self.waiting_since_ns = 0
        """When it began to wait for a message that did not come before it was told to stop; 0 if it did not wait."""
        self._last_failure = ""
        self._only_others = False
        self._measuring = False
        self._cpu_from_ns = 0
        self._spun_from_s = 0.0
        self._integrity_ns = 0
        """Since it began; since the last mark it is less `_integrity_from_ns`."""
        self._integrity_from_ns = 0
        self._account = Account(shares_process=task.one_process, rest=not task.one_process)

    @property
    def handled(self) -> int:
        """Messages done so far, read by the control thread."""
        return len(self._rows) // len(COLUMNS)

    def run(self) -> None:
        """Serve until told to stop: `drain` ends when nothing is left to receive, `now` at once."""
        sharpen_timers()
        usage.reset_peak(os.getpid())
        self._account.begin(self._so_far())
        clock, receive = self._clock, self._receiver.receive
        batched = self._task.batch_size > 1
        asked = clock()
        while not self.gave_up:
            if not self._measuring:
                self._mark()
            delivery = receive(_POLL_S)
            if delivery is None:
                if self._stopped():
                    self.waiting_since_ns = asked
                    return
                continue
            held = self._decode(delivery, asked, clock())
            if held is not None:
                batch = self._gather(held) if batched else [held]
                self._handle(batch)
            stopped = self._stopped()
            if stopped == "now" or (stopped and held is not None and self._others_alone(batch)):
                self.waiting_since_ns = asked if stopped == "drain" else 0
                return
            asked = clock()

    def _others_alone(self, batch: list[Held]) -> bool:
        """Told to stop, it has twice got nothing but what other clients sent, who may go on for ever.

        Twice: the first may have been received before it was told. A transport gives ours first.
        """
        if not all(held.envelope.flags & FOREIGN for held in batch):
            return False
        again, self._only_others = self._only_others, True
        return again

    def _mark(self) -> None:
        """Costs are counted from here: before the first measured message is received."""
        self._cpu_from_ns = usage.own_cpu_ns(one_process=self._task.one_process)
        self._spun_from_s = self._spun_s()
        self._integrity_from_ns = self._integrity_ns
        if self._account.stale:
            self._account.mark(self._so_far())

    def _spun_s(self) -> float:
        return self._receiver.spun_s()

    def _so_far(self) -> SoFar:
        cpu_ns = usage.own_cpu_ns(one_process=self._task.one_process)
        spin_ns = int(self._spun_s() * 1e9)
        return SoFar(self.handled, cpu_ns, spin_ns, integrity_ns=self._integrity_ns)

    def _decode(self, delivery: Delivery, asked: int, received: int) -> Held | None:
        try:
            envelope, body = unpack(delivery.view)
            arrays, metadata = self._codec.decode(body)
        except MessageError as error:
            self.corrupted += 1
            self._fail(error)
            delivery.ack()
            delivery.release()
            return None
        decoded = self._clock()
        if not envelope.flags & (WARMUP | FOREIGN):
            self._measuring = True
        return Held(
            delivery, envelope, body, Message(envelope.seq, arrays, metadata), asked, received, decoded
        )

    def _gather(self, first: Held) -> list[Held]:
        """Up to `batch_size` messages, waiting for the rest no longer than the batch delay."""
        batch = [first]
        until = first.decoded + int(self._task.batch_delay_s * 1e9)
        while len(batch) < self._task.batch_size:
            asked = self._clock()
            if not self._measuring:
                self._mark()
            delivery = self._receiver.receive(max(0, until - asked) * 1e-9)
            if delivery is None:
                break
            held = self._decode(delivery, asked, self._clock())
            if held is not None:
                batch.append(held)
        return batch

    def _handle(self, batch: list[Held]) -> None:
        """Run the stage, reply, acknowledge, then check integrity and give the memory back."""
        clock, record = self._clock, self._rows.extend
        started = clock()
        outputs: Sequence[Arrays | None]
        try:
            outputs = self._stage.run([held.message for held in batch])
            if len(outputs) != len(batch):
                raise BenchkitError(f"the stage answered {len(outputs)} messages of a batch of {len(batch)}")  # noqa: TRY301
        except (Exception, SystemExit) as error:  # noqa: BLE001  (a stage is anybody's code; the block decides what follows)
            outputs = [None] * len(batch)
            self._stage_failed(error, batch)
        finished = clock()
        for held, arrays in zip(batch, outputs, strict=True):
            ok = arrays is not None
            foreign = held.envelope.flags & FOREIGN
            if self._answers or foreign:
                ok = self._reply(held, arrays) and ok
            held.delivery.ack()
            replied = clock()
            if foreign:
                self.foreign += 1
                continue
            record(
                (held.envelope.seq, held.asked, held.received, held.decoded, started, finished, replied, ok)
            )
        before = clock()
        for held in batch:
            self._finish(held)
        self._integrity_ns += clock() - before

    def _reply(self, held: Held, arrays: Arrays | None) -> bool:
        """Hand the reply over; False when what the stage returned cannot travel."""
        if arrays is not None:
            try:
                parts = self._codec.encode(arrays, b"")
            except Exception as error:  # noqa: BLE001  (a stage may answer anything; not all of it can travel)
                self._fail(error)
            else:
                try:
                    self._hand_over(held, parts, REPLY)
                except Rejected as error:
                    self._fail(error)
                else:
                    return True
        self._hand_over(
            held, [self._last_failure.encode(errors="replace")[:_MAX_ERROR_BYTES]], REPLY | FAILED
        )
        return False

    def _hand_over(self, held: Held, parts: list[Buffer], flags: int) -> None:
        envelope = held.envelope
        head = header(envelope.seq, total_bytes(parts), flags, item=envelope.item)
        held.delivery.reply([head, *parts])

    def _stage_failed(self, error: Exception | SystemExit, batch: list[Held]) -> None:
        """What another client asked for and the stage cannot do is told that client alone."""
        if all(held.envelope.flags & FOREIGN for held in batch):
            self._last_failure = _in_words(error)
        else:
            self._fail(error)

    def _verify(self, held: Held) -> None:
        envelope = held.envelope
        if envelope.flags & FOREIGN:
            held.delivery.release()
            return
        every = self._task.checksum_every
        bad = envelope.fingerprint != integrity.fingerprint(held.body)
        if not bad and every and envelope.seq % every == 0:
            bad = envelope.checksum != integrity.checksum(held.body)
        self.corrupted += bad
        held.delivery.release()

    def _fail(self, error: Exception | SystemExit) -> None:
        what = _in_words(error)
        self._last_failure = f"{type(error).__name__}: {what}"
        known = self.failures.setdefault(
            (type(error).__name__, what[:500]),
            {"remedy": getattr(error, "remedy", ""), "traceback": "", "count": 0},
        )
        if not known["count"]:
            known["traceback"] = redact_lines("".join(traceback.format_exception(error, limit=-12)))
        known["count"] += 1
        if self._task.stop_on_error:
            self.gave_up = True

    def _table(self) -> npt.NDArray[np.int64]:
        return np.array(self._rows, np.int64).reshape(-1, len(COLUMNS))

    def result(self) -> dict[str, Any]:
        """Columns and counters as plain data."""
        table = self._table()
        return {
            "columns": {name: table[:, at].tobytes() for at, name in enumerate(COLUMNS)},
            # A worker that got no measured message has spent nothing on any.
            "cpu_ns": (usage.own_cpu_ns(one_process=self._task.one_process) - self._cpu_from_ns)
            * self._measuring,
            "spin_ns": int((self._spun_s() - self._spun_from_s) * 1e9) * self._measuring,
            "peak_rss_bytes": usage.peak_rss_bytes(os.getpid()),
            "rss_bytes": usage.rss_bytes(os.getpid()),
            "integrity_ns": self._integrity_ns - self._integrity_from_ns,
            "account": self._account.told(self._so_far()),
            "handled": self.handled,
            "corrupted": self.corrupted,
            "foreign": self.foreign,
            "failures": [[*key, known] for key, known in self.failures.items()],
            "waiting_since_ns": self.waiting_since_ns,
        }


def _in_words(error: BaseException) -> str:
    return redact_lines(error.what if isinstance(error, BenchkitError) else str(error))


def _release(held: Held) -> None:
    """In the place of verifying where checksums are switched off."""
    held.delivery.release()
