"""Shared memory: one copy into a slot that the stage reads in place; the protocol is told in `_shm`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from benchkit.errors import BrokerError, Rejected, UsageError
from benchkit.runtime.disk import disk
from benchkit.tensors.wire import total_bytes
from benchkit.transports._shm.layout import SENDER_PARTY, Layout
from benchkit.transports._shm.party import Party
from benchkit.transports._shm.segment import created
from benchkit.transports._shm.wake import futex_works
from benchkit.transports.base import (
    Address,
    Buffer,
    Capabilities,
    Delivery,
    Receiver,
    Reply,
    Sender,
    Setup,
    Slot,
    Transport,
)
from benchkit.units import Bytes, Seconds, show_bytes

_LARGE_BYTES = 1 << 16
"""From here on copying costs more than taking the lock once more."""


class Shm(Transport):
    """Shared memory: a ring of slots under /dev/shm, written once and read in place."""

    kind: ClassVar[str] = "shm"

    spin: Seconds = Field(
        50e-6,
        description="how long a party that finds nothing looks again and again before it sleeps: a message "
        "that comes meanwhile saves a wake-up of 10 to 50 us; costs up to this much CPU time per wait, and is left "
        "out while waits are longer than that",
    )
    loan: bool = Field(
        False,
        description="messages stand in the slots before they are due, as those of a camera or a decoder that writes "
        "into shared memory by itself: sending one costs its envelope and no copy",
    )
    segment_disk: Bytes | None = Field(
        None,
        ge=1 << 20,
        le=64 << 30,
        description="the segment is in a shared memory of so many bytes of its own (tmpfs) and not under /dev/shm, so "
        "that it can be full; for trials of faults",
    )

    def capabilities(self) -> Capabilities:
        """At least once; outlives both ends, not the machine."""
        return Capabilities(
            "at-least-once", "memory", "fifo", zero_copy=True, same_host=True, loans=True, in_place=self.loan
        )

    def floor(self) -> str:
        """A copy into shared memory and a flag."""
        return "memcpy-spin"

    @contextmanager
    def prepare(self, setup: Setup) -> Iterator[Address]:
        """The segment, sized for the cell; raises StorageError with needed and free bytes."""
        layout = Layout.fitting(self.depth, setup.message_bytes, setup.reply_bytes, setup.workers)
        wake = "futex" if futex_works() else "fifo"
        with (
            self._place(setup) as place,
            created(setup.name, setup.folder, layout, fifos=wake == "fifo", place=place) as path,
        ):
            where: dict[str, str | int] = {
                "path": str(path), "stem": str(setup.folder / setup.name), "wake": wake,
                "depth": layout.depth, "slot_bytes": layout.slot_bytes,
                "reply_bytes": layout.reply_bytes, "workers": layout.workers,
            }  # fmt: skip
            slots = f"{layout.depth} slots of {show_bytes(layout.slot_bytes)}"
            claim = {
                "family": "memory", "segment": str(path), "bytes": str(layout.total_bytes), "wake": wake,
            }  # fmt: skip
            if place is not None:
                # Its name as the kernel tells it is that of another mount namespace.
                del claim["segment"]
            yield Address(where, f"{path.parent} file, {slots}, {wake} wake-up", claim=claim)

    @contextmanager
    def _place(self, setup: Setup) -> Iterator[Path | None]:
        if self.segment_disk is None:
            yield None
            return
        folder = setup.folder / "segments"
        folder.mkdir(mode=0o700)
        with disk(folder, self.segment_disk) as place:
            yield place

    def sender(self, address: Address) -> ShmSender:
        """Raises BrokerError when the segment is gone or has a living sender."""
        return ShmSender(address, self.spin)

    def receiver(self, address: Address, worker: int) -> ShmReceiver:
        """Raises BrokerError when the segment is gone or has a living worker of this number."""
        return ShmReceiver(address, worker, self.spin)


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


class ShmReceiver(Receiver):
    """Takes the oldest message that no worker has."""

    def __init__(self, address: Address, worker: int, spin_s: float) -> None:
        workers = int(address.where["workers"])
        if not 0 <= worker < workers:
            raise UsageError(f"worker {worker} of a segment for {workers} workers")
        self._worker = worker
        self.party = party = Party(address, 1 + worker, spin_s)
        self._lock, self._readonly = party.lock, party.segment.readonly
        self._claim, self._ready = party.table.claim, party.table.ready.__bool__
        self._slots_byte, self._slot_bytes = party.segment.layout.slots_byte, party.segment.layout.slot_bytes

    def receive(self, timeout: float) -> ShmDelivery | None:
        """The view is the slot."""
        until_s = -1.0
        claim, ready = self._claim, self._ready
        found = ready()
        while True:
            if found:
                with self._lock:
                    claimed = claim(self._worker)
                if claimed is not None:
                    slot, word, length = claimed
                    start = self._slots_byte + slot * self._slot_bytes
                    return ShmDelivery(self.party, slot, word, self._readonly[start : start + length])
            if until_s < 0:
                until_s = time.monotonic() + timeout
            found = self.party.wait(ready, until_s)
            if not found:
                return None

    def path(self) -> Mapping[str, str]:
        """Of the mapping and of how this party sleeps."""
        return self.party.path()

    def spun_s(self) -> float:
        """By the clock of the deadlines."""
        return self.party.spun_s

    def close(self) -> None:
        """What was not acknowledged is ready for any worker again."""
        self.party.close()


class ShmDelivery(Delivery):
    """A claimed slot; it comes back to the sender when it is both acknowledged and released."""

    __slots__ = ("_acked", "_party", "_released", "_slot", "_word", "view")

    def __init__(self, party: Party, slot: int, word: int, view: memoryview) -> None:
        self._party = party
        self._slot = slot
        self._word = word
        self._acked = self._released = False
        self.view = view

    def reply(self, parts: Sequence[Buffer]) -> None:
        """Copied into the reply slot that belongs to this message; raises Rejected when it is larger.

        A message that was delivered before and has its reply keeps that one.
        """
        self._check()
        party, slot = self._party, self._slot
        layout = party.segment.layout
        length = total_bytes(parts)
        if length > layout.reply_bytes:
            raise Rejected(f"a reply of {length} bytes exceeds the reply slot of {layout.reply_bytes} bytes")
        if not party.table.wants_reply(slot):
            return
        data = party.segment.data
        start = layout.replies_byte + slot * layout.reply_bytes
        for part in parts:
            end = start + len(part)
            data[start:end] = part
            start = end
        with party.lock:
            party.table.publish_reply(slot, length)
            asleep = party.sender_sleeps()
        if asleep:
            party.wake.wake(SENDER_PARTY)

    def ack(self) -> None:
        """One store; raises BrokerError when the message was given to another receiver meanwhile."""
        if self._acked:
            return
        self._check()
        self._word = self._party.table.acknowledge(self._slot, self._word)
        self._acked = True
        if self._released:
            self._free()

    def release(self) -> None:
        """The slot is free once the message is acknowledged too."""
        if self._released:
            return
        self._released = True
        if self._acked:
            self._free()

    def _check(self) -> None:
        if self._party.closed or not self._party.table.holds(self._slot, self._word):
            raise BrokerError(
                "this delivery is stale: its receiver was closed, and the message was given to another",
                remedy="acknowledge before the receiver is closed",
            )

    def _free(self) -> None:
        party = self._party
        if party.closed:
            # Closing gave the slot back; the mapping and its lock may be gone.
            return
        with party.lock:
            asleep = party.table.release(self._slot, self._word) and party.sender_sleeps()
        if asleep:
            party.wake.wake(SENDER_PARTY)
