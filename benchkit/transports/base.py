"""The seam that a transport implements; third parties register theirs under `benchkit.transports`.

One class per end. The engine owns sequence numbers, checksums and stamps, so a transport cannot flatter
itself: it never reads a clock. A party is one thread of one process; no end is shared between threads.

::

    runner     transport.prepare(setup) -> Address          broker, segment, folder; cleaned up whatever happens
               transport.through(address, detour) -> Address  the same, its connections led through a link
    producer   transport.sender(address)   -> send(parts), reply()
    worker i   transport.receiver(address, i) -> receive() -> Delivery: view, reply(parts), ack(), release()
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Protocol, TypeVar

from pydantic import Field

from benchkit.errors import UsageError
from benchkit.link.plan import Endpoint
from benchkit.plugins import Plugin, Registry
from benchkit.runtime.disk import in_memory
from benchkit.tensors.wire import Buffer

__all__ = [
    "IN_MEMORY",
    "Address",
    "ArraySpec",
    "Buffer",
    "Capabilities",
    "Delivery",
    "Detour",
    "Endpoint",
    "Receiver",
    "Reply",
    "Sender",
    "Setup",
    "Slot",
    "Transport",
    "level_in",
]

T = TypeVar("T")

IN_MEMORY = ", on a disk in memory"
"""Of `Capabilities.level`: its files are on a tmpfs, on which a sync costs nothing and proves nothing."""

Detour = Callable[[Endpoint], int]
"""Where to connect to instead of an endpoint: a port of 127.0.0.1, of whoever passes everything on to it."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a transport promises, so that a comparison of unlike guarantees can say so."""

    delivery: Literal["at-most-once", "at-least-once", "exactly-once-observed"]
    """What happens to a message whose worker dies before `ack`: lost, or delivered again."""
    durability: Literal["process", "memory", "disk"]
    """What holds unacknowledged messages: an end's own process, another process's memory, a disk."""
    ordering: Literal["fifo", "per-worker", "none"]
    zero_copy: bool = False
    """The receiver's view is the memory that the sender wrote."""
    same_host: bool = False
    same_process: bool = False
    """Both ends must live in one process (the engine then runs them as threads)."""
    max_message_bytes: int | None = None
    limit_name: str = ""
    """What sets `max_message_bytes`, for people: "Redis: 512 MB per value"."""
    many_producers: bool = False
    """Several senders may be open at a time; each reply goes to the one that its message came from."""
    external_stage: bool = False
    """The stage is a server of somebody else's: no worker of ours runs, `receiver` is never asked for."""
    loans: bool = False
    """`Sender.loan` lends memory in which a message can be written where its reader will find it."""
    in_place: bool = False
    """The scenario asks for that: messages stand in lent memory before they are due, as those of a camera do
    that writes there by itself. Needs `loans`.
    """
    reroutable: bool = False
    """All that an end moves goes over connections that `Transport.through` can lead another way."""
    refuses: bool = False
    """A full server says no after `send` took a message (503): the same message may be taken a little later."""
    drops: str = ""
    """The option by which it drops messages that it has taken (`maxlen`); `Sender.dropped` says how many."""
    reroutable_with: str = ""
    """The option that would make it so: "socket: tcp"."""
    datagrams: bool = False
    """What goes over them is UDP: a link can lose, double and reorder it."""
    level: str = ""
    """How durable a message is that `unconfirmed` no longer counts, in words: "AOF fsynced before each answer"; empty
    where there is nothing to say beyond `durability`. It is what was asked for: a process that is killed does not
    prove it, because what was written and not synced is still in the kernel's page cache.
    """
    revives: bool = False
    """`Transport.revive` can start the broker anew: it is one of the run's own."""


def level_in(promised: Capabilities, folder: Path) -> str:
    """`promised.level`, and that the files are in memory where the run's folder turns out to be."""
    known = promised.durability != "disk" or promised.level.endswith(IN_MEMORY)
    return promised.level if known or not in_memory(folder) else promised.level + IN_MEMORY


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """A named array as it will be, for transports that must tell or ask the other side."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    """-1 for a side that differs from message to message."""

    def takes(self, dtype: str, shape: Sequence[int]) -> bool:
        """Whether an array of this dtype and shape is one."""
        return (
            dtype == self.dtype
            and len(shape) == len(self.shape)
            and all(own in (-1, side) for own, side in zip(self.shape, shape, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Address:
    """Where the ends meet: plain data that can cross to another process or host. It may hold a password,
    so it is never written to a file; `path` may be, and says what was really used.
    """

    where: Mapping[str, str | int] = field(repr=False)
    path: str = ""
    """For people, measured and not assumed: "valkey 9.1.2 over a Unix socket"."""
    broker_pid: int | None = None
    """Whose CPU time and memory are the broker's."""
    claim: Mapping[str, str] = field(default_factory=dict)
    """What the ends will find when they look (`Sender.path`): `family` (unix, tcp, tls; memory or threads where
    no socket is used), `server` ("valkey 9.1.2"), and what else names the mechanism. It goes into the record.
    """
    level: str = ""
    """`Capabilities.level` as it turned out: what a server of the user's own told of itself, or that the run's folder
    is in memory; empty where nothing was looked at.
    """


