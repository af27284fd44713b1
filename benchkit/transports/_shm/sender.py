"""The producer's end: a message is copied into a slot that is ours, or written into one that was lent."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence

from benchkit.errors import BrokerError, Rejected
from benchkit.tensors.wire import total_bytes
from benchkit.transports._shm.layout import SENDER_PARTY
from benchkit.transports._shm.party import Party
from benchkit.transports.base import Address, Buffer, Reply, Sender, Slot

_LARGE_BYTES = 1 << 16
"""From here on copying costs more than taking the lock once more."""


class ShmSlot(Slot):
    """A reserved slot; ends with its sender, however that ends."""

    __slots__ = ("_sender", "_used", "place", "view")

    def __init__(self, sender: ShmSender, place: int, view: memoryview) -> None:
        self._sender = sender
        self._used = False
        self.place = place
        self.view = view

    def send(self, nbytes: int) -> None:
        """The slot's words and its lock, whatever `nbytes` is."""
        if nbytes > len(self.view):
            raise Rejected(f"{nbytes} bytes of a slot that was lent for {len(self.view)}")
        if self._used or self._sender.closed:
            raise BrokerError(
                "this slot was sent or given back, or its sender was closed", remedy="loan another"
            )
        self._used = True
        self._sender.publish(self.place, nbytes)

    def give_back(self) -> None:
        """Free for the next loan."""
        if not self._used and not self._sender.closed:
            self._used = True
            self._sender.take_back(self.place)


class ShmSender(Sender):
    """Writes into a slot that it reserved before."""

    def __init__(self, address: Address, spin_s: float) -> None:
        self._party = party = Party(address, SENDER_PARTY, spin_s)
        layout = party.segment.layout
        self._slot_bytes, self._reply_bytes = layout.slot_bytes, layout.reply_bytes
        self._slots_byte, self._replies_byte = layout.slots_byte, layout.replies_byte
        self._table, self._lock = party.table, party.lock
        self._data, self._readonly = party.segment.data, party.segment.readonly
        self._replied = party.table.replied.__bool__
        self._large = False
        """Whether the last message was."""
        self._quick_bytes = min(_LARGE_BYTES, layout.slot_bytes)
        self._reserved = -1
        self._viewed = -1
        self._set_aside: deque[bytes] = deque()

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """One copy per part; raises Rejected for a message larger than a slot."""
        length = total_bytes(parts)
        slot = self._reserved
        if slot < 0 or length > self._quick_bytes:
            slot = self._slot(length, timeout)
            if slot < 0:
                return False
        data = self._data
        start = self._slots_byte + slot * self._slot_bytes
        for part in parts:
            end = start + len(part)
            data[start:end] = part
            start = end
        # First: an interrupt after publishing must not leave the slot ours to write into.
        self._reserved = -1
        self.publish(slot, length)
        return True

    def loan(self, nbytes: int, timeout: float) -> ShmSlot | None:
        """A slot of the ring itself."""
        slot = self._slot(nbytes, timeout)
        if slot < 0:
            return None
        self._reserved = -1
        start = self._slots_byte + slot * self._slot_bytes
        return ShmSlot(self, slot, self._data[start : start + nbytes])

    def publish(self, slot: int, length: int) -> None:
        """Hand over the `length` bytes in a slot that is ours."""
        party, publish = self._party, self._table.publish
        with self._lock:
            sleeper = party.sleeper()
            # Last: a worker that sees it wants the lock next.
            publish(slot, length)
        if sleeper:
            party.rouse(sleeper)

    def take_back(self, slot: int) -> None:
        """A lent slot is free again."""
        with self._lock:
            self._table.give_back(slot)

    def reply(self, timeout: float) -> Reply | None:
        """The oldest unread reply."""
        if self._set_aside:
            return Reply(memoryview(self._set_aside.popleft()))
        taken = self._take_reply() if self._viewed >= 0 or self._replied() else None
        if taken is None and timeout > 0 and self._party.wait(self._replied, time.monotonic() + timeout):
            taken = self._take_reply()
        if taken is None:
            return None
        slot, length = taken
        self._viewed = slot
        start = self._replies_byte + slot * self._reply_bytes
        return Reply(self._readonly[start : start + length])

    def path(self) -> Mapping[str, str]:
        """Of the mapping and of how this party sleeps."""
        return self._party.path()

    def spun_s(self) -> float:
        """By the clock of the deadlines."""
        return self._party.spun_s

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._party.closed

    def close(self) -> None:
        """What was sent stays for the workers; the reply seen last is seen."""
        with self._lock:
            self._drop_viewed()
        self._party.close()

    def _take_reply(self) -> tuple[int, int] | None:
        with self._lock:
            self._drop_viewed()
            taken = self._table.take_reply()
            if self._reserved < 0 and not self._large:
                # Here, where the lock is held anyway, and not on the way of the next message.
                self._reserved = self._table.reserve()
        return taken

    def _drop_viewed(self) -> None:
        if self._viewed >= 0:
            self._table.drop_reply(self._viewed)
            self._viewed = -1

    def _slot(self, length: int, timeout: float) -> int:
        """The reserved slot for so many bytes, or -1; raises Rejected for more than a slot has."""
        if length > self._slot_bytes:
            raise Rejected(
                f"a message of {length} bytes exceeds the slot of {self._slot_bytes} bytes",
                remedy="the slots are sized for the largest message that the cell announced",
            )
        # A large one takes the slot that was freed last, as late as possible: what is in the caches still is worth
        # more than the lock.
        self._large = length > _LARGE_BYTES
        if self._reserved < 0:
            self._reserved = self._reserve(timeout)
        elif self._large and self._table.free:
            with self._lock:
                self._reserved = self._table.exchange(self._reserved)
        return self._reserved

    def _reserve(self, timeout: float) -> int:
        until_s = time.monotonic() + timeout
        while True:
            with self._lock:
                self._drop_viewed()
                slot = self._table.reserve()
                if slot < 0 and self._put_replies_aside():
                    slot = self._table.reserve()
            if slot >= 0 or not self._party.wait(self._may_reserve, until_s):
                return slot

    def _may_reserve(self) -> bool:
        return bool(self._table.free) or bool(self._table.replied)

    def _put_replies_aside(self) -> bool:
        """Replies that nobody has read hold no slot back; whether there were any."""
        found = False
        while (taken := self._table.take_reply()) is not None:
            slot, length = taken
            start = self._replies_byte + slot * self._reply_bytes
            self._set_aside.append(bytes(self._readonly[start : start + length]))
            self._table.drop_reply(slot)
            found = True
        return found
