"""The producer where traffic control is asked for: what is due waits in a queue of its own until it may be sent.

A message is encoded when its turn comes. It counts as `lateness` while it waits, and as `send` from its first attempt
to the one that the transport took. Who turns to what and when is `benchkit.engine.flow_loop`.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchkit.engine.dues import Dues, Scheduled
from benchkit.engine.feed import Feed, Prepared
from benchkit.engine.flow_loop import FOREVER_NS, SLICE_NS, FlowLoop
from benchkit.engine.task import Task
from benchkit.engine.underway import quiet_s
from benchkit.errors import MessageError, Rejected
from benchkit.flow.adapting import Limit, limit
from benchkit.flow.bucket import TokenBucket
from benchkit.flow.options import MOST_CREDITS, FlowOptions
from benchkit.flow.retrying import Retries
from benchkit.flow.waiting import Waiting
from benchkit.records.samples import Status
from benchkit.tensors.codecs.base import Coder
from benchkit.tensors.wire import DROPPED, FAILED, WARMUP, Buffer, Envelope, header, total_bytes, with_due
from benchkit.transports.base import Reply, Sender


@dataclass(slots=True, eq=False)
class _Message:
    number: int
    due_ns: int
    prepared: Prepared
    warmup: bool
    attempts: int = 0
    owed: int = 0
    """Attempts that may still be answered."""
    hung_up: int = 0
    """Of these, those whose reply comes to nobody."""
    sent_ns: int = 0
    """When the last attempt was sent."""
    in_flight: bool = False


class FlowingProducer(FlowLoop):
    """One block's producing end, with traffic control; see Producer."""

    def __init__(
        self,
        task: Task,
        feed: Feed,
        codec: Coder,
        sender: Sender,
        expected: dict[int, bytes],
        stopped: Callable[[], bool],
    ) -> None:
        super().__init__(task, feed, codec, sender, expected, stopped)
        self._flow = flow = FlowOptions(**(task.flow or {}))
        self._again = array("q")
        """Of each message: attempts beyond the first."""
        self._later = (*self._later, self._again)
        self._waiting: Waiting[_Message] = Waiting(flow.policy, flow.places)
        self._dues: Dues = Scheduled(())
        self._ahead: Prepared | None = None
        """The next message, taken before it is due."""
        self._under_way: dict[int, _Message] = {}
        """Sent at least once and not settled, by number."""
        self._strays: dict[int, int] = {}
        """Replies that may still come to messages that are settled, by number."""
        self._timers: deque[tuple[int, _Message, int]] = deque()
        """When an attempt times out: (moment, message, attempt)."""
        self._hand: _Message | None = None
        """The message that `_parts` encode."""
        self._parts: list[Buffer] = []
        self._paid = False
        """A token was taken for the next message."""
        bucket = TokenBucket(flow.rate, flow.burst or 1) if flow.rate else None
        self._shaped = bucket if flow.excess == "wait" else None
        self._policed = bucket if flow.excess == "drop" else None
        self._retries = Retries(flow.retry, task.schedule_seed + task.producer) if flow.retry else None
        self._limit: Limit | None = limit(flow.adapt, flow.credits or MOST_CREDITS) if flow.adapt else None
        self._credits = flow.credits or FOREVER_NS
        self._timeout_ns = int((flow.timeout or 0) * 1e9)
        self._deadline_ns = int((flow.drops_after_s or 0) * 1e9)
        self._drops: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        """retries, timed_out, refused, late."""
        self._owed = 0
        """Attempts that may still be answered, all together."""
        self._measured_from_ns = FOREVER_NS

    # What happens to one message -----------------------------------------------------------------------

    def _arrive(self, due: int, prepared: Prepared, now: int) -> None:
        index = len(self.due)
        warmup = self._measured_from_ns != FOREVER_NS
        if self.freed is not None:
            self.warmup_messages += warmup
        self.due.append(due)
        for column in self._later:
            column.append(0)
        message = _Message(index, due, prepared, warmup)
        if self._policed is not None and not self._policed.take(now):
            self._drop(message, "rate", now)
            return
        dropped = self._waiting.put(message)
        if dropped is not None:
            self._drop(dropped, self._flow.policy, now)

    def _has_credit(self) -> bool:
        most = self._credits if self._limit is None else self._limit.value
        return self.outstanding < most

    def _allowed(self, now: int) -> _Message | None:
        """The message that may be sent now."""
        message = self._waiting.first
        if message is None or message is self._hand:
            return message
        if not self._has_credit():
            return None
        if self._shaped is not None and not self._paid:
            if not self._shaped.take(now):
                return None
            self._paid = True
        return message

    def _attempt(self, message: _Message) -> None:
        """Encode and hand over, unless something else happens before there is room. This is the measured path."""
        stamp, index, send = self._stamp, message.number, self._sender.send
        if message is not self._hand:
            self._encode(message)
        try:
            # How long it may wait is of no interest where there is room.
            if not send(self._parts, 0) and not send(self._parts, self._patience_s()):
                return
        except Rejected as error:
            self.sent[index] = stamp()
            self.counters.rejections[str(error)] += 1
            self._waiting.take()
            self._hand, self._paid = None, False
            self._settle(message, Status.REJECTED, self._clock())
            return
        self.sent[index] = stamp()
        self._waiting.take()
        self._hand, self._paid = None, False
        if self._task.replies:
            self._is_sent(message)
        else:
            self._free(self.sent[index])

    def _patience_s(self) -> float:
        now = self._clock()
        return max(0, self._next_ns(now) - now) * 1e-9

    def _encode(self, message: _Message) -> None:
        stamp, index, prepared = self._stamp, message.number, message.prepared
        first = not self.taken[index]
        if first:
            self.seen_in_flight += self.outstanding
            self.taken[index] = stamp()
        self._hand = None
        parts = self._codec.encode(prepared.arrays, prepared.metadata)
        head = header(
            self._first_seq + index * self._step, total_bytes(parts), WARMUP if message.warmup else 0,
            prepared.fingerprint, prepared.checksum, prepared.index,
        )  # fmt: skip
        if self._deadline_ns:
            head = with_due(head, message.due_ns)
        self._parts = [head, *parts]
        self._hand = message
        if first:
            self.encoded[index] = stamp()

    def _is_sent(self, message: _Message) -> None:
        index = message.number
        message.sent_ns = self.sent[index] if self._task.stamps else self._clock()
        if message.attempts:
            self._again[index] += 1
            self._seen["retries"] += 1
        elif self._retries is not None:
            self._retries.first()
        message.attempts += 1
        message.owed += 1
        message.in_flight = True
        self._owed += 1
        self.outstanding += 1
        self._under_way[index] = message
        if self._timeout_ns:
            self._timers.append((message.sent_ns + self._timeout_ns, message, message.attempts))

    def _expire(self, now: int) -> None:
        """Attempts that were not answered in time."""
        timers = self._timers
        while timers and timers[0][0] <= now:
            _, message, attempt = timers.popleft()
            if message.in_flight and message.attempts == attempt:
                self._seen["timed_out"] += 1
                message.hung_up += self._flow.hangs_up
                self._miss(message, now)
                self._again_or_never(message, now, 0, "timeout")

    def _miss(self, message: _Message, now: int) -> None:
        """An attempt came to nothing: its credit is free."""
        message.in_flight = False
        self.outstanding -= 1
        if self._limit is not None:
            self._limit.missed(message.sent_ns, now)

    def _again_or_never(self, message: _Message, now: int, asked_ns: int, why: str) -> None:
        wait_ns = None if self._retries is None else self._retries.wait_ns(message.attempts, asked_ns)
        if wait_ns is None:
            self._drop(message, why if self._retries is None else "retries", now)
            return
        # As long as it is not sent again it is not on its way: a block that ends meanwhile has not lost it.
        self.sent[message.number] = 0
        dropped = self._waiting.put_back(message, now + wait_ns)
        if dropped is not None:
            self._drop(dropped, self._flow.policy, now)

    def _drop(self, message: _Message, why: str, now: int) -> None:
        self._drops[why] += 1
        if message is self._hand:
            self._hand = None
        self._settle(message, Status.DROPPED, now)

    def _settle(self, message: _Message, status: int, now: int) -> None:
        """Nothing more happens to it; of one that is pending the stage's row tells what became of it."""
        self.status[message.number] = status
        self._under_way.pop(message.number, None)
        if message.owed:
            self._strays[message.number] = message.owed
        self._free(now)

    # Replies -------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        reply = self._sender.reply
        while self._owed and (seen := reply(0)) is not None:
            self._see(seen, self._clock())

    def _see(self, reply: Reply, now: int) -> None:
        if not self._task.replies:
            super()._see(reply, now)
            return
        self.last_seen_ns = now
        try:
            envelope, body = self._open(reply)
        except MessageError:
            self.counters.malformed += 1
            return
        index, others = divmod(envelope.seq - self._first_seq, self._step)
        if others or not 0 <= index < len(self.returned):
            self.counters.unexpected += 1
            return
        message = self._under_way.get(index)
        if message is None:
            self._stray(index, lost=reply.lost)
            return
        message.owed -= 1
        self._owed -= 1
        if reply.rejected:
            self._refused(message, reply, now)
        elif reply.lost:
            self._lost(message, now)
        elif message.hung_up:
            # A reply does not say of which attempt it is; those that were taken are answered in their order.
            message.hung_up -= 1
            self._seen["late"] += 1
        else:
            self.returned[index] = now
            self._told(message, envelope, body, now)

    def _told(self, message: _Message, envelope: Envelope, body: memoryview, now: int) -> None:
        """The stage's answer to a message that waits for one."""
        self._answered(message, now, missed=bool(envelope.flags & DROPPED))
        if envelope.flags & DROPPED:
            self._drop(message, "deadline", now)
            return
        failed = envelope.flags & FAILED
        self._settle(message, Status.DEAD_LETTERED if failed else Status.PENDING, now)
        if not failed:
            self._check(envelope.item, body)
        elif self._task.external_stage:
            self.counters.stage_errors[bytes(body).decode(errors="replace")] += 1

    def _lost(self, message: _Message, now: int) -> None:
        """The transport knows that an attempt will not be answered; another one may be."""
        if not message.in_flight or message.owed:
            return
        self._miss(message, now)
        if self._retries is None:
            self._settle(message, Status.LOST, now)
        else:
            self._again_or_never(message, now, 0, "retries")

    def _stray(self, index: int, *, lost: bool) -> None:
        """A reply to what is settled: expected of attempts that were given up, else it came twice."""
        left = self._strays.get(index, 0)
        if not left:
            self.counters.duplicated += not lost
            return
        self._owed -= 1
        self._seen["late"] += not lost
        if left == 1:
            del self._strays[index]
        else:
            self._strays[index] = left - 1

    def _answered(self, message: _Message, now: int, *, missed: bool) -> None:
        if not message.in_flight:
            # An earlier attempt was only slow: the next one is not needed.
            self._waiting.remove(message)
            self.sent[message.number] = message.sent_ns if self._task.stamps else 1
            if message is self._hand:
                self._hand = None
            return
        if missed:
            self._miss(message, now)
            return
        message.in_flight = False
        if self._limit is not None and message.attempts == 1:
            # Of one that was sent twice nobody knows which attempt was answered (P. Karn, C. Partridge, 1987).
            self._limit.replied(message.sent_ns, now, self.outstanding)
        self.outstanding -= 1

    def _refused(self, message: _Message, reply: Reply, now: int) -> None:
        self._seen["refused"] += 1
        if not message.in_flight:
            return
        self._miss(message, now)
        if self._retries is None:
            self.counters.rejections["refused after it was sent"] += 1
            self._settle(message, Status.REJECTED, now)
        else:
            self._again_or_never(message, now, int(reply.retry_after_s * 1e9), "retries")

    def _drain(self, give_up_ns: int) -> None:
        """See late replies, so that no worker waits for room to answer; not for ever, where they are lost."""
        quiet_ns = int(quiet_s(self._task.drain_s) * 1e9)
        since = self._clock()
        while self._strays and (now := self._clock()) < give_up_ns and not self._stopped():
            if now - max(since, self.last_seen_ns) > quiet_ns:
                return
            self._await_reply(SLICE_NS * 1e-9)

    # What is reported ----------------------------------------------------------------------------------

    @property
    def handed_over(self) -> int:
        """See Producer; what waits here or was dropped here was not."""
        return super().handed_over - len(self._waiting) - sum(self._drops.values())

    def result(self) -> dict[str, Any]:
        """See Producer.result; with `traffic`, and the column `again`."""
        found = super().result()
        found["columns"]["again"] = self._again.tobytes()
        # One that waits to be tried again is unsettled as well.
        found["outstanding"] = max(0, self._unanswered())
        limit_ = self._limit
        told = {"least": limit_.least, "mean": limit_.mean, "last": float(limit_.value)} if limit_ else {}
        seen = {name: self._seen[name] for name in ("retries", "timed_out", "refused", "late")}
        found["traffic"] = {
            "drops": dict(self._drops), **seen, "waited_most": self._waiting.most, "limit": told,
        }  # fmt: skip
        return found
