"""The claim-check layout: the payload in a key of its own, a short claim to it in the list or stream.

The sender writes both in one transaction, so that a payload and its claim appear together or not at all, also
where the server runs out of memory. The worker gets the payload once it has the claim, and on `ack` deletes
the payload first: who finds a claim without one knows that its message was done, and drops it.

Payloads carry a time to live: the last bound for what a killed run leaves on a server of the user's own.
"""

from __future__ import annotations

import secrets
from typing import Protocol

from benchkit.transports._redis.place import KEPT_S, Place
from benchkit.transports._redis.resp import CRLF, command, opening


class Envelope(Protocol):
    """The commands that carry one message: what is sent before its bytes, and behind them."""

    answers: int
    """How many answers follow."""
    more_bytes: int
    """What the envelope adds to the stored value."""

    def around(self, nbytes: int) -> tuple[bytes, bytes]:
        """Before and behind a message of `nbytes`."""


class Inline:
    """The message is the value: `head` ends before its length, `suffix` belongs to it, `query` is one more command."""

    def __init__(self, head: bytes, suffix: bytes = b"", query: bytes = b"") -> None:
        self._head = head + b"$%d\r\n"
        self._tail = suffix + CRLF + query
        self.more_bytes = len(suffix)
        self.answers = 2 if query else 1

    def around(self, nbytes: int) -> tuple[bytes, bytes]:
        """The value's length before, the rest behind."""
        return self._head % (nbytes + self.more_bytes), self._tail


class ClaimCheck:
    """The message in a key of its own; `head` ends before the claim, which names producer, opening and number."""

    more_bytes = 0

    def __init__(self, place: Place, head: bytes, query: bytes = b"") -> None:
        # Unlike any other opening's: a producer that is started again must not overwrite its predecessor's.
        self._mark = b"%d-%s-" % (place.producer, secrets.token_hex(4).encode())
        self._key = place.payload(self._mark)
        self._set = command("MULTI") + opening(5, "SET")
        self._post = CRLF + b"$2\r\nEX\r\n$%d\r\n%d\r\n" % (len(str(KEPT_S)), KEPT_S) + head
        self._close = CRLF + query + command("EXEC")
        self._count = 0
        self.answers = 5 if query else 4

    def around(self, nbytes: int) -> tuple[bytes, bytes]:
        """MULTI and SET before; the claim, and EXEC behind."""
        self._count += 1
        number = b"%d" % self._count
        key = self._key + number
        return (
            b"%s$%d\r\n%s\r\n$%d\r\n" % (self._set, len(key), key, nbytes),
            b"%s$%d\r\n%s%s%s" % (self._post, len(self._mark) + len(number), self._mark, number, self._close),
        )


def producer_of(claim: bytes) -> bytes:
    """The number of the producer as a claim has it, or nothing."""
    return claim.partition(b"-")[0]
