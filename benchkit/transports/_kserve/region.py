"""Shared memory that a server of somebody else's reads a request's tensors from, by reference."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.errors import StorageError
from benchkit.runtime.folders import SEGMENTS, hold
from benchkit.units import show_bytes

if TYPE_CHECKING:
    from benchkit.tensors.wire import Buffer

_ALIGN = 4096


def place_bytes(message_bytes: int) -> int:
    """One place: a message in whole pages."""
    return max(_ALIGN, message_bytes + -message_bytes % _ALIGN)


@contextmanager
def created(name: str, nbytes: int) -> Iterator[Path]:
    """`/dev/shm/<name>`, present page by page, removed on exit; raises StorageError where there is no room."""
    path = SEGMENTS / name
    if not SEGMENTS.is_dir():
        raise StorageError("this system keeps no shared memory under /dev/shm", remedy="shared_memory: false")
    with ExitStack() as undo:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            undo.callback(os.close, fd)
            undo.callback(path.unlink, missing_ok=True)
            hold(fd)
            os.posix_fallocate(fd, 0, nbytes)
        except OSError as error:
            raise StorageError(
                f"cannot make {show_bytes(nbytes)} of shared memory: {error.strerror}",
                where=str(path),
                remedy="lower the transport's depth or the payload, or give more shared memory",
            ) from error
        yield path


class Region:
    """The producer's mapping of it: `depth` places, each for the tensors of one request."""

    def __init__(self, name: str, nbytes: int, depth: int) -> None:
        fd = os.open(SEGMENTS / name, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            self._map = mmap.mmap(fd, nbytes)
        finally:
            os.close(fd)
        self._name = name
        self._memory = np.frombuffer(self._map, np.uint8)
        self._place_bytes = nbytes // depth

    def put(self, slot: int, tensors: Sequence[Buffer]) -> list[dict[str, Any]]:
        """Copy tensors into a place; how the protocol refers to each."""
        offset = slot * self._place_bytes
        references = []
        for tensor in tensors:
            nbytes = len(tensor)
            np.copyto(self._memory[offset : offset + nbytes], np.frombuffer(tensor, np.uint8))
            references.append(
                {
                    "shared_memory_region": self._name,
                    "shared_memory_offset": offset,
                    "shared_memory_byte_size": nbytes,
                }
            )
            offset += nbytes
        return references

    def close(self) -> None:
        """Unmap; the file belongs to whoever made it."""
        del self._memory
        self._map.close()
