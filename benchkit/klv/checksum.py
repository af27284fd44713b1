"""The checksum of MISB ST 0601, item 1: a running sum of 16 bits."""

from __future__ import annotations

from struct import unpack_from

_LARGE_BYTES = 4096
_MASK = 0xFFFF


def checksum(data: bytes) -> int:
    """The low 16 bits of the sum of the big-endian 16-bit words of `data`, an odd last byte being a high one.

    MISB ST 0601 sums everything from the first byte of the universal label to the length of the checksum's item.
    """
    size = len(data)
    if size > _LARGE_BYTES:
        import numpy as np

        total = int(np.frombuffer(data, ">u2", size >> 1).sum(dtype=np.uint64))
    else:
        total = sum(unpack_from(f">{size >> 1}H", data))
    if size & 1:
        total += data[-1] << 8
    return total & _MASK
