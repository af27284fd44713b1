"""A worker in the middle of a pipeline: what its stage answers is the next stage's message.

Received, decoded and computed as anywhere; then encoded and sent on, to each of the stages that it feeds, and only
then acknowledged: a worker that dies before has handed on what it took, or its message is delivered again. `send`
blocks where the next stage is full, and that is stamped: so backpressure shows hop by hop.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from benchkit.engine import paths
from benchkit.engine.chain import way_address
from benchkit.engine.dropping import DroppingWorker
from benchkit.engine.task import Task
from benchkit.engine.worker import Held, Worker
from benchkit.errors import Rejected
from benchkit.records.samples import Status
from benchkit.stages.base import OpenStage
from benchkit.tensors import integrity
from benchkit.tensors.codecs import base as codecs
from benchkit.tensors.codecs.base import Coder
from benchkit.tensors.message import Arrays
from benchkit.tensors.wire import FOREIGN, WARMUP, due_of, header, total_bytes, unpack_envelope, with_due
from benchkit.transports import base as transports
from benchkit.transports.base import Delivery, Receiver, Sender

WAY_COLUMNS = ("taken", "encoded", "sent", "payload_bytes", "status")
"""Of each handled message and each way on, in the order in which the messages were handled."""
_SLICE_S = 0.02
"""How long one `send` may wait for room before the worker looks whether it is to stop."""
_NOT_HANDED_ON = (0, 0, 0, 0, 0)


class Way:
    """The way to one of the stages that this one feeds."""

    def __init__(self, name: str, codec: Coder, sender: Sender, path: Mapping[str, str]) -> None:
        self.name = name
        self.encode = codec.encode
        self.sender = sender
        self.path = path
        self.rows = array("q")
        """Row after row of WAY_COLUMNS."""


@contextmanager
def ways(task: Task, worker: int) -> Iterator[list[Way]]:
    """The senders of a worker, open; none where its stage is the last one."""
    with ExitStack() as opened:
        found = []
        for each in task.onward:
            before = paths.open_sockets()
            sender = transports.registry.build(dict(each["transport"])).sender(way_address(each, worker))
            opened.callback(sender.close)
            codec = codecs.registry.build(dict(each["codec"]))
            found.append(Way(each["name"], codec, sender, paths.used(sender, before, ())))
        yield found


class Forwarding(Worker):
    """One block's worker of a stage that feeds others."""

    def __init__(
        self,
        task: Task,
        codec: Coder,
        receiver: Receiver,
        stage: OpenStage,
        stopped: Callable[[], str],
        onward: Sequence[Way] = (),
    ) -> None:
        super().__init__(task, codec, receiver, stage, stopped)
        self._ways = onward
        self._answers = True
        self._tells_due = task.flow is not None

    def run(self) -> None:
        """As inherited; then what a transport refused after it was sent is noted."""
        try:
            super().run()
        finally:
            for way in self._ways:
                self._refusals(way)

    def _reply(self, held: Held, arrays: Arrays | None) -> bool:
        if held.envelope.flags & FOREIGN:
            return super()._reply(held, arrays)
        if arrays is None:
            for way in self._ways:
                way.rows.extend(_NOT_HANDED_ON)
            return False
        for way in self._ways:
            way.rows.extend(self._hand_on(way, held, arrays))
        self.handed += 1
        return True

    def _hand_on(self, way: Way, held: Held, arrays: Arrays) -> tuple[int, int, int, int, int]:
        """Encode and send; the measured path between two stages. Returns a row of WAY_COLUMNS."""
        clock, envelope = self._clock, held.envelope
        taken = clock()
        payload = sum([array.nbytes for array in arrays.values()])
        try:
            parts = way.encode(arrays, held.message.metadata)
        except Exception as error:  # noqa: BLE001  (a stage may answer anything; not all of it can travel)
            self._fail(error)
            return taken, 0, 0, payload, Status.DEAD_LETTERED
        marked = integrity.fingerprint_of_parts(parts) if self._task.checksums else 0
        head = header(envelope.seq, total_bytes(parts), envelope.flags & WARMUP, marked, 0, envelope.item)
        if self._tells_due:
            head = with_due(head, due_of(held.delivery.view))
        message = [head, *parts]
        encoded = clock()
        send = way.sender.send
        try:
            while not send(message, _SLICE_S):
                if self._stopped() == "now":
                    return taken, encoded, 0, payload, Status.PENDING
        except Rejected as error:
            self._fail(error)
            return taken, encoded, clock(), payload, Status.REJECTED
        return taken, encoded, clock(), payload, Status.PENDING

    def _refusals(self, way: Way) -> None:
        """Transports may say no late; which message it was stands at the refused message's start."""
        refused = set()
        while (seen := way.sender.reply(0)) is not None:
            if seen.rejected:
                refused.add(unpack_envelope(seen.view).seq)
        if not refused:
            return
        table = self._table()
        for row in np.flatnonzero(np.isin(table[:, 0], list(refused))).tolist():
            way.rows[row * len(WAY_COLUMNS) + WAY_COLUMNS.index("status")] = Status.REJECTED

    def _spun_s(self) -> float:
        return super()._spun_s() + sum(way.sender.spun_s() for way in self._ways)

    def result(self) -> dict[str, Any]:
        """With `onward`: by the next stage's name a row of WAY_COLUMNS for each handled message."""
        found, width = super().result(), len(WAY_COLUMNS)
        # An error between handing on and stamping leaves a row that no handled message has.
        handled = len(self._table())
        onward = {way.name: way.rows[: handled * width].tobytes() for way in self._ways}
        return {**found, "onward": onward, "onward_paths": {way.name: dict(way.path) for way in self._ways}}


class DroppingForwarding(DroppingWorker, Forwarding):
    """The same where messages have a deadline: what is too old goes no further."""

    def __init__(
        self,
        task: Task,
        codec: Coder,
        receiver: Receiver,
        stage: OpenStage,
        stopped: Callable[[], str],
        onward: Sequence[Way],
    ) -> None:
        super().__init__(task, codec, receiver, stage, stopped)
        self._ways = onward

    def _decode(self, delivery: Delivery, asked: int, received: int) -> Held | None:
        """See DroppingWorker; a message that was dropped has a row, and so it has one of each way."""
        rows = len(self._rows)
        held = super()._decode(delivery, asked, received)
        if len(self._rows) > rows:
            for way in self._ways:
                way.rows.extend(_NOT_HANDED_ON)
        return held