class Share(Protocol):
    """Enters `make()` once per run for each `key` and keeps it until the run ends (a broker, say)."""

    def __call__(self, key: str, make: Callable[[], AbstractContextManager[T]]) -> T: ...


@dataclass(frozen=True, slots=True)
class Setup:
    """What `prepare` may know of its cell."""

    name: str
    """Unguessable and unique; begins every name that is visible on the machine (keys, segments, sockets)."""
    folder: Path
    """A private folder (0700), short enough for a socket's path; removed by the engine."""
    message_bytes: int
    """No message of this cell is longer, envelope included."""
    reply_bytes: int
    """No reply is longer, envelope included."""
    workers: int
    share: Share
    producers: int = 1
    """Senders that will be open at a time; more than one only where `many_producers` is declared."""
    inputs: tuple[ArraySpec, ...] = ()
    """The messages' arrays, where the cell's codec sends them as they are (`raw`); else none."""
    outputs: tuple[ArraySpec, ...] = ()
    """The replies' arrays, likewise, as far as the stage run locally could tell."""


@dataclass(slots=True)
class Reply:
    """A reply seen by the producer."""

    view: memoryview
    """The reply's bytes, valid until the next call of the sender."""
    rejected: bool = False
    """The transport refused a message after `send` took it; `view` is the start of that message instead."""
    lost: bool = False
    """The transport knows of a message that neither it nor its reply will come any more; `view` likewise. For
    transports that promise no more than at-most-once; a reply that comes all the same is not shown.
    """
    retry_after_s: float = 0.0
    """Of a refused one: seconds after which the other side asks to try again (HTTP's Retry-After)."""


class Slot(ABC):
    """Memory of the transport, lent to be written in place: one message, once it is sent."""

    view: memoryview
    """Writable bytes, as many as were asked for; not to be touched after `send` or `give_back`."""
    place: int
    """Which memory this is. Lent again under the same number, it still holds what it held when it was sent."""

    @abstractmethod
    def send(self, nbytes: int) -> None:
        """Hand over the first `nbytes` as one message; nothing is copied and nothing waited for.

        Messages keep the order of `send`, not that of `loan`. Raises Rejected for more than was lent, and
        BrokerError when the slot was sent or given back before or its sender is closed.
        """

    @abstractmethod
    def give_back(self) -> None:
        """It is not needed: another message may have its place. Nothing happens where it is gone already."""


class Sender(ABC):
    """The producer's end."""

    @abstractmethod
    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """Hand over one message; True when it was, False when it was still full after `timeout` seconds.

        `parts` are gathered, not joined. False means that nothing was sent: the engine sees replies and
        tries again, and all of that wait counts as `send` (backpressure). The parts may be reused once it
        has returned. Raises Rejected when the message can never be taken, BrokerError when the other side
        is gone.
        """

    @abstractmethod
    def reply(self, timeout: float) -> Reply | None:
        """The next reply in any order, or None after `timeout` seconds (0: do not wait)."""

    def loan(self, nbytes: int, timeout: float) -> Slot | None:  # noqa: ARG002  (the seam's signature)
        """Memory for a message of at most `nbytes`, or None when there is still none after `timeout` seconds.

        Several may be out; each takes the place of a message, so that with `depth` of them nothing can be sent.
        Those of a sender that closes or dies are given back. Raises Rejected when no message may be so long,
        UsageError where `Capabilities.loans` is not declared.
        """
        raise UsageError("this transport lends no memory", remedy="ask for Capabilities.loans first")

    def unconfirmed(self) -> int:
        """How many of the messages that `send` took, the latest ones, nobody has said yet to have.

        They may die with this end; the earlier ones are where `Capabilities.durability` says. Takes in the answers
        that are there and waits for none. 0 where `send` returns only when the message has arrived there, or where
        nobody will ever say.
        """
        return 0

    def dropped(self) -> Mapping[str, int]:
        """Messages that it took from this end and that an option of its own dropped, by that option's name.

        As far as is known; asked now and then while replies are awaited, and at the end. Those of
        `Capabilities.drops`.
        """
        return {}

    def spun_s(self) -> float:
        """Seconds that this end has spent so far looking again and again instead of sleeping.

        Part of its CPU time (unless the processor was taken away meanwhile); 0 where it does no such thing.
        """
        return 0.0

    def path(self) -> Mapping[str, str]:
        """What this end really uses, in the words of `Address.claim`, asked of the live socket, server or segment.

        Called once, before the first message. What it names otherwise than the claim does makes the cell
        invalid; what it cannot know it leaves out.
        """
        return {}

    def counts(self) -> Mapping[str, int]:
        """What this end counted of itself since it opened, by names of its own: fragments, what was lost, ...

        Called once, when all messages are done with and before `close`. It goes into the record as it is.
        """
        return {}

    def close(self) -> None:
        """Give back what the constructor took; called once, also after an error."""


