"""Memory that messages land in: page-aligned, touched when it is made, and used again.

The first touch of fresh memory costs more than the transfer itself (0.1-0.5 GB/s on a virtual machine). All
transports take their buffers here, so that none is favoured by better memory.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence

import numpy as np

from benchkit.tensors.wire import Buffer

_TOUCH_BYTES = 64 << 20
"""A buffer above this is left to its first message: touching it would take longer than opening may."""
_HUGE_FROM_BYTES = 2 << 20
# Below this a memoryview's copy is cheaper than wrapping both sides in arrays; above it numpy pays, because
# it lets other threads run meanwhile.
_NUMPY_FROM_BYTES = 1 << 16


def fresh(nbytes: int, *, touch: bool = True) -> memoryview:
    """Writable private memory of at least `nbytes` that begins on a page (so 64-byte aligned)."""
    memory = mmap.mmap(-1, max(nbytes, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE") and nbytes >= _HUGE_FROM_BYTES:
        memory.madvise(mmap.MADV_HUGEPAGE)
    if touch and nbytes <= _TOUCH_BYTES:
        np.frombuffer(memory, np.uint8)[:: mmap.PAGESIZE] = 0
    return memoryview(memory)


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


_STEP_BYTES = 1 << 20


def staged(pool: Pool, nbytes: int, land: Callable[[memoryview, int], None]) -> memoryview:
    """A slot of `pool` with `nbytes` in its beginning that `land` reads: for what is longer than was announced.

    Memory is taken as bytes come: a length that nothing follows costs one step.
    """
    kept = bytearray()
    while len(kept) < nbytes:
        step = memoryview(bytearray(min(_STEP_BYTES, nbytes - len(kept))))
        land(step, step.nbytes)
        kept += step
    slot = pool.take(nbytes)
    slot[:nbytes] = kept
    return slot


BEGINNING_BYTES = 64
"""How much of an unanswered message is kept, to say which one was refused."""


def beginning(parts: Sequence[Buffer]) -> bytes:
    """The first bytes of a message: its envelope, which says which one it is."""
    if parts and len(parts[0]) >= BEGINNING_BYTES:
        return bytes(memoryview(parts[0])[:BEGINNING_BYTES])
    starts = [bytes(memoryview(part)[:BEGINNING_BYTES]) for part in parts[:BEGINNING_BYTES]]
    return b"".join(starts)[:BEGINNING_BYTES]


class Pool:
    """Equal buffers of one end; the one given back last is taken first, because it is still in the cache.

    One thread may take while another gives back.
    """

    __slots__ = ("_free", "_touch", "nbytes")

    def __init__(self, nbytes: int, ready: int = 0) -> None:
        self.nbytes = nbytes
        self._touch = True
        self._free = [fresh(nbytes) for _ in range(ready)]

    def take(self, nbytes: int = 0) -> memoryview:
        """A buffer of at least `nbytes`; one beyond the pool's size makes all that follow as long."""
        if nbytes > self.nbytes:
            self.nbytes = nbytes
            self._free.clear()
            self._touch = False  # what the other side only announces takes no memory before it comes
        try:
            return self._free.pop()
        except IndexError:
            return fresh(self.nbytes, touch=self._touch)

    def give(self, buffer: memoryview) -> None:
        """Take a buffer back that nobody reads any more; one that has become too short is dropped."""
        if buffer.nbytes >= self.nbytes:
            self._free.append(buffer)
