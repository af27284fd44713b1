"""What one incarnation of one party did: events in a file that is mapped into its memory and outlives it.

::

    0     16 bytes   magic, "benchkit.journal"
    16    i64        events that the file has room for
    24    i64        events that are whole; written after each event
    32    i64        the party's process
    40    i64        its last heartbeat, ns of the host's monotonic clock
    48    i64        heartbeats so far
    56    i64        when it last looked for a message (a producer: for a reply) and found none
    64    i64        events that found no room
    4096  EVENT x n

An event is written, then counted: what a SIGKILL cuts off in the middle is not counted, and whoever reads sees no
half of one. Both are stores into mapped memory, so there is no system call between two stamps. The numbers of the
header are aligned words of the machine, which it stores in one piece. The kernel has the pages, so they stay when the
process goes, however it goes; a host that loses its power loses them.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchkit.errors import RecordError

MAGIC: Final = b"benchkit.journal"
HEAD_BYTES: Final = 4096
BEAT_S: Final = 0.05
"""How often a party says that it lives, also when it has nothing to do."""
_ROOM, _COUNT, _PID, _BEAT, _BEATS, _EMPTY, _REFUSED = range(2, 9)
"""Places of the header's numbers, in words of eight bytes."""


class What(IntEnum):
    """What happened; `detail` in brackets."""

    READY = 1
    """The end is open [0, or 1 where it was opened anew]."""
    TAKEN = 2
    """The producer turned to a message [when it was due]."""
    SENT = 3
    """`send` returned."""
    CONFIRMED = 4
    """Somebody beyond the producer's own end has it."""
    REJECTED = 5
    """The transport said no [1: it says that the message is lost]."""
    REPLIED = 6
    """A reply was seen."""
    RECEIVED = 7
    STARTED = 8
    FINISHED = 9
    ACKED = 10
    FAILED = 11
    """The stage raised on it."""
    TORN = 12
    """What came is not what was sent; seq -1 where not even the number is left."""
    BROKEN = 13
    """The other side is gone; the end is opened anew."""
    UNSENT = 14
    """`send` raised or was given up: nobody knows whether the message will come."""


EVENT: Final = np.dtype(
    [("at_ns", "<i8"), ("seq", "<i8"), ("detail", "<i8"), ("what", "u1"), ("pad", "u1", (7,))]
)
_PACKED: Final = struct.Struct("<qqqB7x")
assert _PACKED.size == EVENT.itemsize  # noqa: S101  (a fact about the lines above)
Events = npt.NDArray[np.void]
"""A structured array of dtype EVENT, shape (n,)."""

Write = Callable[..., None]
"""write(what, seq=-1, detail=0, at_ns=0): appended; 0 stands for now."""


class Journal:
    """The writing side, in the party. Events are written by one thread; the heartbeat has a thread of its own."""

    def __init__(self, path: Path, room: int) -> None:
        """Raises OSError where the file cannot be made, its room on the disk included."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            size = HEAD_BYTES + room * _PACKED.size
            # A mapped file that finds no room on the disk later kills its process.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle, 0, size)
            else:
                os.truncate(handle, size)
            self._map = mmap.mmap(handle, size)
        finally:
            os.close(handle)
        self._words = memoryview(self._map).cast("q")
        self._words[_ROOM], self._words[_PID] = room, os.getpid()
        self._words[_BEAT] = time.monotonic_ns()
        # Last: a file without it was never begun.
        self._map[: len(MAGIC)] = MAGIC
        self._ended = threading.Event()
        self.write: Write = self._writer(room)

    def _writer(self, room: int) -> Write:
        """The measured path, everything that it needs at hand."""
        pack, clock, mapped, words = _PACKED.pack_into, time.monotonic_ns, self._map, self._words
        size = _PACKED.size
        count = 0

        def write(what: int, seq: int = -1, detail: int = 0, at_ns: int = 0) -> None:
            nonlocal count
            if count >= room:
                words[_REFUSED] += 1
                return
            pack(mapped, HEAD_BYTES + count * size, at_ns or clock(), seq, detail, what)
            count += 1
            words[_COUNT] = count

        return write

    def nothing_there(self) -> None:
        """It looked for something to do, and there was nothing."""
        self._words[_EMPTY] = time.monotonic_ns()

    def beat(self) -> None:
        """Say so every BEAT_S until the process ends; a thread does, so that long work is no silence."""
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def _beat(self) -> None:
        words, clock = self._words, time.monotonic_ns
        while True:
            words[_BEAT] = clock()
            words[_BEATS] += 1
            if self._ended.wait(BEAT_S):
                return

    def end(self) -> None:
        """No more heartbeats."""
        self._ended.set()


class Reader:
    """The reading side, in whoever supervises, while the party writes or after it is dead."""

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError while there is none, RecordError where it is none (yet)."""
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < HEAD_BYTES:
                raise RecordError("no journal", where=path.name)
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self._map[: len(MAGIC)] != MAGIC:
            self._map.close()
            raise RecordError("no journal", where=path.name)
        words = memoryview(self._map).cast("q")
        self._words = words
        self._room = min(int(words[_ROOM]), (size - HEAD_BYTES) // _PACKED.size)
        self._events: Events = np.frombuffer(self._map, EVENT, self._room, HEAD_BYTES)
        self.pid = int(words[_PID])

    @property
    def count(self) -> int:
        """Events that are whole."""
        return min(max(0, self._words[_COUNT]), self._room)

    @property
    def beat_ns(self) -> int:
        """The last heartbeat."""
        return self._words[_BEAT]

    @property
    def beats(self) -> int:
        """Heartbeats so far."""
        return self._words[_BEATS]

    @property
    def empty_ns(self) -> int:
        """When it last looked for something to do in vain."""
        return self._words[_EMPTY]

    @property
    def refused(self) -> int:
        """Events that found no room: a journal with any tells only the beginning."""
        return self._words[_REFUSED]

    def since(self, first: int) -> Events:
        """Events from number `first` on; views of the file."""
        return self._events[first : self.count]

    @staticmethod
    def none() -> Events:
        """What a party wrote that never began a journal."""
        return np.empty(0, EVENT)

    def close(self) -> None:
        """Give the map back; events that were handed out must not be used any more."""
        self._events = np.empty(0, EVENT)
        self._words.release()
        # A view that somebody still holds keeps the map until it goes.
        with_views: Any = self._map
        try:
            with_views.close()
        except BufferError:
            return
