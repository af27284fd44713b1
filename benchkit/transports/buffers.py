"""Receive buffers: aligned, already touched, and used again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchkit.tensors.wire import Buffer

_ALIGN = 64
_PAGE_BYTES = 4096
# Below this a memoryview's copy is cheaper than wrapping both sides in arrays; above it numpy pays, because
# it lets other threads run meanwhile.
_NUMPY_FROM_BYTES = 1 << 16


def aligned(nbytes: int) -> memoryview:
    """Writable memory of `nbytes` that starts on a cache line, every page of it touched."""
    whole = np.empty(nbytes + _ALIGN, np.uint8)
    whole[::_PAGE_BYTES] = 0
    start = -whole.ctypes.data % _ALIGN
    return whole[start : start + nbytes].data


def gather(parts: Sequence[Buffer], into: memoryview) -> None:
    """Copy `parts` one after the other into the start of `into`, which must be long enough."""
    offset = 0
    for part in parts:
        end = offset + len(part)
        if end - offset < _NUMPY_FROM_BYTES:
            into[offset:end] = part
        else:
            np.copyto(np.frombuffer(into, np.uint8, end - offset, offset), np.frombuffer(part, np.uint8))
        offset = end


class Pool:
    """Buffers of one end; the one given back last is taken first, because it is still in the cache."""

    __slots__ = ("_free", "_limit")

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._free: list[memoryview] = []

    def take(self, nbytes: int) -> memoryview:
        """A buffer of at least `nbytes`, which must be within the pool's limit."""
        if self._free:
            buffer = self._free.pop()
            if buffer.nbytes >= nbytes:
                return buffer
        # Sizes are rounded up so that messages of slowly growing size do not allocate each time.
        return aligned(min(max(self._limit, nbytes), max(_PAGE_BYTES, 1 << (nbytes - 1).bit_length())))

    def give(self, buffer: memoryview) -> None:
        """Take `buffer` back; nobody reads it any more."""
        self._free.append(buffer)
