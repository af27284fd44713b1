"""The producer: takes messages from the feed when they are due, sends them, sees their replies.

One thread. Between two stamps stands only what the phase between them is meant to measure; replies are seen
while waiting for the next due moment and while a full transport makes `send` wait.

Of N producers, number p takes every N-th due moment of the one schedule, from number p on; in a closed loop, its
part of the places in flight. Its messages carry the numbers first_seq + p, + p + N, ...: none is given twice.
"""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from benchkit.engine.counters import Counters
from benchkit.engine.dues import Schedule
from benchkit.engine.feed import Feed, Prepared
from benchkit.engine.oracle import close_enough
from benchkit.engine.pacing import NO_STAMP, SPIN_NS, sharpen_timers
from benchkit.engine.spending import Spending
from benchkit.engine.task import Task
from benchkit.engine.underway import quiet_s
from benchkit.errors import MessageError, Rejected
from benchkit.load.base import ClosedArrival
from benchkit.load.share import share
from benchkit.tensors.codecs.base import Coder
from benchkit.tensors.wire import (
    FAILED,
    REPLY,
    WARMUP,
    Envelope,
    header,
    total_bytes,
    unpack,
    unpack_envelope,
)
from benchkit.transports.base import Reply, Sender

_LEAD_NS = 2_000_000
"""From the decision to start to the first due moment."""
_SLICE_S = 0.02
"""How long one `send` may wait for room before replies are looked at again."""
_MAX_KEPT_REPLIES = 256


