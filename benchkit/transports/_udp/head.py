"""What every datagram begins with: 48 bytes, all integers little-endian.

::

    offset  0  token    u64   of the cell: without it a datagram is a stranger's, and not looked at
            8  kind     u8    MESSAGE, REPLY, ACK, ASK, ANSWER, GRANT
            9  parity   u8    parity fragments of a group; 0: none
           10  group    u16   data fragments of a group at the most
           12  size     u16   bytes of a full fragment, a multiple of 8
           14  spare    u16   0
           16  number   u32   of the message, counted by who sends it; a reply has its message's
           20  total    u32   bytes of the whole message
           24  fragment u32   which of them; parity follows the data
           28  window   u32   what the sender's own socket holds (see window.py)
           32  spent    u64   what the sender has sent to this receiver, this datagram included
           40  heard    u64   the largest `spent` that the sender has seen from this receiver

A fragment's bytes follow; behind ASK and ANSWER, message numbers of 4 bytes each; behind the others nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from benchkit.errors import MessageError

LAYOUT: Final = struct.Struct("<QBBHHHIIIIQQ")
HEAD_BYTES: Final = LAYOUT.size
TABLE: Final = np.dtype(
    [
        ("token", "<u8"), ("kind", "u1"), ("parity", "u1"), ("group", "<u2"), ("size", "<u2"), ("spare", "<u2"),
        ("number", "<u4"), ("total", "<u4"), ("fragment", "<u4"), ("window", "<u4"), ("spent", "<u8"), ("heard", "<u8"),
    ]
)  # fmt: skip
"""The same, for many heads at a time."""
assert TABLE.itemsize == HEAD_BYTES  # noqa: S101  (a fact about the lines above)
TOKEN_BYTES: Final = 8
MESSAGE, REPLY, ACK, ASK, ANSWER, GRANT = range(6)
MOST_ASKED: Final = 64
"""Numbers in one ASK."""
_NUMBER_BYTES: Final = 4


class Head(NamedTuple):
    """See the table at the head of this file."""

    token: int
    kind: int
    parity: int = 0
    group: int = 0
    size: int = 0
    spare: int = 0
    number: int = 0
    total: int = 0
    fragment: int = 0
    window: int = 0
    spent: int = 0
    heard: int = 0


def parse(datagram: memoryview) -> Head:
    """The head of a datagram whose token was found right; raises MessageError where it cannot be one of ours."""
    if datagram.nbytes < HEAD_BYTES:
        raise MessageError(
            f"{datagram.nbytes} bytes are no datagram of ours: the head alone has {HEAD_BYTES}"
        )
    head = Head._make(LAYOUT.unpack_from(datagram))
    kind, body = head.kind, datagram.nbytes - HEAD_BYTES
    if kind > GRANT or head.spare:
        raise MessageError(f"no kind of datagram is {kind}, or its spare bytes are {head.spare} and not 0")
    if kind in (ASK, ANSWER):
        if body % _NUMBER_BYTES or body > MOST_ASKED * _NUMBER_BYTES:
            raise MessageError(f"{body} bytes are no list of at most {MOST_ASKED} message numbers")
    elif kind in (ACK, GRANT) and body:
        raise MessageError(f"{body} bytes follow where there are none")
    return head


def packed(numbers: Sequence[int]) -> bytes:
    """Message numbers, MOST_ASKED at the most, as they follow ASK and ANSWER."""
    return struct.pack(f"<{len(numbers)}I", *numbers)


def numbers(datagram: memoryview) -> tuple[int, ...]:
    """The message numbers behind the head of a parsed ASK or ANSWER."""
    return struct.unpack_from(f"<{(datagram.nbytes - HEAD_BYTES) // _NUMBER_BYTES}I", datagram, HEAD_BYTES)
