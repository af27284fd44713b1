"""Inputs from inputs without a fuzzer's library: for the short run that every change has, and for making one smaller."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

_TRICKY = (0, 1, 2, 0x0A, 0x20, 0x22, 0x2D, 0x30, 0x39, 0x5B, 0x7B, 0x7F, 0x80, 0x81, 0xC1, 0xFE, 0xFF)


def mutated(chance: random.Random, pool: Sequence[bytes], words: Sequence[bytes], most: int) -> bytes:
    """One of the pool, damaged one to six times."""
    data = bytearray(chance.choice(pool))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 1, 2, 4, 8, 32)))
        match chance.randrange(9):
            case 0 if data:
                data[at % len(data)] ^= 1 << chance.randrange(8)
            case 1 if data:
                data[at % len(data)] = chance.choice(_TRICKY)
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = chance.randbytes(chance.choice((1, 1, 2, 4, 8)))
            case 4:
                data[at:at] = data[at:end] * chance.choice((1, 1, 2, 40))
            case 5 if words:
                word = chance.choice(words)
                data[at : at + len(word) * chance.randrange(2)] = word
            case 6:
                other = chance.choice(pool)
                data[at:] = other[chance.randrange(len(other) + 1) :]
            case 7:
                width = chance.choice((2, 4, 8))
                number = chance.choice((0, 1, 2**31, 2**63 - 1, -1, len(data), chance.randrange(300)))
                order = chance.choice(("big", "little"))
                data[at : at + width] = (number % (1 << 8 * width)).to_bytes(width, order)
            case _:
                del data[at:]
    return bytes(data[:most])


def minimised(data: bytes, still: Callable[[bytes], bool], longest_s: float = 20.0) -> bytes:
    """A part of `data` that is `still` a finding, as short as can be found in the time (delta debugging)."""
    until = time.monotonic() + longest_s
    width = max(1, len(data) // 2)
    while width and time.monotonic() < until:
        at, smaller = 0, False
        while at < len(data) and time.monotonic() < until:
            tried = data[:at] + data[at + width :]
            if still(tried):
                data, smaller = tried, True
            else:
                at += width
        width = width if smaller and width > 1 else width // 2
    return data