class Producer:
    """One block's producing end."""

    def __init__(
        self,
        task: Task,
        feed: Feed,
        codec: Coder,
        sender: Sender,
        expected: dict[int, bytes],
        stopped: Callable[[], bool],
    ) -> None:
        self._task = task
        self._first_seq = task.first_seq + task.producer
        self._step = task.producers
        self._feed = feed
        self._codec = codec
        self._sender = sender
        self._expected = expected
        self._stopped = stopped
        self._clock = time.monotonic_ns
        self._stamp: Callable[[], int] = self._clock if task.stamps else NO_STAMP
        self.due, self.taken, self.encoded, self.sent, self.returned = (array("q") for _ in range(5))
        self.status = array("b")
        """Of each message: 0 unless the producer knows better (3 rejected, 4 the stage failed on it, 5 lost)."""
        later = (self.taken, self.encoded, self.sent, self.returned, self.status)
        self._later: tuple[array[int], ...] = later
        self.counters = Counters()
        self.freed: deque[int] | None = None
        """Closed loop: moments at which a place in flight came free."""
        self.outstanding = 0
        self.last_seen_ns = 0
        """When the last reply was seen."""
        self.warmup_messages = 0
        self.source_ended = False
        self.started_ns = 0
        self.seen_in_flight = 0
        """Messages under way, by counting them, summed over the moments at which it turned to another one."""
        self.spending = Spending(feed, sender, self._turned, one_process=task.one_process)
        self._left = 0
        """Messages that were due and never sent."""

    # What happens to one message -----------------------------------------------------------------------

    def _send(self, due: int, prepared: Prepared, give_up_ns: int, *, warmup: bool) -> bool:
        """Encode and hand over; False when it never found room. This is the measured path."""
        stamp = self._stamp
        index = len(self.due)
        self.due.append(due)
        # All columns at once: whatever raises from here on leaves them equally long.
        for column in self._later:
            column.append(0)
        self.seen_in_flight += self.outstanding
        self.taken[index] = stamp()
        parts = self._codec.encode(prepared.arrays, prepared.metadata)
        head = header(
            self._first_seq + index * self._step, total_bytes(parts), WARMUP if warmup else 0,
            prepared.fingerprint, prepared.checksum, prepared.index,
        )  # fmt: skip
        message = [head, *parts]
        self.encoded[index] = stamp()
        send = self._sender.send
        try:
            while not send(message, _SLICE_S):
                self._collect()
                if self._clock() > give_up_ns or self._stopped():
                    return False
        except Rejected as error:
            self.sent[index] = stamp()
            self.status[index] = 3
            self.counters.rejections[str(error)] += 1
            self._free(self.sent[index])
            return True
        self.sent[index] = stamp()
        if self._task.replies:
            self.outstanding += 1
        else:
            self._free(self.sent[index])
        return True

    def _collect(self) -> None:
        """See every reply that is there."""
        reply = self._sender.reply
        while self.outstanding and (seen := reply(0)) is not None:
            self._see(seen, self._clock())

    def _see(self, reply: Reply, now: int) -> None:
        self.last_seen_ns = now
        if reply.lost and not self._task.replies:
            # Whether it was handled the workers know.
            return
        try:
            envelope, body = self._open(reply)
        except MessageError:
            self.counters.malformed += 1
            return
        index = envelope.seq - self._first_seq
        if self._step > 1:
            index, others = divmod(index, self._step)
            index = -1 if others else index
        if not 0 <= index < len(self.returned):
            self.counters.unexpected += 1
            return
        if self.returned[index] or self.status[index]:
            self.counters.duplicated += 1
            return
        self.outstanding -= self._task.replies
        if reply.rejected:
            self.status[index] = 3
            self.counters.rejections["refused after it was sent"] += 1
            self._free(now)
            return
        if reply.lost:
            self.status[index] = 5
            self._free(now)
            return
        self.returned[index] = now
        self._free(now)
        if envelope.flags & FAILED:
            self.status[index] = 4
            if self._task.external_stage:
                self.counters.stage_errors[bytes(body).decode(errors="replace")] += 1
        else:
            self._check(envelope.item, body)

    def _open(self, reply: Reply) -> tuple[Envelope, memoryview]:
        if reply.rejected or reply.lost:
            return unpack_envelope(reply.view), reply.view[:0]
        envelope, body = unpack(reply.view)
        if not envelope.flags & REPLY:
            raise MessageError("it is not marked as a reply")
        return envelope, body

    def _check(self, index: int, body: memoryview) -> None:
        expected = self._expected.get(index)
        if expected is None:
            return
        counters = self.counters
        counters.checked_replies += 1
        if body != expected:
            kept = bytes(body) if len(counters.suspects) < _MAX_KEPT_REPLIES else b""
            counters.suspects[index, kept] += 1

    def _free(self, now: int) -> None:
        if self.freed is not None:
            self.freed.append(now)

    # When messages are due -----------------------------------------------------------------------------

    def run(self, load: Schedule | ClosedArrival) -> None:
        """Send the block's messages and wait until all are answered or the drain's time is up.

        An open load comes as its schedule, drawn before this: of a long one that takes longer than the lead.
        """
        sharpen_timers()
        self.spending.begin()
        self.started_ns = self._task.start_ns or self._clock() + _LEAD_NS
        give_up_ns = self._closed_loop(load) if isinstance(load, ClosedArrival) else self._open_loop(load)
        if self._task.replies:
            self._drain(give_up_ns)
        else:
            self._refusals()

    def _open_loop(self, offsets: Schedule) -> int:
        task = self._task
        dues: list[int] = (share(offsets, task.producer, task.producers) + self.started_ns).tolist()
        give_up_ns = self.started_ns + int(offsets[-1]) + int(task.drain_s * 1e9)
        # Known beforehand: a block that ends early must not count its warm-up as measured.
        self.warmup_messages = bisect_left(dues, self.started_ns + int(task.warmup_s * 1e9))
        for position, due in enumerate(dues):
            prepared = self._feed.take()
            if prepared is None:
                self.source_ended = True
                self._leave(dues[position:])
                break
            if position == self.warmup_messages:
                self.spending.mark()
            self._wait(due)
            if self._stopped() or self._clock() > give_up_ns:
                self._leave(dues[position:])
                break
            if not self._send(due, prepared, give_up_ns, warmup=position < self.warmup_messages):
                self._leave(dues[position + 1 :])
                break
        return give_up_ns

    def _leave(self, dues: list[int]) -> None:
        """Messages that were due and never sent stay in the account, pending."""
        self._left += len(dues)
        self.due.extend(dues)
        for column in self._later:
            column.extend([0] * len(dues))

    def _closed_loop(self, load: ClosedArrival) -> int:
        task = self._task
        think_ns = int(load.think_s * 1e9)
        end_ns = self.started_ns + int((task.warmup_s + task.duration_s) * 1e9)
        first_measured = self.started_ns + int(task.warmup_s * 1e9)
        give_up_ns = end_ns + int(task.drain_s * 1e9)
        places = len(range(task.producer, load.places, task.producers))
        self.freed = deque([self.started_ns - think_ns] * places)
        measuring = False
        while not self._stopped():
            prepared = self._feed.take()
            while not self.freed and self._clock() < give_up_ns and not self._stopped():
                self._await_reply(_SLICE_S)
            self.source_ended = prepared is None
            if prepared is None or not self.freed:
                break
            due = self.freed.popleft() + think_ns
            if due >= end_ns:
                break
            if not measuring and due >= first_measured:
                measuring = True
                self.spending.mark()
            self.warmup_messages += not measuring
            self._wait(due)
            if not self._send(due, prepared, give_up_ns, warmup=not measuring):
                break
        return give_up_ns

    def _await_reply(self, timeout_s: float) -> None:
        seen = self._sender.reply(timeout_s)
        if seen is not None:
            self._see(seen, self._clock())

    def _wait(self, due: int) -> None:
        """See replies until shortly before `due`, then spin; the CPU time of spinning is kept apart."""
        if due <= self._clock():
            self._collect()
        elif self._rest(due - SPIN_NS) or not self._task.one_process:
            self._spin(due)
        else:
            self._rest(due)

    def _rest(self, until: int) -> bool:
        """See replies until then; whether there was time in which nothing was under way."""
        clock = self._clock
        quiet = False
        while (left := until - clock()) > 0:
            if self.outstanding:
                self._await_reply(left * 1e-9)
            else:
                time.sleep(left * 1e-9)
                # A worker within this process had the interpreter to itself and waits for its next message, so
                # spinning takes nothing away from it. Without replies nobody knows.
                quiet = self._task.replies and left > SPIN_NS
        return quiet

    def _spin(self, due: int) -> None:
        clock = self._clock
        if clock() >= due:
            return
        cpu = time.thread_time_ns
        began, worked = cpu(), 0
        while clock() < due:
            before = cpu()
            if self.outstanding and (seen := self._sender.reply(0)) is not None:
                # Taking a reply in is work, whenever it comes; only looking in vain is pacing.
                self._see(seen, clock())
                worked += cpu() - before
        self.spending.spun_cpu_ns += cpu() - began - worked

    def _drain(self, give_up_ns: int) -> None:
        since_ns = self._clock()
        while self._more_to_come(since_ns) and self._clock() < give_up_ns and not self._stopped():
            self._await_reply(_SLICE_S)
        # Told to stop by a worker that gave up, say: its last replies are there.
        self._collect()

    def _more_to_come(self, since_ns: int) -> bool:
        """Nobody answers what the transport dropped; some of it may have reached a worker before."""
        if self._unanswered() > 0:
            return True
        return self._awaited() > 0 and (
            self._clock() - max(since_ns, self.last_seen_ns) < quiet_s(self._task.drain_s) * 1e9
        )

    def _unanswered(self) -> int:
        """Under way, less what the transport says that it dropped."""
        return self._awaited() - sum(self._sender.dropped().values())

    def _awaited(self) -> int:
        """Messages that an answer is awaited for."""
        return self.outstanding

    def _refusals(self) -> None:
        """Without replies: what the transport refused after it was sent is rejected and not lost."""
        while (seen := self._sender.reply(0)) is not None:
            self._see(seen, self._clock())

    # What is reported ----------------------------------------------------------------------------------

    @property
    def handed_over(self) -> int:
        """Messages given to the transport so far, the one in hand included; read by the control thread."""
        return len(self.due) - self._left - sum(self.counters.rejections.values())

    def _turned(self) -> int:
        """Messages that it turned to; those that were due and never sent are not among them."""
        return int(np.count_nonzero(np.frombuffer(self.taken, np.int64))) if self.taken else 0

    def result(self) -> dict[str, Any]:
        """Columns and counters as plain data."""
        counters = self.counters
        return {
            "columns": {
                name: getattr(self, name).tobytes()
                for name in ("due", "taken", "encoded", "sent", "returned", "status")
            },
            "started_ns": self.started_ns,
            "ended_ns": self._clock(),
            "source_ended": self.source_ended,
            "outstanding": max(0, self._unanswered()),
            "discarded": dict(self._sender.dropped()),
            "last_seen_ns": self.last_seen_ns,
            "warmup_messages": min(self.warmup_messages, len(self.due)),
            "starved": self._feed.starved,
            **self.spending.told(),
            "seen_in_flight": self.seen_in_flight,
            "unexpected": counters.unexpected,
            "duplicated": counters.duplicated,
            "checked_replies": counters.checked_replies,
            "wrong_replies": self._wrong_replies(),
            "malformed": counters.malformed,
            "rejections": dict(counters.rejections),
            "stage_errors": dict(counters.stage_errors),
        }

    def _wrong_replies(self) -> int:
        """Replies that are not what the stage answers locally.

        Batches may round differently, and so may a server that runs the model another way; single messages not.
        """
        rounding = self._task.batch_size > 1 or self._task.external_stage
        return sum(
            count
            for (index, body), count in self.counters.suspects.items()
            if not (rounding and close_enough(self._codec, body, self._expected[index]))
        )
