"""A message on its way out, fragment after fragment, gathered from its parts and not joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from benchkit.tensors.wire import Buffer
from benchkit.transports._udp.cut import Cut
from benchkit.transports._udp.head import HEAD_BYTES, LAYOUT, TABLE
from benchkit.transports._udp.parity import clear_tail, parity_of, rows_of
from benchkit.transports.buffers import Pool, gather

_MOST_PARTS: Final = 16
"""More are joined first: what one system call gathers is limited (IOV_MAX), and each part costs."""
_LEAST_ROW: Final = 8
"""So many fragments of one part are written into a table, heads and bytes; fewer are quicker one by one."""


class Told(NamedTuple):
    """What every head says beside the fragment's place in its message."""

    token: int
    window: int
    spent: int
    """Before the first of these fragments."""
    cost: int
    """What each of them adds to it."""
    heard: int


class Outgoing:
    """What is left to send of a message of `cut`; parity is computed here."""

    __slots__ = ("_at", "_buffer", "_offset", "_parts", "_pool", "cut", "index", "kind", "number")

    def __init__(self, kind: int, number: int, parts: Sequence[Buffer], cut: Cut, pool: Pool) -> None:
        """`pool`: for what parity is computed of; give it back with `close`."""
        self.kind, self.number, self.cut = kind, number, cut
        self.index = 0
        """The next fragment."""
        self._at = self._offset = 0
        self._pool, self._buffer = pool, None if not cut.parity else pool.take(cut.count * cut.size)
        if self._buffer is not None:
            gather(parts, self._buffer)
            clear_tail(self._buffer, cut)
            parity = parity_of(rows_of(self._buffer, cut), cut)
            self._parts = [self._buffer[: cut.total], parity.data.cast("B")]
        elif len(parts) > _MOST_PARTS:
            self._parts = [memoryview(b"".join(parts))]
        else:
            self._parts = [memoryview(part) for part in parts]

    def close(self) -> None:
        """It has gone, or will not go."""
        if self._buffer is not None:
            self._pool.give(self._buffer)
            self._buffer = None

    def together(self, most: int) -> int:
        """How many of the next fragments, `most` at most, may go at once: all full but the last of them."""
        cut = self.cut
        left = (cut.count if self.index < cut.count else cut.end) - self.index
        return min(left, most)

    def fragments(self, count: int, told: Told, table: memoryview) -> Sequence[Buffer]:
        """Heads and bytes of the next `count` fragments; a long row may be written into `table`."""
        cut = self.cut
        here = self._parts[self._at].nbytes - self._offset if self._at < len(self._parts) else 0
        if count >= _LEAST_ROW and here >= count * cut.size:
            return (self._row(count, told, table),)
        found, spent = list[Buffer](), told.spent
        for index in range(self.index, self.index + count):
            spent += told.cost
            found.append(
                LAYOUT.pack(
                    told.token, self.kind, cut.parity, cut.group, cut.size, 0, self.number, cut.total, index,
                    told.window, spent, told.heard,
                )
            )  # fmt: skip
            self._take(cut.length(index), found)
        self.index += count
        return found

    def _row(self, count: int, told: Told, table: memoryview) -> memoryview:
        """Full fragments of one part, as a table with a datagram in each line."""
        cut, nbytes, full = self.cut, count * self.cut.size, HEAD_BYTES + self.cut.size
        lines = np.frombuffer(table, np.uint8, count * full).reshape(count, full)
        heads = lines[:, :HEAD_BYTES].view(TABLE)[:, 0]
        heads[:] = (
            told.token, self.kind, cut.parity, cut.group, cut.size, 0, self.number, cut.total, 0, told.window, 0,
            told.heard,
        )  # fmt: skip
        heads["fragment"] = np.arange(self.index, self.index + count)
        heads["spent"] = told.spent + told.cost * np.arange(1, count + 1)
        part = np.frombuffer(self._parts[self._at], np.uint8, nbytes, self._offset)
        lines[:, HEAD_BYTES:] = part.reshape(count, cut.size)
        self.index += count
        self._offset += nbytes
        if self._offset == self._parts[self._at].nbytes:
            self._at, self._offset = self._at + 1, 0
        return table[: count * full]

    def _take(self, nbytes: int, into: list[Buffer]) -> None:
        parts, at, offset = self._parts, self._at, self._offset
        while nbytes:
            part = parts[at]
            end = min(offset + nbytes, len(part))
            into.append(part[offset:end])
            nbytes -= end - offset
            offset = end
            if offset == len(part):
                at, offset = at + 1, 0
        self._at, self._offset = at, offset

    def mark(self) -> tuple[int, int, int]:
        """Where it is, for `back`."""
        return self.index, self._at, self._offset

    def back(self, mark: tuple[int, int, int]) -> None:
        """What was taken since has not been sent."""
        self.index, self._at, self._offset = mark

    def keep(self) -> None:
        """Copy what is left: from now on the parts may be reused."""
        rest: list[Buffer] = [part[self._offset :] for part in self._parts[self._at : self._at + 1]]
        rest += self._parts[self._at + 1 :]
        self._parts, self._at, self._offset = [memoryview(b"".join(rest))], 0, 0
        self.close()