class Delivery(ABC):
    """One received message. The engine calls reply (at most once), ack, release, in this order."""

    view: memoryview
    """The whole message, read-only, valid until `release`."""

    @abstractmethod
    def reply(self, parts: Sequence[Buffer]) -> None:
        """Hand the reply over towards the producer."""

    @abstractmethod
    def ack(self) -> None:
        """The message is done and must not be delivered again. May be sent without waiting for the answer."""

    def release(self) -> None:
        """The view is no longer used; its memory may be reused."""


class Receiver(ABC):
    """A stage worker's end."""

    @abstractmethod
    def receive(self, timeout: float) -> Delivery | None:
        """The next message, or None after `timeout` seconds. Several deliveries may be held (batches)."""

    def spun_s(self) -> float:
        """See Sender.spun_s."""
        return 0.0

    def path(self) -> Mapping[str, str]:
        """See Sender.path; called once, before the first message is received."""
        return {}

    def counts(self) -> Mapping[str, int]:
        """See Sender.counts."""
        return {}

    def close(self) -> None:
        """Give back what the constructor took; called once, also after an error.

        Deliveries that were not acknowledged are left for others where the guarantee promises it.
        """


class Transport(Plugin):
    """A way to move messages; options are the fields."""

    depth: int = Field(8, ge=1, le=1_000_000, description="messages in the transport before `send` blocks")
    """With several producers: messages of each of them, unless the transport says more."""

    brokerless: ClassVar[bool] = True

    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What it promises with these options; asked without anything running."""

    def floor(self) -> str:
        """The raw exchange beneath it, by its name in benchkit.exchange, so that reports can say "2.1x its floor".

        Empty where there is none.
        """
        return ""

    @abstractmethod
    def prepare(self, setup: Setup) -> AbstractContextManager[Address]:
        """What must run or exist before either end opens; undone on exit, whatever happened.

        Raises StorageError or BrokerError with a remedy.
        """

    def through(self, address: Address, detour: Detour) -> Address:  # noqa: ARG002  (a hook)
        """The address for an end whose connections go through a link: every endpoint in it by way of `detour`.

        Asked where `Capabilities.reroutable` is declared; `address` is what `prepare` gave, and stays valid for ends
        that go straight. A server that is not there yet is named by the file that will hold its port.
        """
        raise UsageError(f"transport {self.kind} has no connection to lead through a link")

    def revive(self, address: Address, setup: Setup, keep_data: bool) -> Address:  # noqa: ARG002  (a hook)
        """Start the run's own broker anew where it was, with the data that it left on its disk or without any.

        Whatever is left of the old process is ended first. The address is the one that `prepare` gave, but for the
        process: ends can be opened anew with either, and what they need (a stream, a group, queues) is there again.
        `prepare`'s clean-up ends the new process too. Called by the thread that called `prepare`, while its context
        is open. Raises UsageError where there is no broker of the run's own, BrokerError where it does not start.
        """
        raise UsageError(
            f"transport {self.kind} has no broker of the run's own to start anew",
            remedy="leave its `url` out" if not self.brokerless else "choose a fault of another party",
        )

    def server_times(self, address: Address) -> Mapping[str, int] | None:  # noqa: ARG002  (a hook)
        """What an external stage's own counters say so far: `requests`, `queue_ns`, `compute_ns`; None: nothing."""
        return None

    def broker_counts(self, address: Address) -> Mapping[str, int] | None:  # noqa: ARG002  (a hook)
        """What a broker's own counters say so far, by the fields of `records.run.BrokerCounts`; None: nothing.

        Asked in the runner before and after a block. A counter that the broker does not keep is left out.
        """
        return None

    @abstractmethod
    def sender(self, address: Address) -> Sender:
        """Opened in each producer, after all receivers.

        Where there are several, `where` says which of them this is: `producer`, 0 to producers-1.
        """

    @abstractmethod
    def receiver(self, address: Address, worker: int) -> Receiver:
        """Opened in stage worker number `worker` (0 to workers-1); ready for messages when it returns."""


registry: Registry[Transport] = Registry("benchkit.transports", "transport", Transport)
