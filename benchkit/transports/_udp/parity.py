"""Parity of a message's fragments: what is sent beside them, and how missing ones are made of it.

One parity fragment a group is the exclusive or of the group; more are Reed-Solomon's (zfec). A fragment that the
last group lacks, and what the last fragment lacks to be full, count as zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchkit.transports._udp.cut import Cut

if TYPE_CHECKING:
    from collections.abc import Sequence

Rows = npt.NDArray[np.uint8]


def rows_of(buffer: memoryview, cut: Cut) -> Rows:
    """A message's data fragments, shape (count, size), within a buffer that is long enough for full ones."""
    return np.frombuffer(buffer, np.uint8, cut.count * cut.size).reshape(cut.count, cut.size)


def clear_tail(buffer: memoryview, cut: Cut) -> None:
    """Make zeros of what the last fragment lacks."""
    buffer[cut.total : cut.count * cut.size] = bytes(cut.count * cut.size - cut.total)


def parity_of(rows: Rows, cut: Cut) -> Rows:
    """Shape (groups * parity, size), in the order in which it is sent."""
    found = np.empty((cut.parity, cut.groups, cut.size), np.uint8)
    for place in range(cut.groups):
        own = rows[cut.group_of(cut.count + place) :: cut.groups]
        if cut.parity == 1:
            np.bitwise_xor.reduce(own.view(np.uint64), axis=0, out=found[0, place].view(np.uint64))
        else:
            for at, block in enumerate(_encoded(own, cut)):
                found[at, place] = np.frombuffer(block, np.uint8)
    return found.reshape(-1, cut.size)


def recover(rows: Rows, cut: Cut, missing: Sequence[int], parity: Mapping[int, bytes]) -> None:
    """Write the `missing` data fragments of one group into `rows`.

    `parity` has at least as many of the group's parity fragments, by their place among them (0 to parity-1).
    """
    group = cut.group_of(missing[0])
    if cut.parity == 1:
        (gone,) = missing
        made = np.frombuffer(parity[0], np.uint64).copy()
        for index in cut.members(group):
            if index != gone:
                made ^= rows[index].view(np.uint64)
        rows[gone] = made.view(np.uint8)
        return
    width = -(-cut.count // cut.groups)
    members = cut.members(group)
    gone_at = {index: place for place, index in enumerate(members) if index in missing}
    blocks = {place: rows[index].tobytes() for place, index in enumerate(members) if index not in missing}
    blocks.update(dict.fromkeys(range(len(members), width), bytes(cut.size)))
    blocks.update({width + at: block for at, block in parity.items()})
    chosen = sorted(blocks)[:width]
    whole = _decoder(width, width + cut.parity).decode([blocks[at] for at in chosen], chosen)
    for index, place in gone_at.items():
        rows[index] = np.frombuffer(whole[place], np.uint8)


def _encoded(own: Rows, cut: Cut) -> Sequence[bytes]:
    width = -(-cut.count // cut.groups)
    blocks = [row.tobytes() for row in own] + [bytes(cut.size)] * (width - len(own))
    found: Sequence[bytes] = _encoder(width, width + cut.parity).encode(
        blocks, tuple(range(width, width + cut.parity))
    )
    return found


@cache
def _encoder(needed: int, made: int) -> Any:
    import zfec

    return zfec.Encoder(needed, made)


@cache
def _decoder(needed: int, made: int) -> Any:
    import zfec

    return zfec.Decoder(needed, made)
