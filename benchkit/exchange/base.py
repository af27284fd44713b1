"""The two ends of an exchange, and the timed loops around them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from benchkit.errors import PartyError
from benchkit.tensors.wire import Buffer

PATIENCE_S = 20
"""How long an end waits for the other before it gives up."""
ACK = b"\x06"
"""What a consumer answers."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the two ends of one exchange meet: plain data, the same for both."""

    name: str
    """Unguessable and unique; begins every name that is visible on the machine."""
    folder: Path
    """A private folder, removed by whoever made it."""
    nbytes: int
    """Length of every message."""
    where: Mapping[str, str | int]
    """What else the ends must know: a transport's address, a broker's URL."""
    cores: tuple[int, ...] = ()
    """Where the consumer is pinned, for a recipe whose consumer is a process that the producer starts."""

    @property
    def socket(self) -> str:
        """The path of a socket in the folder."""
        return str(self.folder / "x")

    def plain(self) -> dict[str, Any]:
        """As it travels to a party; `Spot.of` makes it one again."""
        return {
            **{name: getattr(self, name) for name in ("name", "nbytes", "where", "cores")},
            "folder": str(self.folder),
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Spot:
        """The inverse of `plain`."""
        return cls(
            plain["name"], Path(plain["folder"]), plain["nbytes"], plain["where"], tuple(plain["cores"])
        )


class Near(ABC):
    """The producer's end."""

    @abstractmethod
    def exchange(self, payload: bytes) -> None:
        """Send and see the acknowledgement; raises OSError or PartyError when the other end is gone."""

    def served(self) -> Served | None:
        """What the consumer saw since the last call, where it answers to this end alone."""
        return None

    def close(self) -> None:
        """Give back what the constructor took."""


class Far(ABC):
    """The consumer's end; `take` and `give` alternate."""

    @abstractmethod
    def take(self) -> Buffer:
        """Wait for the whole message; it is readable until `give`."""

    @abstractmethod
    def give(self) -> None:
        """Acknowledge it."""

    def serve(self, count: int) -> Served:
        """Take `count` messages. The first one is read whole, the others are not."""
        clock, take, give = time.monotonic_ns, self.take, self.give
        received = array("q", bytes(8 * count))
        digest = 0
        for index in range(count):
            message = take()
            received[index] = clock()
            if not index:
                digest = xxhash.xxh3_64_intdigest(message)
            del message
            give()
        return Served(received, digest)

    def close(self) -> None:
        """Give back what the constructor took."""


@dataclass(slots=True)
class Served:
    """What the consumer saw in a block."""

    received: array[int]
    """When each message was readable, on the clock of the stamps; empty where nobody can tell."""
    digest: int
    """XXH3 of one of the messages."""


@dataclass(slots=True)
class Driven:
    """What the producer saw in a block: when each exchange began and ended."""

    began: array[int]
    ended: array[int]
    digest: int


def drive(near: Near, payload: bytes, count: int) -> Driven:
    """`count` exchanges, one after the other."""
    clock, exchange = time.monotonic_ns, near.exchange
    began, ended = array("q", bytes(8 * count)), array("q", bytes(8 * count))
    for index in range(count):
        began[index] = clock()
        exchange(payload)
        ended[index] = clock()
    return Driven(began, ended, xxhash.xxh3_64_intdigest(payload))


def gone(what: str) -> PartyError:
    """The error of an end that waits in vain."""
    return PartyError(
        f"{what} within {PATIENCE_S} s", where="exchange", remedy="see whether the other end lives"
    )
