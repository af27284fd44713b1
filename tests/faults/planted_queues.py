"""Transports with a planted bug each, as a third party would write them: `redis-list` that misbehaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchkit.errors import BrokerError
from benchkit.tensors.wire import ENVELOPE_BYTES, Buffer, header, total_bytes, unpack_envelope
from benchkit.transports.base import Address, Reply, Sender
from benchkit.transports.redis_list import RedisList

STRANGE = 1_000_000
"""Added to a number that nobody sent."""


class Seventh(Sender):
    """The queue's own sender; `seventh` replaces the sending of each message whose number 7 divides."""

    def __init__(self, inner: Sender) -> None:
        self.inner = inner

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        number = unpack_envelope(parts[0]).seq
        return self.seventh(parts, timeout) if number % 7 == 0 else self.inner.send(parts, timeout)

    def seventh(self, parts: Sequence[Buffer], timeout: float) -> bool:
        raise NotImplementedError

    def unconfirmed(self) -> int:
        return self.inner.unconfirmed()

    def reply(self, timeout: float) -> Reply | None:
        return self.inner.reply(timeout)

    def path(self) -> Mapping[str, str]:
        return self.inner.path()

    def close(self) -> None:
        self.inner.close()


class LostSender(Seventh):
    """Says that it was stored, and drops it."""

    def seventh(self, parts, timeout):
        return True


class DuplicatedSender(Seventh):
    """Stores it twice."""

    def seventh(self, parts, timeout):
        return self.inner.send(parts, timeout) and self.inner.send(parts, 1.0)


class RecoveredSender(Seventh):
    """Stores it, and then fails: nobody says that it was stored."""

    def seventh(self, parts, timeout):
        if self.inner.send(parts, timeout):
            raise BrokerError("planted: the answer was lost")
        return False


class UnexpectedSender(Seventh):
    """Stores it, and another one that nobody sent."""

    def seventh(self, parts, timeout):
        if not self.inner.send(parts, timeout):
            return False
        own = unpack_envelope(parts[0])
        body = total_bytes(parts) - ENVELOPE_BYTES
        head = header(own.seq + STRANGE, body, own.flags, own.fingerprint, own.checksum, own.item)
        self.inner.send([head, *parts[1:]], 1.0)
        return True


SENDERS = {
    "lost": LostSender,
    "duplicated": DuplicatedSender,
    "recovered": RecoveredSender,
    "unexpected": UnexpectedSender,
}


class Planted(RedisList):
    """The queue with the sender that is named for its kind."""

    def sender(self, address: Address) -> Sender:
        return SENDERS[self.kind.removeprefix("planted-")](super().sender(address))


NAMES = {f"planted-{bug}": f"Planted{bug.title()}" for bug in SENDERS}
"""The class of each kind, for the entry points."""
for _kind, _name in NAMES.items():
    globals()[_name] = type(
        _name, (Planted,), {"kind": _kind, "__module__": __name__, "__doc__": f"Plants: {_kind}."}
    )
