"""Fragments become messages again, whatever order they come in; what stays incomplete is given up and counted.

No clock is read here. What is held is bounded: by the longest message that was announced, by all messages together
(`Room`), and once all of a message was sent, by the time without a new fragment after which it is incomplete.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from benchkit.errors import MessageError
from benchkit.transports._udp.cut import Cut
from benchkit.transports._udp.head import HEAD_BYTES, Head
from benchkit.transports._udp.parity import Rows, clear_tail, recover, rows_of
from benchkit.transports.buffers import Pool

_REMEMBERED: Final = 1 << 16
"""Numbers of messages that are done with; what comes of older ones is a duplicate too."""
_ABSENT, _HERE, _MADE = range(3)
_PAD_BYTES: Final = 1 << 16
"""A buffer is so much longer than the longest message: the last fragment is full there."""


@dataclass(slots=True)
class Counts:
    """What an end of the transport counts of itself."""

    sent_fragments: int = 0
    sent_parity_fragments: int = 0
    received_fragments: int = 0
    """Each once; parity included."""
    duplicate_fragments: int = 0
    """Came again, or belong to a message that is done with."""
    recovered_fragments: int = 0
    """Made from parity."""
    recovered_messages: int = 0
    """Whole thanks to that."""
    incomplete_messages: int = 0
    """Given up with fragments missing."""
    no_room: int = 0
    """Fragments of messages for which there was no memory."""
    strangers: int = 0
    """Datagrams without the cell's token."""
    malformed: int = 0
    asked: int = 0
    """Questions about messages of which nothing was heard."""
    abandoned_replies: int = 0
    """The producer took nothing more out of its socket."""


class Room:
    """Memory that messages may take, of all senders together, from the first fragment until they are released."""

    def __init__(self, limit_bytes: int, messages: int) -> None:
        """`limit_bytes`: no message is longer; room for so many of them."""
        self.limit_bytes = limit_bytes
        self.pool = Pool(limit_bytes + _PAD_BYTES)
        self._free = messages

    def take(self) -> memoryview | None:
        """A buffer for the longest message; None where as many as may be are out."""
        if not self._free:
            return None
        self._free -= 1
        return self.pool.take()

    def give(self, buffer: memoryview) -> None:
        """It is not used any more."""
        self._free += 1
        self.pool.give(buffer)


@dataclass(slots=True)
class _Assembly:
    cut: Cut
    buffer: memoryview
    last_s: float
    """When its last fragment came."""
    ended: bool
    """All of it has been sent: what is not here by now is late or lost."""
    missing: int
    have: bytearray
    lacks: list[int]
    """Data fragments that each group lacks."""
    parity: dict[int, dict[int, bytes]] = field(default_factory=dict)
    """By group: its parity fragments by their place in it."""
    recovered: int = 0


class Whole(NamedTuple):
    """A message, at the start of a buffer of the room."""

    number: int
    buffer: memoryview
    total: int


