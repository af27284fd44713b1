"""Any transport, used as the engine uses it: the same calls in the same order, in two processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from benchkit.exchange.base import ACK, PATIENCE_S, Far, Near, Spot, gone
from benchkit.tensors.wire import Buffer
from benchkit.transports.base import Address, Delivery, Transport

T = TypeVar("T")

_POLL_S = 0.02
"""As long as the engine's parties wait before they look around."""


class SeamNear(Near):
    """`send`, then `reply` until it comes."""

    def __init__(self, spot: Spot, transport: Transport) -> None:
        self._sender = sender = transport.sender(Address(spot.where))
        self._send, self._reply = sender.send, sender.reply

    def exchange(self, payload: bytes) -> None:
        """Over and back."""
        message = (payload,)
        if not self._send(message, _POLL_S):
            _insist(lambda: self._send(message, _POLL_S) or None, "the transport stayed full")
        if self._reply(_POLL_S) is None:
            _insist(lambda: self._reply(_POLL_S), "no reply came")

    def close(self) -> None:
        """Close the sender."""
        self._sender.close()


class LoanNear(SeamNear):
    """`loan`, and the lent memory sent as it is: the message stands in it already, nothing is copied."""

    def __init__(self, spot: Spot, transport: Transport) -> None:
        super().__init__(spot, transport)
        # A transport that lends has it; what it lends keeps what was written there (see Slot.place).
        lender: Any = self._sender
        self._loan: Callable[[int, float], Any] = lender.loan
        self._written: set[int] = set()

    def exchange(self, payload: bytes) -> None:
        """Over and back; a place that is lent for the first time is written first."""
        nbytes = len(payload)
        slot = self._loan(nbytes, _POLL_S) or _insist(lambda: self._loan(nbytes, _POLL_S), "nothing was lent")
        if slot.place not in self._written:
            slot.view[:nbytes] = payload
            self._written.add(slot.place)
        slot.send(nbytes)
        if self._reply(_POLL_S) is None:
            _insist(lambda: self._reply(_POLL_S), "no reply came")


class SeamFar(Far):
    """`receive`, then reply, ack and release."""

    def __init__(self, spot: Spot, transport: Transport) -> None:
        self._receiver = transport.receiver(Address(spot.where), 0)
        self._receive = self._receiver.receive
        self._delivery: Delivery | None = None

    def take(self) -> Buffer:
        """The delivery's view."""
        delivery = self._receive(_POLL_S) or _insist(lambda: self._receive(_POLL_S), "no message came")
        self._delivery = delivery
        return delivery.view

    def give(self) -> None:
        """A reply of one byte."""
        delivery, self._delivery = self._delivery, None
        if delivery is not None:
            delivery.reply((ACK,))
            delivery.ack()
            delivery.release()

    def close(self) -> None:
        """Close the receiver."""
        self._receiver.close()


def _insist(once: Callable[[], T | None], otherwise: str) -> T:
    """Again and again, as the engine does, until there is something."""
    until_s = time.monotonic() + PATIENCE_S
    while (found := once()) is None:
        if time.monotonic() > until_s:
            raise gone(otherwise)
    return found
