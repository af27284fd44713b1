"""Aligned, prefaulted buffers that payloads land in, given out and taken back.

The first touch of fresh memory costs more than the transfer itself (0.1-0.5 GB/s on a virtual machine), so
buffers are touched when they are made and used again and again.
"""

from __future__ import annotations

import mmap

from benchkit.errors import BrokerError

MAX_VALUE_BYTES = 512 << 20
"""proto-max-bulk-len of an unchanged server: the longest value that it takes."""
_PAGE_BYTES = mmap.PAGESIZE
_SPARE = 2
"""The CR and LF behind a payload are read with it."""


def fresh(nbytes: int) -> memoryview:
    """Writable memory of at least `nbytes` whose pages are present; page-aligned, so 64-byte-aligned."""
    size = -(-max(nbytes, 1) // _PAGE_BYTES) * _PAGE_BYTES
    if populate := getattr(mmap, "MAP_POPULATE", 0):
        return memoryview(mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | populate))
    memory = memoryview(mmap.mmap(-1, size))
    memory[::_PAGE_BYTES] = bytes(size // _PAGE_BYTES)
    return memory


class Slots:
    """The buffers of one end; as many as are held at once, each of the longest message seen."""

    __slots__ = ("_free", "_nbytes")

    def __init__(self, payload_bytes: int, count: int = 2) -> None:
        self._nbytes = payload_bytes + _SPARE
        self._free = [fresh(self._nbytes) for _ in range(count)]

    def take(self, payload_bytes: int) -> memoryview:
        """A buffer for `payload_bytes` and the two bytes behind them; raises BrokerError for an absurd length."""
        if payload_bytes > MAX_VALUE_BYTES:
            raise BrokerError(
                f"the broker announces a value of {payload_bytes} bytes; none has more than {MAX_VALUE_BYTES}"
            )
        if payload_bytes + _SPARE > self._nbytes:
            self._nbytes = payload_bytes + _SPARE
            self._free.clear()
        return self._free.pop() if self._free else fresh(self._nbytes)

    def give(self, slot: memoryview) -> None:
        """Take a buffer back; one that has become too short is dropped."""
        if slot.nbytes >= self._nbytes:
            self._free.append(slot)
