"""Receive buffers that are touched once and used again: fresh pages cost more than the copy into them."""

from __future__ import annotations

import mmap

import numpy as np

PREFAULT_LIMIT_BYTES = 64 << 20
"""A buffer above this is left to its first message: touching it would take longer than opening may."""


def page_buffer(nbytes: int, *, prefault: bool) -> memoryview:
    """Writable private memory of at least `nbytes` bytes that begins on a page (so 64-byte aligned).

    Only pages that are written to exist, so room for a large message costs nothing until one comes.
    """
    memory = mmap.mmap(-1, max(nbytes, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE") and nbytes >= 2 << 20:
        memory.madvise(mmap.MADV_HUGEPAGE)
    if prefault and nbytes <= PREFAULT_LIMIT_BYTES:
        np.frombuffer(memory, np.uint8)[:: mmap.PAGESIZE] = 0
    return memoryview(memory)


class Pool:
    """Equal buffers of `nbytes`, the one given back last taken first (its lines are still in a cache).

    One thread may take while another gives back.
    """

    __slots__ = ("_free", "_nbytes", "give", "nbytes")

    def __init__(self, nbytes: int, ready: int) -> None:
        self.nbytes = nbytes
        self._free = [page_buffer(nbytes, prefault=True) for _ in range(ready)]
        self.give = self._free.append

    def take(self) -> memoryview:
        """A free buffer, or a new one."""
        try:
            return self._free.pop()
        except IndexError:
            return page_buffer(self.nbytes, prefault=False)
