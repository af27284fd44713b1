"""The page of a link: three words that a producer and a worker share."""

from __future__ import annotations

import mmap
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from socket import socket
from typing import Final

ACKED: Final = 0
WORKER_SLEEPS: Final = 8
PRODUCER_SLEEPS: Final = 16
"""Indices of words; eight words apart, so that no two share a cache line."""

LINK_BYTES: Final = 8
"""Of the number of a link, which stands behind every sample's bytes."""


def make(folder: Path) -> int:
    """A descriptor of a page without a name, all zero."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(mmap.PAGESIZE)
        return os.dup(file.fileno())


class Page:
    """The words, and the socket of the same link, which this end owns."""

    __slots__ = ("_map", "sock", "words")

    def __init__(self, descriptor: int, sock: socket) -> None:
        """The descriptor is closed."""
        try:
            self._map = mmap.mmap(descriptor, mmap.PAGESIZE)
        finally:
            os.close(descriptor)
        self.words = memoryview(self._map).cast("Q")
        self.sock = sock

    def wake(self, word: int) -> None:
        """Send a byte if the other side said under `word` that it sleeps; OSError when it is gone."""
        words = self.words
        if words[word]:
            words[word] = 0
            with suppress(BlockingIOError):  # it has bytes enough to wake up by
                self.sock.send(b"\0")

    def hear(self) -> bool:
        """Take all bytes that have come; False when the other side is gone."""
        try:
            while heard := self.sock.recv(4096):
                if len(heard) < 4096:
                    return True
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def close(self) -> None:
        """Unmap, and let the other side know."""
        self.words.release()
        self._map.close()
        self.sock.close()
