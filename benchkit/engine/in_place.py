"""Messages that stand in the transport's memory before they are due: nothing of them is copied when they are sent.

This is how a camera, a decoder or a network card works that writes into shared memory by itself. Each lent slot is
filled once, before the block; it comes back with what was in it, so from then on only the envelope is written.
What is sent next is whatever stands in the slot that has been back for longest, so the messages of the source all
take their turns.

Where every slot is under way when a message is taken, the one is taken that should come back first. If another
does (several workers), the message is copied into it then, inside `send`, where it is seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from benchkit.engine.feed import Prepared
from benchkit.tensors.codecs.base import Codec
from benchkit.tensors.wire import ENVELOPE_BYTES, Buffer
from benchkit.transports.base import Reply, Sender, Slot


class InPlace(Sender):
    """Both what messages are taken from (a `Feed`) and what they are sent by."""

    def __init__(self, sender: Sender, prepared: Sequence[Prepared], codec: Codec) -> None:
        """Fill as many slots as the transport lends; there must be one for each message at least."""
        self.starved = self.cpu_ns = 0
        self._sender = sender
        self._loan = sender.loan
        self._longest = ENVELOPE_BYTES + max(message.wire_bytes for message in prepared)
        self._in_slot: dict[int, Prepared] = {}
        """What stands in which place."""
        self._back: deque[Slot] = deque()
        self._away: deque[int] = deque()
        """Places of what is under way, in the order of sending."""
        self._taken = prepared[0]
        self._codec = codec
        while (slot := self._loan(self._longest, 0)) is not None:
            message = prepared[len(self._back) % len(prepared)]
            _copy(self._codec.encode(message.arrays, message.metadata), slot.view)
            self._in_slot[slot.place] = message
            self._back.append(slot)

    def take(self) -> Prepared:
        """What stands in the next slot; never waits."""
        while (slot := self._loan(self._longest, 0)) is not None:
            self._return(slot)
        place = self._back[0].place if self._back else self._away[0]
        self._taken = self._in_slot[place]
        return self._taken

    def _return(self, slot: Slot) -> None:
        self._back.append(slot)
        self._away.remove(slot.place)

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """The envelope is written; the rest stands there."""
        back = self._back
        if not back:
            slot = self._loan(self._longest, timeout)
            if slot is None:
                return False
            self._return(slot)
        slot = back.popleft()
        message = self._taken
        if self._in_slot[slot.place] is not message:
            _copy(parts[1:], slot.view)
            self._in_slot[slot.place] = message
        slot.view[:ENVELOPE_BYTES] = parts[0]
        self._away.append(slot.place)
        slot.send(ENVELOPE_BYTES + message.wire_bytes)
        return True

    def reply(self, timeout: float) -> Reply | None:
        """Handed through."""
        return self._sender.reply(timeout)

    def spun_s(self) -> float:
        """Handed through."""
        return self._sender.spun_s()

    def path(self) -> Mapping[str, str]:
        """Handed through."""
        return self._sender.path()

    def close(self) -> None:
        """The slots go back with their sender."""
        self._sender.close()


def _copy(body: Sequence[Buffer], view: memoryview) -> None:
    """Behind where the envelope comes."""
    start = ENVELOPE_BYTES
    for part in body:
        end = start + len(part)
        view[start:end] = part
        start = end
