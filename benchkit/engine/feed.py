"""Messages made ahead of their time, so that making them is never inside a latency.

A `Pool` holds the source's first `distinct` messages and repeats them. A `Stream` (`distinct: 0`) makes every
message anew in a thread of its own and keeps a few ready; when none is ready in time, that is counted.

Several producers share the source's messages as they share the schedule: producer p takes number p, p + N, ...
A `Stream` has to make those in between as well, because a source makes its messages one after the other.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from benchkit.errors import UsageError
from benchkit.sources.base import Item, Source
from benchkit.tensors import integrity
from benchkit.tensors.codecs.base import Codec
from benchkit.tensors.message import Arrays

_AHEAD = 16
_HEAD_START_S = 1.0
"""How long a block waits for its source to get ahead before it begins."""
_MAX_POOL_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message that only needs to be encoded and sent."""

    arrays: Arrays
    metadata: bytes
    fingerprint: int
    checksum: int
    index: int
    wire_bytes: int
    """Length of the encoded body."""


class Feed(Protocol):
    """What the producer takes its messages from."""

    starved: int
    cpu_ns: int
    """CPU time that a thread of its own has spent on making messages."""

    def take(self) -> Prepared | None:
        """The next message; waits when none is ready and counts that; None when the source has ended."""

    def close(self) -> None:
        """End whatever runs."""


def prepare(item: Item, codec: Codec, index: int) -> Prepared:
    """Encode once, to know the body's checksums and length."""
    body = b"".join(codec.encode(item.arrays, item.metadata))
    return Prepared(
        item.arrays, item.metadata, integrity.fingerprint(body), integrity.checksum(body), index, len(body)
    )  # fmt: skip


def first_items(source: Source, seed: int, count: int) -> list[Item]:
    """The first `count` items (fewer when the source ends), bounded in memory; raises UsageError when none."""
    items: list[Item] = []
    nbytes = 0
    for item in itertools.islice(source.items(seed), count):
        items.append(item)
        nbytes += sum(array.nbytes for array in item.arrays.values())
        if nbytes > _MAX_POOL_BYTES:
            raise UsageError(
                f"{len(items)} messages already hold {nbytes >> 20} MiB",
                where=source.label(),
                remedy="lower source.distinct, or make messages anew with distinct: 0",
            )
    if not items:
        raise UsageError("the source made no message", where=source.label())
    return items


class Pool:
    """Prepared messages, repeated in order; of N producers each begins with its own and takes every N-th."""

    def __init__(self, prepared: list[Prepared], producer: int = 0, producers: int = 1) -> None:
        self.starved = self.cpu_ns = 0
        count = len(prepared)
        own = [prepared[(producer + turn * producers) % count] for turn in range(count)]
        self._next = itertools.cycle(own).__next__

    def take(self) -> Prepared:
        """The next one; never waits."""
        return self._next()

    def close(self) -> None:
        """Nothing runs."""


class Stream:
    """Messages made anew in a thread that stays at most sixteen ahead."""

    def __init__(
        self, source: Source, codec: Codec, seed: int, producer: int = 0, producers: int = 1
    ) -> None:
        self.starved = self.cpu_ns = 0
        self._ready: queue.Queue[Prepared | BaseException | None] = queue.Queue(_AHEAD)
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=self._make,
            args=(itertools.islice(enumerate(source.items(seed)), producer, None, producers), codec),
            name="feed",
            daemon=True,
        )
        self._thread.start()
        patience = time.monotonic() + _HEAD_START_S
        while self._thread.is_alive() and not self._ready.full() and time.monotonic() < patience:
            self._thread.join(0.001)

    def _make(self, items: Iterator[tuple[int, Item]], codec: Codec) -> None:
        end: BaseException | None = None
        try:
            for index, item in items:
                if not self._put(prepare(item, codec, index & 0xFFFFFFFF)):
                    return
        except Exception as error:  # noqa: BLE001  (raised again where the message is taken)
            end = error
        self._put(end)

    def _put(self, made: Prepared | BaseException | None) -> bool:
        self.cpu_ns = time.thread_time_ns()
        while not self._closed.is_set():
            try:
                self._ready.put(made, timeout=0.05)
            except queue.Full:
                continue
            return True
        return False

    def take(self) -> Prepared | None:
        """The next one; a wait is counted as starvation."""
        try:
            made = self._ready.get_nowait()
        except queue.Empty:
            self.starved += 1
            made = self._ready.get()
        if isinstance(made, BaseException):
            raise made
        if made is None:
            self._ready.put(None)
        return made

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join(5)
