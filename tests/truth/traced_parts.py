"""The dam pipeline with a mark of `benchkit.trace` beside each stamp of the engine's.

Both then tell of the same moments of the same messages, and must tell the same; what a mark costs lies once in each
phase of either. The parts are loaded by the parties as plug-ins, which is how the marks get into their processes.
"""

from __future__ import annotations

import time
from itertools import cycle

from benchkit import trace
from benchkit.engine.producer import Producer
from benchkit.engine.worker import Worker
from benchkit.tensors.wire import unpack_envelope
from benchkit.transports.base import Receiver, Sender
from benchkit.transports.redis_list import RedisList
from benchkit.transports.unix import Unix

NAMES = {"transports": {"traced-redis-list": "TracedRedisList", "traced-unix": "TracedUnix"}}


def seq_of(view) -> int:
    return unpack_envelope(view).seq


class Beside:
    """The engine's clock; each reading is marked as what it is, in the order in which the engine reads."""

    def __init__(self, *marks):
        self.next = cycle(marks).__next__

    def __call__(self):
        mark, about = self.next()
        if mark is None:
            return time.monotonic_ns()
        message = about()
        now = time.monotonic_ns()
        mark(*message)
        return now


class Answered:
    """The message that this producer saw a reply to last."""

    seq = -1


def marked_producer(begin):
    def begun(self, *arguments):
        begin(self, *arguments)
        sent = lambda: (self._first_seq + (len(self.due) - 1) * self._step,)  # noqa: E731  (the number that _send gives)
        self._stamp = Beside((trace.produced, sent), (trace.encoded, sent), (trace.sent, sent))

    return begun


def marked_reply(see):
    def seen(self, reply, now):
        trace.returned(Answered.seq)
        see(self, reply, now)

    return seen


class Busy:
    """The message that this worker received last."""

    seq = -1


def marked_worker(begin):
    def begun(self, *arguments):
        begin(self, *arguments)
        busy, nothing = (lambda: (Busy.seq,)), tuple
        marks = (trace.received, trace.decoded, trace.started, trace.finished, trace.done)
        # After `replied` two readings are of checking integrity.
        self._clock = Beside(
            (trace.asked, nothing), *((mark, busy) for mark in marks), (None, None), (None, None)
        )

    return begun


if trace.is_on():  # in the parties; not where the tests only look at this file's names
    Producer.__init__ = marked_producer(Producer.__init__)
    Producer._see = marked_reply(Producer._see)
    Worker.__init__ = marked_worker(Worker.__init__)


class TracedSender(Sender):
    """Likewise of replies."""

    def __init__(self, inner):
        self.inner = inner

    def send(self, parts, timeout):
        return self.inner.send(parts, timeout)

    def reply(self, timeout):
        found = self.inner.reply(timeout)
        if found is not None:
            Answered.seq = seq_of(found.view)
        return found

    def spun_s(self):
        return self.inner.spun_s()

    def path(self):
        return self.inner.path()

    def close(self):
        self.inner.close()


class TracedReceiver(Receiver):
    """Knows which message was received before the engine asks for the time."""

    def __init__(self, inner):
        self.inner = inner

    def receive(self, timeout):
        found = self.inner.receive(timeout)
        if found is not None:
            Busy.seq = seq_of(found.view)
        return found

    def spun_s(self):
        return self.inner.spun_s()

    def path(self):
        return self.inner.path()

    def close(self):
        self.inner.close()


class TracedRedisList(RedisList):
    kind = "traced-redis-list"

    def sender(self, address):
        return TracedSender(super().sender(address))

    def receiver(self, address, worker):
        return TracedReceiver(super().receiver(address, worker))


class TracedUnix(Unix):
    kind = "traced-unix"

    def sender(self, address):
        return TracedSender(super().sender(address))

    def receiver(self, address, worker):
        return TracedReceiver(super().receiver(address, worker))
