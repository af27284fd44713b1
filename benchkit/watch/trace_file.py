"""One trace file while its process writes it: what is new since the last look.

The file is read, never mapped: one that is cut short or removed meanwhile must not end the watch. A mark that is not
whole yet (another thread took its place and has not filled it) is waited for one look long.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from benchkit.trace.layout import COUNTERS, COUNTERS_AT, HEADER_BYTES, MAGIC, RECORD
from benchkit.trace.reader import MARKS, Loss, Traced, read_file, sound

_CHUNK: Final = 8192
"""Marks that are read at a time: half a megabyte or so."""


class TraceFile:
    """A file that has begun."""

    def __init__(self, path: Path, traced: Traced) -> None:
        self.path = path
        self.role = traced.role or traced.process
        self.party = ""
        """What the watch calls it."""
        self.pid = traced.pid
        self.host, self.boot = traced.host, traced.boot
        self.started_ns, self.started_utc_ns = traced.started_ns, traced.started_utc_ns
        self.ended_ns = traced.ended_ns
        self.running = traced.running
        self.last_ns = int(traced.marks["at"].max()) if len(traced.marks) else traced.started_ns
        self.horizon_ns = int(traced.marks["at"].min()) if traced.overwritten and len(traced.marks) else 0
        """What was marked before it may have been overwritten unread."""
        self._next = traced.made
        self._missing: tuple[int, ...] = ()
        """Marks that were not whole at the last look."""
        self._handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            self._places, _, events, event, *_ = COUNTERS.unpack(
                os.pread(self._handle, COUNTERS.size, COUNTERS_AT)
            )
        except BaseException:
            os.close(self._handle)
            raise
        self._first = HEADER_BYTES + events * event

    def new(self) -> npt.NDArray[np.void]:
        """Marks made since the last look, dtype MARKS, in the order in which they were made."""
        found = [self._waited()]
        while True:
            chunk, went = self._chunk()
            found.append(chunk)
            if went < _CHUNK:
                break
        marks = np.concatenate(found)
        good: npt.NDArray[np.void] = marks[sound(marks)]
        if len(good):
            self.last_ns = max(self.last_ns, int(good["at"].max()))
        self._look_at_end()
        return good

    def _read(self, n: int, count: int) -> npt.NDArray[np.void]:
        """`count` records from number n on, none beyond the end of the ring."""
        place = n % self._places
        count = min(count, self._places - place)
        content = os.pread(self._handle, count * RECORD.size, self._first + place * RECORD.size)
        return np.frombuffer(content[: len(content) // RECORD.size * RECORD.size], MARKS)

    def _waited(self) -> npt.NDArray[np.void]:
        missing, self._missing = self._missing, ()
        found = [self._read(n, 1) for n in missing]
        whole = [each[_whole(each) & (each["n"] == n + 1)] for n, each in zip(missing, found, strict=True)]
        return np.concatenate([np.zeros(0, MARKS), *whole])

    def _chunk(self) -> tuple[npt.NDArray[np.void], int]:
        """The next marks, and how many places that took."""
        read = self._read(self._next, _CHUNK)
        wanted = np.arange(self._next + 1, self._next + 1 + len(read), dtype=np.uint64)
        whole = _whole(read)
        if len(read) and bool((whole & (read["n"] > wanted)).any()):
            return self._overtaken(int(read["n"][whole].max()))
        mine = whole & (read["n"] == wanted)
        if not mine.any():
            # At the end of the ring the next ones may be at its beginning.
            return read[:0], 0
        last = int(np.flatnonzero(mine)[-1]) + 1
        self._missing += tuple(int(n) - 1 for n in wanted[:last][~mine[:last]])
        self._next += last
        at_end = self._next % self._places == 0
        return read[:last][mine[:last]], _CHUNK if at_end or last == _CHUNK else last

    def _overtaken(self, newest: int) -> tuple[npt.NDArray[np.void], int]:
        """The writer was a whole lap ahead: what it overwrote is gone, what it may overwrite next is left out."""
        self._next = max(self._next, newest - self._places + self._places // 8)
        self._missing = ()
        read = self._read(self._next, 1)
        if len(read) and bool(_whole(read)[0]):
            self.horizon_ns = max(self.horizon_ns, int(read["at"][0]))
        return read[:0], _CHUNK

    def _look_at_end(self) -> None:
        told = COUNTERS.unpack(os.pread(self._handle, COUNTERS.size, COUNTERS_AT))
        self.ended_ns = int(told[4])
        # Released at once; the writer took its own lock before the file had begun, so this is never in its way.
        try:
            fcntl.flock(self._handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            self.running = True
            return
        self.running = False
        with suppress(OSError):
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._handle)


def _whole(read: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (read["n"] == read["n_again"]) & (read["n"] != 0)
    return found


def begun(path: Path) -> tuple[TraceFile, npt.NDArray[np.void]] | str | None:
    """A file and the marks that it has already; why it cannot be read; None: it has not begun yet.

    Nobody but its writer may hold its lock before it has begun, so that it is not even read until then.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            started = os.pread(handle, len(MAGIC), 0)
        finally:
            os.close(handle)
        if not any(started):
            return None
        found = read_file(path)
        return found.what if isinstance(found, Loss) else (TraceFile(path, found), found.marks)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
