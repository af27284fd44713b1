"""The reference: a bounded hand-over between threads of one process.

What it costs is the floor of everything else: one copy, because the producer may reuse its parts as soon as
`send` has returned, and one wake-up. Its memory is a fixed number of slots; a slot is the delivery too, so
that nothing is allocated for a message.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import ClassVar

from benchkit.errors import BrokerError, Rejected
from benchkit.tensors.wire import total_bytes
from benchkit.transports.base import (
    Address,
    Buffer,
    Capabilities,
    Delivery,
    Receiver,
    Reply,
    Sender,
    Setup,
    Transport,
)
from benchkit.transports.buffers import fresh, gather


class _Channel:
    """Where the ends of one cell meet; its queues hold at most `depth` slots between them."""

    __slots__ = ("free", "limit_bytes", "ready", "replies", "reply_limit_bytes")

    def __init__(self, setup: Setup, depth: int) -> None:
        self.limit_bytes = setup.message_bytes
        self.reply_limit_bytes = setup.reply_bytes
        self.free: SimpleQueue[_Slot] = SimpleQueue()
        self.ready: SimpleQueue[_Slot] = SimpleQueue()
        self.replies: SimpleQueue[bytes] = SimpleQueue()
        for _ in range(depth):
            self.free.put(_Slot(self))


_channels: dict[str, _Channel] = {}
"""By name, from `prepare` until its exit."""


class _Slot(Delivery):
    """Memory of one message in the transport, and its delivery."""

    __slots__ = ("_buffer", "_channel", "held_by", "view")

    def __init__(self, channel: _Channel) -> None:
        self._channel = channel
        self._buffer = memoryview(b"")
        self.view = self._buffer
        self.held_by: set[_Slot] = set()

    def fill(self, parts: Sequence[Buffer], nbytes: int) -> None:
        """Gather a message of `nbytes` into this slot."""
        buffer = self._buffer
        if buffer.nbytes < nbytes:
            self._buffer = buffer = fresh(nbytes)
        gather(parts, buffer)
        self.view = buffer[:nbytes].toreadonly()

    def reply(self, parts: Sequence[Buffer]) -> None:
        """Joined into bytes of its own, which live until the producer has seen them."""
        channel = self._channel
        reply = b"".join(parts)
        if len(reply) > channel.reply_limit_bytes:
            limit = channel.reply_limit_bytes
            raise Rejected(
                f"a reply of {len(reply)} bytes where at most {limit} were announced", where="inproc"
            )
        channel.replies.put(reply)

    def ack(self) -> None:
        """Nothing: the message exists once, in the worker's hands."""

    def release(self) -> None:
        """The slot is free for the next message."""
        if self in self.held_by:
            self.held_by.remove(self)
            self._channel.free.put(self)


class InprocSender(Sender):
    """The producer's end."""

    def __init__(self, channel: _Channel) -> None:
        self._limit_bytes = channel.limit_bytes
        self._queue = channel.ready
        self._free = channel.free.get
        self._ready = channel.ready.put
        self._replies = channel.replies.get
        self._no_reply = channel.replies.empty

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """Copies the parts into a free slot."""
        nbytes = total_bytes(parts)
        if nbytes > self._limit_bytes:
            raise Rejected(f"{nbytes} bytes where at most {self._limit_bytes} were announced", where="inproc")
        try:
            slot = self._free(True, timeout)
        except Empty:
            return False
        slot.fill(parts, nbytes)
        self._ready(slot)
        return True

    def reply(self, timeout: float) -> Reply | None:
        """The oldest reply not seen yet."""
        # Looking in vain is the usual case, and an exception costs ten times as much.
        if not timeout and self._no_reply():
            return None
        try:
            return Reply(memoryview(self._replies(True, timeout)))
        except Empty:
            return None

    def path(self) -> Mapping[str, str]:
        """The queue that messages are put into."""
        return _path(self._queue)


class InprocReceiver(Receiver):
    """A worker's end; all workers take from one queue."""

    def __init__(self, channel: _Channel) -> None:
        self._channel = channel
        self._ready = channel.ready.get
        self._held: set[_Slot] = set()

    def receive(self, timeout: float) -> Delivery | None:
        """The slot itself."""
        try:
            slot = self._ready(True, timeout)
        except Empty:
            return None
        slot.held_by = self._held
        self._held.add(slot)
        return slot

    def path(self) -> Mapping[str, str]:
        """The queue that messages are taken from."""
        return _path(self._channel.ready)

    def close(self) -> None:
        """Slots in hand become free: their messages are lost, as the guarantee says."""
        for slot in tuple(self._held):
            slot.release()


class Inproc(Transport):
    """Threads of one process: the reference that costs least."""

    kind: ClassVar[str] = "inproc"

    def capabilities(self) -> Capabilities:
        """Not zero-copy: the parts are gathered once, into memory that stays valid until `release`."""
        return Capabilities("at-most-once", "process", "fifo", same_host=True, same_process=True)

    @contextmanager
    def prepare(self, setup: Setup) -> Iterator[Address]:
        """A channel in this process, under the cell's name."""
        _channels[setup.name] = _Channel(setup, self.depth)
        try:
            path = "a queue between threads of one process, one copy"
            yield Address({"name": setup.name}, path, claim=_path(_channels[setup.name].ready))
        finally:
            del _channels[setup.name]

    def sender(self, address: Address) -> Sender:
        """Raises BrokerError outside the process that prepared."""
        return InprocSender(_channel(address))

    def receiver(self, address: Address, worker: int) -> Receiver:
        """Raises BrokerError outside the process that prepared."""
        del worker  # all take from one queue
        return InprocReceiver(_channel(address))


def _path(queue: object) -> dict[str, str]:
    """The process is named too: a channel is one only where both ends and `prepare` are in it."""
    return {"family": "threads", "mechanism": type(queue).__name__, "process": str(os.getpid())}


def _channel(address: Address) -> _Channel:
    channel = _channels.get(str(address.where["name"]))
    if channel is None:
        raise BrokerError(
            "its channel is not in this process",
            where="inproc",
            remedy="run both ends as threads of the process that prepared",
        )
    return channel
