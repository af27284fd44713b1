"""A message on its way out, fragment after fragment, gathered from its parts and not joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchkit.tensors.wire import Buffer
from benchkit.transports._udp.cut import Cut
from benchkit.transports._udp.head import LAYOUT
from benchkit.transports._udp.parity import clear_tail, parity_of, rows_of
from benchkit.transports.buffers import fresh, gather

_MOST_PARTS: Final = 16
"""More are joined first: what one system call gathers is limited (IOV_MAX), and each part costs."""


class Outgoing:
    """What is left to send of a message of `cut`; parity is computed here."""

    __slots__ = ("_at", "_offset", "_parts", "cut", "index", "kind", "number")

    def __init__(self, kind: int, number: int, parts: Sequence[Buffer], cut: Cut) -> None:
        self.kind, self.number, self.cut = kind, number, cut
        self.index = 0
        """The next fragment."""
        self._at = self._offset = 0
        if cut.parity:
            buffer = fresh(cut.count * cut.size)
            gather(parts, buffer)
            clear_tail(buffer, cut)
            parity = parity_of(rows_of(buffer, cut), cut)
            self._parts = [buffer[: cut.total], parity.data.cast("B")]
        elif len(parts) > _MOST_PARTS:
            self._parts = [memoryview(b"".join(parts))]
        else:
            self._parts = [memoryview(part) for part in parts]

    def together(self, most: int) -> int:
        """How many of the next fragments, `most` at most, may go at once: all full but the last of them."""
        cut = self.cut
        left = (cut.count if self.index < cut.count else cut.end) - self.index
        return min(left, most)

    def fragments(
        self, count: int, token: int, window: int, spent: int, cost: int, heard: int
    ) -> list[Buffer]:
        """Heads and bytes of the next `count` fragments; each adds `cost` to what was `spent` before it."""
        cut, found = self.cut, list[Buffer]()
        for index in range(self.index, self.index + count):
            spent += cost
            found.append(
                LAYOUT.pack(
                    token, self.kind, cut.parity, cut.group, cut.size, 0, self.number, cut.total, index,
                    window, spent, heard,
                )
            )  # fmt: skip
            self._take(cut.length(index), found)
        self.index += count
        return found

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
