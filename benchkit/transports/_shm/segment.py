"""The file itself: made with every page present, mapped with every page mapped, removed by who made it.

Plain files under /dev/shm and no multiprocessing.shared_memory: its resource tracker unlinks segments that
others still use. posix_fallocate fails where there is no room; a hole would end the process (SIGBUS) at the
first touch.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from benchkit.errors import BrokerError, StorageError
from benchkit.runtime.folders import SEGMENTS, held
from benchkit.transports._shm.layout import (
    LOCK_BYTE,
    MAGIC,
    MAGIC_WORD,
    SIZES_WORD,
    Layout,
)
from benchkit.transports._shm.lock import RobustMutex, robust_mutexes
from benchkit.transports._shm.presence import presence_path
from benchkit.transports._shm.wake import fifo_path
from benchkit.units import show_bytes

_MAPS: Final = Path("/proc/self/maps")
_ZEROS: Final = bytes(1 << 20)
_POPULATE: Final[int] = getattr(mmap, "MAP_POPULATE", 0)
_NO_ROOM: Final = (errno.ENOSPC, errno.ENOMEM, errno.EDQUOT, errno.EFBIG)


class Segment:
    """One end's mapping: `words` (Q), `sleeps` (I), `data` and `readonly` (B), `base` (address)."""

    __slots__ = ("_anchor", "_map", "base", "data", "layout", "readonly", "sleeps", "words")

    def __init__(self, path: Path, layout: Layout) -> None:
        """Raises BrokerError when the file is gone, another user's or of another layout."""
        self.layout = layout
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise BrokerError(
                f"cannot open the shared-memory segment: {error.strerror}", where=str(path)
            ) from error
        try:
            info = os.fstat(fd)
            if (
                not stat.S_ISREG(info.st_mode)
                or info.st_uid != os.getuid()
                or info.st_size != layout.total_bytes
            ):
                raise BrokerError("this is not the segment of this cell", where=str(path))
            # Mapped at once: the first touch of a page would cost a fault inside somebody's measurement.
            self._map = mmap.mmap(fd, layout.total_bytes, flags=mmap.MAP_SHARED | _POPULATE)
        finally:
            os.close(fd)
        self.data = memoryview(self._map)
        self.words = self.data[: layout.slots_byte].cast("Q")
        self.sleeps = self.data[: layout.slots_byte].cast("I")
        self.readonly = self.data.toreadonly()
        self._anchor = ctypes.c_char.from_buffer(self._map)
        self.base = ctypes.addressof(self._anchor)

    def check(self) -> None:
        """Raises BrokerError when the file does not say that it is of this layout."""
        words = self.words
        if words[MAGIC_WORD] != MAGIC or tuple(words[SIZES_WORD : SIZES_WORD + 4]) != self.layout.sizes:
            raise BrokerError("the segment is of another cell or version")

    def sign(self) -> None:
        """Write what `check` reads."""
        self.words[MAGIC_WORD] = MAGIC
        for number, size in enumerate(self.layout.sizes, SIZES_WORD):
            self.words[number] = size

    def mapped(self) -> dict[str, str]:
        """`segment`, the file behind this mapping, and `bytes`, its size."""
        found = {"bytes": str(len(self._map))}
        with suppress(OSError):
            for line in _MAPS.read_text().splitlines():
                fields = line.split(maxsplit=5)
                start, _, end = fields[0].partition("-")
                if int(start, 16) <= self.base < int(end, 16):
                    found["segment"] = fields[5] if len(fields) > 5 else "anonymous memory"
        return found

    def close(self) -> None:
        """Unmap, or leave it to the last view that somebody still holds."""
        del self._anchor
        for view in (self.words, self.sleeps, self.readonly, self.data):
            with suppress(BufferError):
                view.release()
        with suppress(BufferError):
            self._map.close()


@contextmanager
def created(
    name: str, folder: Path, layout: Layout, *, fifos: bool, place: Path | None = None
) -> Iterator[Path]:
    """The segment's path, with a lock file (and a FIFO) per party beside it; all removed on exit.

    It is in `place`, else where the machine keeps shared memory. Raises StorageError with needed and free bytes when
    there is no room.
    """
    place = place or (SEGMENTS if SEGMENTS.is_dir() else folder)
    path, stem = place / name, folder / name
    _check_room(place, layout)
    with ExitStack() as undo:
        try:
            fd = held(path, undo)
            _allocate(fd, layout.total_bytes)
            for party in range(1 + layout.workers):
                _touch(undo, presence_path(stem, party))
                if fifos:
                    os.mkfifo(fifo_path(stem, party), 0o600)
                    undo.callback(fifo_path(stem, party).unlink, missing_ok=True)
            if not robust_mutexes():
                _touch(undo, lock_path(stem))
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise _no_room(place, layout) from error
            raise StorageError(f"cannot make a shared-memory segment: {error}", where=str(path)) from error
        segment = Segment(path, layout)
        try:
            if robust_mutexes():
                RobustMutex.make(segment.base + LOCK_BYTE)
            segment.sign()
        finally:
            segment.close()
        yield path


def lock_path(stem: Path) -> Path:
    """The file of the lock, where there are no robust mutexes."""
    return stem.with_name(f"{stem.name}.lock")


def _touch(undo: ExitStack, path: Path) -> None:
    path.touch(mode=0o600, exist_ok=False)
    undo.callback(path.unlink, missing_ok=True)


def _allocate(fd: int, size_bytes: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size_bytes)
        return
    for start in range(0, size_bytes, len(_ZEROS)):
        os.pwrite(fd, _ZEROS[: size_bytes - start], start)


def _free_bytes(place: Path) -> int:
    """Room in the file system, which in memory may be more than the memory there is."""
    facts = os.statvfs(place)
    room: int = facts.f_bavail * facts.f_frsize
    return min(room, psutil.virtual_memory().available) if place == SEGMENTS else room


def _check_room(place: Path, layout: Layout) -> None:
    if layout.total_bytes > _free_bytes(place):
        raise _no_room(place, layout)


def _no_room(place: Path, layout: Layout) -> StorageError:
    return StorageError(
        f"{layout.depth} slots of {show_bytes(layout.slot_bytes)} need {layout.total_bytes} bytes "
        f"({show_bytes(layout.total_bytes)}), {_free_bytes(place)} bytes are free",
        where=str(place),
        remedy="lower the transport's `depth` or the payload, or give more shared memory "
        "(a container: `docker run --shm-size=2g`)",
    )
