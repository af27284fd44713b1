"""The file that one process writes its marks into."""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import secrets
import time
from _thread import get_ident
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Final

from benchkit.trace import usage
from benchkit.trace.host import describe, plain
from benchkit.trace.layout import (
    COUNTERS,
    COUNTERS_AT,
    DESCRIPTION_AT,
    DIGEST_BYTES,
    DIGESTED,
    ENDED,
    ENDED_AT,
    EVENT,
    HEADER_BYTES,
    ID_BYTES,
    MAGIC,
    RECORD,
    REFUSED_AT,
    SUFFIX,
    VALUES,
    Kind,
)

DEFAULT_BYTES: Final = 32 << 20
LEAST_BYTES: Final = 64 << 10
_EVENT_SHARE: Final = 32
"""One part in so many is for events."""
_MOST_EVENTS: Final = 4096
_USAGE_EVERY_NS: Final = 1_000_000_000

Write = Callable[..., None]
"""write(mark, id, value, nbytes, hop, flags)"""


class Ring:
    """An open trace file of this process; raises OSError when it cannot be made."""

    def __init__(self, folder: Path, role: str, max_bytes: int) -> None:
        self.events = min(_MOST_EVENTS, max_bytes // _EVENT_SHARE // EVENT.size)
        self._records_at = HEADER_BYTES + self.events * EVENT.size
        self.places = max(1, (max_bytes - self._records_at) // RECORD.size)
        size = self._records_at + self.places * RECORD.size
        told = describe(role)
        name = f"{plain(role) or told['process']}-{told['pid']}-{secrets.token_hex(4)}{SUFFIX}"
        private(folder)
        self.path = folder / name
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            _reserve(handle, size)
            # Whoever reads the folder can tell a process that lives from one that was killed.
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._map = mmap.mmap(handle, size)
            self._head(told)
        except BaseException:
            os.close(handle)
            self.path.unlink(missing_ok=True)
            raise
        self._handle = handle
        self._next_event = count().__next__
        self._collections = usage.Collections(self._pause)
        self._use()
        self.write = self._writer()

    def _head(self, told: dict[str, Any]) -> None:
        moments = {"started_ns": time.monotonic_ns(), "started_utc_ns": time.time_ns()}
        text = json.dumps({**told, **moments}).encode("ascii")
        COUNTERS.pack_into(self._map, COUNTERS_AT, self.places, RECORD.size, self.events, EVENT.size, 0, 0, 0)
        self._map[DESCRIPTION_AT - 4 : DESCRIPTION_AT + len(text)] = len(text).to_bytes(4, "little") + text
        # Last: a file without it was never begun.
        self._map[: len(MAGIC)] = MAGIC

    def _writer(self) -> Write:
        """The measured path, everything that it needs at hand."""
        pack, take, clock, thread = RECORD.pack_into, count().__next__, time.monotonic_ns, get_ident
        mapped, first, places, size = self._map, self._records_at, self.places, RECORD.size
        next_usage_ns = clock() + _USAGE_EVERY_NS

        def write(
            mark: int, message: object, value: int = 0, nbytes: int = 0, hop: int = 0, flags: int = 0
        ) -> None:
            nonlocal next_usage_ns
            at = clock()
            n = -1
            try:
                kind = type(message)
                if kind is str:
                    key = message.encode()  # type: ignore[attr-defined]  # asking for the type is cheaper than isinstance
                elif kind is int:
                    key = b"%d" % message  # type: ignore[str-format]  # as above
                else:
                    key = message if kind is bytes else _key(message)
                length = len(key)
                if length > ID_BYTES:
                    key, length = _digest(key), DIGESTED
                n = take()
                pack(
                    mapped, first + n % places * size,
                    n + 1, at, value, nbytes, thread(), mark, length, hop, flags, key, n + 1,
                )  # fmt: skip
                if at > next_usage_ns:
                    next_usage_ns = at + _USAGE_EVERY_NS
                    self._use()
            except Exception:  # noqa: BLE001  (whatever it is given, a trace must not break what it watches)
                self._refuse(n)

        return write

    def _refuse(self, n: int) -> None:
        """Count a mark that could not be written; a place that was begun for it is empty again."""
        with suppress(Exception):
            if n >= 0:
                at = self._records_at + n % self.places * RECORD.size
                self._map[at : at + RECORD.size] = bytes(RECORD.size)
            (refused,) = ENDED.unpack_from(self._map, REFUSED_AT)
            ENDED.pack_into(self._map, REFUSED_AT, refused + 1)

    def _event(self, at: int, kind: Kind, *values: int) -> None:
        n = self._next_event()
        filled = values + (0,) * (VALUES - len(values))
        EVENT.pack_into(
            self._map, HEADER_BYTES + n % self.events * EVENT.size, n + 1, at, kind, *filled, n + 1
        )

    def _pause(self, began_ns: int, took_ns: int, generation: int, collected: int) -> None:
        self._event(began_ns, Kind.PAUSE, took_ns, generation, collected)

    def _use(self) -> None:
        self._event(time.monotonic_ns(), Kind.USAGE, *usage.used(self._collections))

    def end(self) -> None:
        """Say that the process ended in good order; a thread that still writes does no harm."""
        self._collections.close()
        with suppress(Exception):
            self._use()
            ENDED.pack_into(self._map, ENDED_AT, time.monotonic_ns())

    def release(self) -> None:
        """The file is left to others; the map goes with the last thread that writes into it."""
        self._collections.close()
        os.close(self._handle)


def _reserve(handle: int, size: int) -> None:
    """Room on the disk for all of it: a mapped file that finds none later kills its process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
        return
    for at in range(0, size, 1 << 20):
        os.pwrite(handle, bytes(min(1 << 20, size - at)), at)


def private(folder: Path) -> None:
    """Make the folder for this user alone; raises PermissionError where others could put files into it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    told = folder.stat()
    if told.st_uid != os.geteuid() or told.st_mode & 0o022:
        raise PermissionError(0, "others can write into it")


def _digest(key: bytes) -> bytes:
    from hashlib import blake2b

    return blake2b(key, digest_size=DIGEST_BYTES).digest()


def _key(message: object) -> bytes:
    """A name that is neither int, str nor bytes themselves: subclasses, buffers, or anything by its text."""
    if isinstance(message, bytearray | memoryview):
        return bytes(message)
    if isinstance(message, bytes):
        return message
    if message is None:
        raise ValueError("a message without a name")
    return str(message).encode()
