"""What one `receive` of a socket brought, as parsed datagrams; rows of a message's fragments stay together.

A row that the kernel handed on in one piece is looked at as a table, a datagram a line: where the heads are alike
but for fragment numbers that follow each other, it is taken as one, which costs a few array operations instead of some
microseconds for each datagram.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from benchkit.errors import MessageError
from benchkit.transports._udp.head import HEAD_BYTES, MESSAGE, REPLY, Head, parse
from benchkit.transports._udp.kernel import Datagrams
from benchkit.transports._udp.reassembly import Counts

_ALIKE: Final = 24
"""Bytes of a head before the fragment's number: token, kind, cut, message, total."""
_FRAGMENT_END: Final = 28
_LEAST_ROW: Final = 4
"""Shorter rows are quicker one by one."""


def arrivals(
    sock: Datagrams, received: tuple[int, int, Any], token: bytes, counts: Counts
) -> Iterator[tuple[Head, memoryview, int]]:
    """Head, bytes and number of datagrams: 1, or of a row; strangers' and malformed ones are counted and left out."""
    nbytes, each_bytes, _ = received
    if not nbytes:
        counts.strangers += 1
        return
    start = 0
    full = nbytes // each_bytes
    if full >= _LEAST_ROW and each_bytes > HEAD_BYTES:
        row = sock.buffer[: full * each_bytes]
        head = _row(row, full, each_bytes, token)
        if head is not None:
            yield head, row, full
            start = full * each_bytes
    for at in range(start, nbytes, each_bytes):
        datagram = sock.buffer[at : min(at + each_bytes, nbytes)]
        if datagram[: len(token)] != token:
            counts.strangers += 1
            continue
        try:
            head = parse(datagram)
        except MessageError:
            counts.malformed += 1
        else:
            yield head, datagram, 1


def _row(row: memoryview, count: int, each_bytes: int, token: bytes) -> Head | None:
    """The first head, with what the last one tells of the way; None where they are no row of fragments."""
    table = np.frombuffer(row, np.uint8).reshape(count, each_bytes)
    fragment = table[:, _ALIKE:_FRAGMENT_END].view("<u4")[:, 0]
    if row[: len(token)] != token or not (table[:, :_ALIKE] == table[0, :_ALIKE]).all():
        return None
    if not (np.diff(fragment) == 1).all():
        return None
    try:
        first, last = parse(row[:each_bytes]), parse(row[-each_bytes:])
    except MessageError:
        return None
    if first.kind not in (MESSAGE, REPLY):
        return None
    return first._replace(window=last.window, spent=last.spent, heard=last.heard)
