"""Transports with a planted fault each, as a third party would write them: `inproc` that misbehaves."""

from __future__ import annotations

from collections.abc import Sequence

from benchkit.transports.base import Address, Delivery, Receiver, Sender
from benchkit.transports.inproc import Inproc, InprocReceiver, InprocSender, _channel


def flipped(parts: Sequence, at: int) -> list[bytes]:
    """The message with one bit of another value, `at` counted from its end where negative."""
    whole = bytearray(b"".join(parts))
    whole[at] ^= 0x10
    return [bytes(whole)]


class Seventh(InprocSender):
    """The producer's end; `seventh` replaces the sending of each seventh message."""

    def __init__(self, channel):
        super().__init__(channel)
        self.count = 0

    def send(self, parts, timeout):
        send = super().send if (self.count + 1) % 7 else self.seventh
        sent = send(parts, timeout)
        self.count += sent
        return sent

    def plain(self, parts, timeout):
        return super().send(parts, timeout)

    def seventh(self, parts, timeout):
        raise NotImplementedError


class FlipSender(Seventh):
    def seventh(self, parts, timeout):
        return self.plain(flipped(parts, -1), timeout)


class MiddleFlipSender(Seventh):
    """In the middle of a large message, where the cheap fingerprint does not look."""

    def seventh(self, parts, timeout):
        return self.plain(flipped(parts, 64 + 1000), timeout)


class EnvelopeSender(Seventh):
    """The magic number at the start."""

    def seventh(self, parts, timeout):
        return self.plain(flipped(parts, 0), timeout)


class DropSender(Seventh):
    def seventh(self, parts, timeout):
        return True


class DuplicateSender(Seventh):
    def seventh(self, parts, timeout):
        return self.plain(parts, timeout) and self.plain(parts, timeout)


KEPT: list[list[bytes]] = []


class StaleSender(Seventh):
    """Once in each later block, the first block's seventh message again."""

    def seventh(self, parts, timeout):
        if not KEPT:
            KEPT.append([bytes(part) for part in parts])
        elif self.count == 6:
            self.plain(KEPT[0], timeout)
        return self.plain(parts, timeout)


class ReplyFlipDelivery(Delivery):
    """Changes each reply's last bit on the way back."""

    def __init__(self, inner):
        self.inner, self.view = inner, inner.view

    def reply(self, parts):
        self.inner.reply(flipped(parts, -1))

    def ack(self):
        self.inner.ack()

    def release(self):
        self.inner.release()


class ReplyFlipReceiver(InprocReceiver):
    def receive(self, timeout):
        delivery = super().receive(timeout)
        return None if delivery is None else ReplyFlipDelivery(delivery)


class TwiceDelivery(ReplyFlipDelivery):
    """Each reply comes twice."""

    def reply(self, parts):
        self.inner.reply(parts)
        self.inner.reply(parts)


class TwiceReceiver(InprocReceiver):
    def receive(self, timeout):
        delivery = super().receive(timeout)
        return None if delivery is None else TwiceDelivery(delivery)


class SwapReceiver(InprocReceiver):
    """Each seventh message comes after the one behind it, where one is behind it in time."""

    def __init__(self, channel):
        super().__init__(channel)
        self.count, self.late = 0, None

    def receive(self, timeout):
        if self.late is not None:
            delivery, self.late = self.late, None
            return delivery
        first = super().receive(timeout)
        self.count += first is not None
        if first is None or self.count % 7:
            return first
        second = super().receive(0.05)
        if second is None:
            return first
        self.count += 1
        self.late = first
        return second


class Faulty(Inproc):
    """`inproc` with the ends that `ENDS` names for its kind."""

    def sender(self, address: Address) -> Sender:
        return ENDS[self.kind][0](_channel(address))

    def receiver(self, address: Address, worker: int) -> Receiver:
        return ENDS[self.kind][1](_channel(address))


ENDS = {
    "flip": (FlipSender, InprocReceiver),
    "middle-flip": (MiddleFlipSender, InprocReceiver),
    "envelope": (EnvelopeSender, InprocReceiver),
    "reply-flip": (InprocSender, ReplyFlipReceiver),
    "drop": (DropSender, InprocReceiver),
    "duplicate": (DuplicateSender, InprocReceiver),
    "twice-answered": (InprocSender, TwiceReceiver),
    "swap": (InprocSender, SwapReceiver),
    "stale": (StaleSender, InprocReceiver),
}
NAMES = {kind: kind.title().replace("-", "") for kind in ENDS}
"""The class of each kind, for the entry points."""
for _kind, _name in NAMES.items():
    globals()[_name] = type(
        _name, (Faulty,), {"kind": _kind, "__module__": __name__, "__doc__": f"Plants: {_kind}."}
    )