class Inbox:
    """What comes from one sender."""

    def __init__(self, room: Room, counts: Counts, patience_s: float, cut: Callable[[int], Cut]) -> None:
        """`cut`: how a message of so many bytes is cut; both ends were told the same."""
        self._room, self._counts, self._patience_s, self._cut_of = room, counts, patience_s, cut
        self._open: dict[int, _Assembly] = {}
        self._done: set[int] = set()
        self._done_order: deque[int] = deque()
        self._newest = 0

    def __contains__(self, number: object) -> bool:
        """Whether fragments of this message are here."""
        return number in self._open

    def __len__(self) -> int:
        return len(self._open)

    def forget(self, number: int) -> None:
        """What comes of this message from now on is a duplicate; what is here of it goes."""
        assembly = self._open.pop(number, None)
        if assembly is not None:
            self._room.give(assembly.buffer)
        self._finish(number)

    def arrived(self, head: Head, datagrams: memoryview, count: int, now_s: float) -> Whole | None:
        """What `arrivals` gives, one datagram or a row; see `take`."""
        if count == 1:
            return self.take(head, datagrams[HEAD_BYTES:], now_s)
        return self.take_row(head, datagrams, count, now_s)

    def take(self, head: Head, data: memoryview, now_s: float) -> Whole | None:
        """The message that this fragment makes whole; raises MessageError where it cannot be a fragment."""
        if self._late(head.number, 1):
            return None
        cut, index = self._checked(head), head.fragment
        if index >= cut.end or data.nbytes != cut.length(index):
            raise MessageError(f"fragment {index} of {cut.end} has not {data.nbytes} bytes")
        if cut.end == 1:
            return self._at_once(head.number, cut, data)
        assembly = self._assembly(head.number, cut, now_s, 1)
        return None if assembly is None else self._put(head.number, assembly, index, data)

    def take_row(self, head: Head, row: memoryview, count: int, now_s: float) -> Whole | None:
        """Likewise of `count` datagrams, heads included, all as long as the first, whose fragments follow its own."""
        if self._late(head.number, count):
            return None
        cut, index = self._checked(head), head.fragment
        if index + count > cut.end or row.nbytes != count * (HEAD_BYTES + cut.size):
            raise MessageError(f"{count} fragments from {index} of {cut.end} on have not {row.nbytes} bytes")
        if index < cut.count <= index + count and cut.length(cut.count - 1) < cut.size:
            raise MessageError(f"fragment {cut.count - 1} is longer than it was cut")
        assembly = self._assembly(head.number, cut, now_s, count)
        if assembly is None:
            return None
        data = np.frombuffer(row, np.uint8).reshape(count, HEAD_BYTES + cut.size)[:, HEAD_BYTES:]
        if index + count <= cut.count and not any(assembly.have[index : index + count]):
            return self._put_row(head.number, assembly, index, data)
        whole = None
        for at in range(count):
            if whole is None:
                whole = self._put(head.number, assembly, index + at, data[at].data)
            else:
                self._counts.duplicate_fragments += 1
        return whole

    def _late(self, number: int, fragments: int) -> bool:
        if number not in self._done and number + _REMEMBERED > self._newest:
            return False
        self._counts.duplicate_fragments += fragments
        return True

    def _checked(self, head: Head) -> Cut:
        assembly = self._open.get(head.number)
        cut = self._cut(head.total) if assembly is None else assembly.cut
        if (cut.total, cut.size, cut.group, cut.parity) != (head.total, head.size, head.group, head.parity):
            raise MessageError(f"message {head.number} is not cut as both ends were told, or not as it began")
        return cut

    def _at_once(self, number: int, cut: Cut, data: memoryview) -> Whole | None:
        """A message of one fragment."""
        buffer = self._buffer()
        if buffer is None:
            self._counts.no_room += 1
            return None
        self._counts.received_fragments += 1
        buffer[: cut.total] = data
        self._finish(number)
        return Whole(number, buffer, cut.total)

    def _cut(self, total: int) -> Cut:
        # Checked before anything is computed or allocated for it.
        if total > self._room.limit_bytes:
            raise MessageError(f"{total} bytes where at most {self._room.limit_bytes} were announced")
        return self._cut_of(total)

    def _assembly(self, number: int, cut: Cut, now_s: float, fragments: int) -> _Assembly | None:
        """What is here of the message, or a beginning; None where there is no memory for it."""
        assembly = self._open.get(number)
        if assembly is not None:
            assembly.last_s = now_s
            return assembly
        buffer = self._buffer()
        if buffer is None:
            self._counts.no_room += fragments
            return None
        self._newest = max(self._newest, number)
        lacks = [len(cut.members(group)) for group in range(cut.groups)]
        self._open[number] = assembly = _Assembly(
            cut, buffer, now_s, False, cut.count, bytearray(cut.end), lacks
        )
        if cut.parity:
            clear_tail(buffer, cut)
        return assembly

    def _buffer(self) -> memoryview | None:
        """From the room, where need be at the cost of the oldest incomplete message."""
        buffer = self._room.take()
        if buffer is None and self._open:
            self._give_up(next(iter(self._open)))
            buffer = self._room.take()
        return buffer

    def _put(self, number: int, assembly: _Assembly, index: int, data: memoryview) -> Whole | None:
        have, cut, counts = assembly.have, assembly.cut, self._counts
        if have[index] == _HERE:
            counts.duplicate_fragments += 1
            return None
        counts.received_fragments += 1
        made, have[index] = have[index] == _MADE, _HERE
        if made:
            return None
        if index < cut.count:
            start = index * cut.size
            assembly.buffer[start : start + data.nbytes] = data
            assembly.missing -= 1
        if cut.parity:
            self._use_parity(assembly, index, data)
        return self._whole(number, assembly)

    def _put_row(self, number: int, assembly: _Assembly, index: int, data: Rows) -> Whole | None:
        """Data fragments from `index` on, shape (count, size), none of which is here."""
        cut, count = assembly.cut, len(data)
        self._counts.received_fragments += count
        assembly.have[index : index + count] = bytes([_HERE]) * count
        into = np.frombuffer(assembly.buffer, np.uint8, count * cut.size, index * cut.size)
        np.copyto(into.reshape(count, cut.size), data)
        assembly.missing -= count
        if cut.parity:
            groups = [cut.group_of(at) for at in range(index, index + count)]
            for group in groups:
                assembly.lacks[group] -= 1
            # Only now: of the row all is here, so that of no group too much is taken for missing.
            for group in dict.fromkeys(groups):
                self._recover(assembly, group)
        return self._whole(number, assembly)

    def _whole(self, number: int, assembly: _Assembly) -> Whole | None:
        if assembly.missing:
            return None
        del self._open[number]
        self._finish(number)
        self._counts.recovered_messages += bool(assembly.recovered)
        return Whole(number, assembly.buffer, assembly.cut.total)

    def _use_parity(self, assembly: _Assembly, index: int, data: memoryview) -> None:
        cut, group = assembly.cut, assembly.cut.group_of(index)
        if index < cut.count:
            assembly.lacks[group] -= 1
        else:
            own = assembly.parity.setdefault(group, {})
            own[(index - cut.count) // cut.groups] = bytes(data)
        self._recover(assembly, group)

    def _recover(self, assembly: _Assembly, group: int) -> None:
        """Make what a group lacks of its parity, where there is enough of it."""
        cut, own, lacks = assembly.cut, assembly.parity.get(group, {}), assembly.lacks[group]
        if not lacks or lacks > len(own):
            return
        missing = [each for each in cut.members(group) if not assembly.have[each]]
        recover(rows_of(assembly.buffer, cut), cut, missing, own)
        for each in missing:
            assembly.have[each] = _MADE
        assembly.lacks[group] = 0
        assembly.missing -= lacks
        assembly.recovered += lacks
        self._counts.recovered_fragments += lacks

    def _finish(self, number: int) -> None:
        self._newest = max(self._newest, number)
        if number in self._done:
            return
        self._done.add(number)
        self._done_order.append(number)
        if len(self._done_order) > _REMEMBERED:
            self._done.discard(self._done_order.popleft())

    def _give_up(self, number: int) -> None:
        self._counts.incomplete_messages += 1
        self.forget(number)

    def ended(self, numbers: Iterable[int], now_s: float) -> None:
        """The other side has sent all of these messages; of one that it pauses in, nothing is late."""
        for number in numbers:
            assembly = self._open.get(number)
            if assembly is not None and not assembly.ended:
                assembly.ended, assembly.last_s = True, now_s

    def expire(self, now_s: float) -> None:
        """Give up the messages that have been sent and of which nothing has come for too long."""
        patience_s = self._patience_s
        late = [n for n, each in self._open.items() if each.ended and now_s - each.last_s >= patience_s]
        for number in late:
            self._give_up(number)

    def close(self) -> None:
        """Give back what incomplete messages hold."""
        for number in list(self._open):
            self._give_up(number)
