"""`multiprocessing.Queue`, the ordinary way between processes of one program: one for messages, one for answers.

Its consumer is a child of the producer's process, as the library wants it. The library serialises each message in
a thread of its own; what it serialises here are bytes that this process made itself.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from array import array
from queue import Empty
from typing import TYPE_CHECKING

import xxhash

from benchkit.errors import PartyError
from benchkit.exchange.base import ACK, PATIENCE_S, Near, Served, Spot, gone
from benchkit.runtime.guard import die_with_parent

if TYPE_CHECKING:
    from multiprocessing import Queue

_STOP, _REPORT = b"", b"\0report"


def consume(messages: Queue[bytes], answers: Queue[bytes], parent_pid: int, cores: tuple[int, ...]) -> None:
    """The consumer: the child's main function."""
    die_with_parent(parent_pid)
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    clock, get, put = time.monotonic_ns, messages.get, answers.put
    received: array[int] = array("q")
    digest = 0
    while (message := get()) != _STOP:
        now = clock()
        if message == _REPORT:
            put(received.tobytes())
            put(digest.to_bytes(8, "little"))
            received = array("q")
            continue
        if not received:
            digest = xxhash.xxh3_64_intdigest(message)
        received.append(now)
        put(ACK)


class QueueNear(Near):
    """`put`, then `get` of the answer."""

    def __init__(self, spot: Spot) -> None:
        context = multiprocessing.get_context("spawn")
        self._messages, self._answers = context.Queue(), context.Queue()
        arguments = (self._messages, self._answers, os.getpid(), spot.cores)
        self._child = context.Process(target=consume, args=arguments, daemon=True)
        # The child dies with the thread that starts it, which is this end's own.
        self._child.start()
        self.exchange(ACK)
        self.served()

    def exchange(self, payload: bytes) -> None:
        """Over and back."""
        self._messages.put(payload)
        self._get()

    def _get(self) -> bytes:
        try:
            answer: bytes = self._answers.get(timeout=PATIENCE_S)
        except Empty:
            raise gone("no answer came") from None
        return answer

    def served(self) -> Served:
        """What the consumer saw since this was last asked."""
        self._messages.put(_REPORT)
        received = array("q")
        received.frombytes(self._get())
        return Served(received, int.from_bytes(self._get(), "little"))

    def close(self) -> None:
        """The child ends by itself, or is ended."""
        self._messages.put(_STOP)
        self._child.join(PATIENCE_S)
        if self._child.is_alive():
            self._child.kill()
            raise PartyError("the consumer of the queue did not end", where="multiprocessing")
        for queue in (self._messages, self._answers):
            queue.close()
            queue.join_thread()
