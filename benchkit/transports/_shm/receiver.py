"""The stage's end: a message is read in its slot, and its reply copied into the reply slot that belongs to it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from benchkit.errors import BrokerError, Rejected, UsageError
from benchkit.tensors.wire import total_bytes
from benchkit.transports._shm.layout import SENDER_PARTY
from benchkit.transports._shm.party import Party
from benchkit.transports.base import Address, Buffer, Delivery, Receiver


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
