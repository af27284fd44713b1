"""Parts of the dam pipeline with the marks of `benchkit.trace` in them, as engineers put them into their own code.

The engine stamps the same messages: both tell of one run, and must tell the same. A codec is not told which
message it encodes; the producer's are counted, which the sender checks.
"""

from __future__ import annotations

import sys

from benchkit import trace
from benchkit.stages.base import OpenStage
from benchkit.stages.onnx import Onnx
from benchkit.tensors.codecs.raw import Raw
from benchkit.tensors.wire import unpack_envelope
from benchkit.transports.base import Delivery, Receiver, Sender
from benchkit.transports.redis_list import RedisList
from benchkit.transports.unix import Unix

NAMES = {
    "transports": {"traced-redis-list": "TracedRedisList", "traced-unix": "TracedUnix"},
    "codecs": {"traced-raw": "TracedRaw"},
    "stages": {"traced-onnx": "TracedOnnx"},
}


class Now:
    """The messages that this process is busy with."""

    encoding = 0
    decoding = -1


def seq_of(head) -> int:
    return unpack_envelope(memoryview(head)).seq


class TracedRaw(Raw):
    kind = "traced-raw"

    def encode(self, arrays, metadata):
        if sys._getframe(1).f_code.co_name == "_send":
            trace.produced(Now.encoding, payload_bytes=sum(array.nbytes for array in arrays.values()))
        return super().encode(arrays, metadata)

    def decode(self, body):
        found = super().decode(body)
        if sys._getframe(1).f_code.co_name == "_decode":
            trace.decoded(Now.decoding)
        return found


class TracedSender(Sender):
    def __init__(self, inner):
        self.inner, self.waiting = inner, False

    def send(self, parts, timeout):
        if not self.waiting:
            assert seq_of(parts[0]) == Now.encoding
            trace.encoded(Now.encoding)
        self.waiting = not self.inner.send(parts, timeout)
        if not self.waiting:
            trace.sent(Now.encoding)
            Now.encoding += 1
        return not self.waiting

    def reply(self, timeout):
        found = self.inner.reply(timeout)
        if found is not None:
            trace.returned(seq_of(found.view))
        return found

    def spun_s(self):
        return self.inner.spun_s()

    def path(self):
        return self.inner.path()

    def close(self):
        self.inner.close()


class TracedDelivery(Delivery):
    def __init__(self, inner, seq):
        self.inner, self.view, self.seq = inner, inner.view, seq

    def reply(self, parts):
        self.inner.reply(parts)

    def ack(self):
        self.inner.ack()
        trace.done(self.seq)

    def release(self):
        self.inner.release()


class TracedReceiver(Receiver):
    def __init__(self, inner):
        self.inner, self.asked = inner, False

    def receive(self, timeout):
        if not self.asked:
            trace.asked()
        found = self.inner.receive(timeout)
        self.asked = found is None
        if found is None:
            return None
        Now.decoding = seq_of(found.view)
        trace.received(Now.decoding)
        return TracedDelivery(found, Now.decoding)

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


class TracedOpen(OpenStage):
    def __init__(self, inner):
        self.inner = inner

    def run(self, batch):
        for message in batch:
            trace.started(message.seq)
        answers = self.inner.run(batch)
        for message in batch:
            trace.finished(message.seq)
        return answers

    def facts(self):
        return self.inner.facts()

    def close(self):
        self.inner.close()


class TracedOnnx(Onnx):
    kind = "traced-onnx"

    def open(self, seed):
        return TracedOpen(super().open(seed))
