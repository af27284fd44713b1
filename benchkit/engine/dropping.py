"""The stage worker where messages have a deadline: what is too old when it is received is dropped, not computed."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchkit.engine.task import Task
from benchkit.engine.worker import ROW_DROPPED, Held, Worker
from benchkit.errors import MessageError
from benchkit.flow.options import FlowOptions
from benchkit.stages.base import OpenStage
from benchkit.tensors.codecs.base import Coder
from benchkit.tensors.wire import DROPPED, FOREIGN, REPLY, WARMUP, Envelope, due_of, header, unpack
from benchkit.transports.base import Delivery, Receiver


class DroppingWorker(Worker):
    """One block's stage end, with a deadline; see Worker."""

    def __init__(
        self, task: Task, codec: Coder, receiver: Receiver, stage: OpenStage, stopped: Callable[[], str]
    ) -> None:
        super().__init__(task, codec, receiver, stage, stopped)
        self._deadline_ns = int((FlowOptions(**(task.flow or {})).drops_after_s or 0) * 1e9)

    def _decode(self, delivery: Delivery, asked: int, received: int) -> Held | None:
        """See Worker; None for what was dropped as well."""
        envelope = self._overdue(delivery)
        if envelope is None:
            return super()._decode(delivery, asked, received)
        if self._task.replies:
            delivery.reply([header(envelope.seq, 0, REPLY | DROPPED, item=envelope.item)])
        delivery.ack()
        self._rows.extend((envelope.seq, asked, received, 0, 0, 0, self._clock(), ROW_DROPPED))
        delivery.release()
        if not envelope.flags & WARMUP:
            self._measuring = True
        return None

    def _overdue(self, delivery: Delivery) -> Envelope | None:
        """The envelope of a message that is too old; None for any other, and for what is no message."""
        try:
            envelope, _ = unpack(delivery.view)
        except MessageError:
            return None
        due_ns = due_of(delivery.view)
        if not due_ns or envelope.flags & FOREIGN:
            return None
        return envelope if time.monotonic_ns() - due_ns > self._deadline_ns else None
