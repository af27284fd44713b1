"""The two ends of a transport as processes of their own that a test commands, and what each has in memory.

A message is the same payload again and again, behind an envelope with its number; the payload is made before
memory is looked at, so that what grows is the transport's.
"""

from __future__ import annotations

import mmap
import multiprocessing
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any

from xxhash import xxh3_64_intdigest

from benchkit.engine.site import Site
from benchkit.engine.usage import peak_rss_bytes, reset_peak
from benchkit.errors import Rejected
from benchkit.runtime.folders import SEGMENTS, run_folder
from benchkit.tensors.wire import ENVELOPE_BYTES, REPLY, Envelope, pack, unpack_envelope
from benchkit.transports.base import Address, Delivery, Receiver, Sender, Transport

forks = multiprocessing.get_context("forkserver")

PATIENCE_S = 60.0
NUMBER = struct.Struct("<Q")
REPLY_BYTES = 4096
_STEP = 1 << 16
_SLICE_S = 0.02


def payload(nbytes: int, *, sparse: bool) -> memoryview:
    """Memory whose every 64 KiB differ; of a sparse one the rest was never written and takes no memory."""
    memory = memoryview(mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    if not sparse:
        memory[:] = bytes(nbytes)
    for place, start in enumerate(range(0, nbytes - NUMBER.size, _STEP)):
        NUMBER.pack_into(memory, start, place * 0x9E3779B97F4A7C15 % 2**64)
    return memory


class Producing:
    """The producer's end."""

    def __init__(self, transport: Transport, nbytes: int, *, sparse: bool) -> None:
        self._transport = transport
        self._payload = payload(nbytes - ENVELOPE_BYTES, sparse=sparse)
        self._sender: Sender | None = None
        self._number = 0
        self.digest = xxh3_64_intdigest(self._payload)

    def open(self, address: Address) -> None:
        self._sender = self._transport.sender(address)

    def close(self) -> None:
        assert self._sender is not None
        self._sender.close()

    def _send(self, timeout_s: float, nbytes: int | None = None) -> bool:
        assert self._sender is not None
        body = self._payload[:nbytes]
        sent = self._sender.send((pack(Envelope(self._number, body.nbytes)), body), timeout_s)
        self._number += sent
        return sent

    def _look(self) -> int:
        assert self._sender is not None
        seen = 0
        while self._sender.reply(0) is not None:
            seen += 1
        return seen

    def warm(self, nbytes: int) -> None:
        """One small message: what a library takes once is taken."""
        assert self._send(PATIENCE_S, nbytes)

    def fill(self) -> int:
        """Send until it says full; how many it took."""
        before = self._number
        while self._send(0.1):
            pass
        return self._number - before

    def send(self, count: int) -> int:
        """Send so many, seeing replies on the way; how many were seen."""
        seen = 0
        for _ in range(count):
            while not self._send(_SLICE_S):
                seen += self._look()
        return seen

    def replies(self, count: int) -> int:
        """Wait for so many."""
        assert self._sender is not None
        for seen in range(count):
            if self._sender.reply(PATIENCE_S) is None:
                return seen
        return count

    def refused(self) -> str:
        """What `send` says of a message that can never be taken; empty when it takes it."""
        try:
            self._send(PATIENCE_S)
        except Rejected as error:
            return str(error)
        return ""


class Serving:
    """A worker's end."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._receiver: Receiver | None = None
        self._held: list[Delivery] = []

    def open(self, address: Address) -> None:
        self._receiver = self._transport.receiver(address, 0)

    def close(self) -> None:
        assert self._receiver is not None
        self._receiver.close()

    def _take(self) -> Delivery | None:
        assert self._receiver is not None
        return self._receiver.receive(PATIENCE_S)

    def hold(self, count: int) -> list[int]:
        """Receive so many, read every byte and keep them; the digests of their payloads."""
        found = []
        for _ in range(count):
            if (delivery := self._take()) is None:
                break
            found.append(xxh3_64_intdigest(delivery.view[ENVELOPE_BYTES:]))
            self._held.append(delivery)
            del delivery
        return found

    def settle(self, *, reply: bool) -> None:
        """Answer and give back all that are held."""
        while self._held:
            _settle(self._held.pop(0), reply=reply)

    def serve(self, count: int) -> int:
        """Receive and answer so many, one after the other; how many came."""
        for served in range(count):
            if (delivery := self._take()) is None:
                return served
            _settle(delivery, reply=True)
            del delivery
        return count


def _settle(delivery: Delivery, *, reply: bool) -> None:
    if reply:
        number = unpack_envelope(delivery.view).seq
        delivery.reply((pack(Envelope(number, 0, REPLY)),))
    delivery.ack()
    delivery.release()


def run(transport: Transport, nbytes: int, pipe: Connection, *, sparse: bool) -> None:
    """A process: a producer of messages of `nbytes`, or a worker where that is 0; obeys until the pipe ends."""
    end = Producing(transport, nbytes, sparse=sparse) if nbytes else Serving(transport)
    pipe.send(end.digest if isinstance(end, Producing) else 0)
    while (order := pipe.recv()) is not None:
        what, args, kwargs = order
        pipe.send(getattr(end, what)(*args, **kwargs))


class Process:
    """One end in a process of its own."""

    def __init__(self, transport: Transport, nbytes: int, stack: ExitStack, *, sparse: bool = False) -> None:
        self._pipe, theirs = forks.Pipe()
        self.process = forks.Process(
            target=run, args=(transport, nbytes, theirs), kwargs={"sparse": sparse}, daemon=True
        )
        self.process.start()
        theirs.close()
        stack.callback(self._end)
        self.digest: int = self._answer()

    def _answer(self) -> Any:
        assert self._pipe.poll(PATIENCE_S), "no answer"
        return self._pipe.recv()  # EOFError: it died, and printed why

    def begin(self, what: str, *args: object, **kwargs: object) -> None:
        self._pipe.send((what, args, kwargs))

    def finish(self) -> Any:
        return self._answer()

    def do(self, what: str, *args: object, **kwargs: object) -> Any:
        self.begin(what, *args, **kwargs)
        return self.finish()

    def _end(self) -> None:
        self.process.kill()
        self.process.join()
        self.process.close()
        self._pipe.close()


class Memory:
    """How far the resident memory of a process rises above what it is now (shared memory that it maps included)."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        reset_peak(pid)
        self._before = peak_rss_bytes(pid)

    @property
    def grown_bytes(self) -> int:
        return peak_rss_bytes(self._pid) - self._before


def shared_bytes(name: str) -> int:
    """What files of a cell's name take in shared memory."""
    return sum(path.stat().st_blocks * 512 for path in SEGMENTS.glob(f"{name}*") if path.is_file())


class Pair:
    """A producer and a worker of one transport, opened anew for each `open`."""

    def __init__(self, transport: Transport, nbytes: int, stack: ExitStack, *, sparse: bool = False) -> None:
        name, folder = stack.enter_context(run_folder())
        self._transport, self._nbytes = transport, nbytes
        self._site = Site(name, folder, stack.enter_context(ExitStack()))
        self.producer = Process(transport, nbytes, stack, sparse=sparse)
        self.worker = Process(transport, 0, stack)
        self.name = ""

    @contextmanager
    def open(self, nbytes: int) -> Iterator[Address]:
        """Both ends of a fresh transport for messages of `nbytes`."""
        setup = self._site.setup(nbytes, REPLY_BYTES, 1)
        self.name = setup.name
        with self._transport.prepare(setup) as address:
            self.worker.do("open", address)
            self.producer.do("open", address)
            yield address
            self.producer.do("close")
            self.worker.do("close")

    def warm(self) -> Address:
        """A small message there, and its reply back."""
        with self.open(1 << 16) as address:
            self.producer.do("warm", 1000)
            assert self.worker.do("serve", 1) == 1
            assert self.producer.do("replies", 1) == 1
        return address


@contextmanager
def pair(transport: Transport, nbytes: int, *, sparse: bool = False) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(transport, nbytes, stack, sparse=sparse)
