"""ZeroMQ: a socket for each worker, over a Unix socket (`ipc`) or the loopback interface (`tcp`).

The protocol is told in `_zeromq`. A message is copied once, into memory that libzmq sends from, and read in
the memory that libzmq received it in; its two threads move it meanwhile.

A message is in libzmq's memory on either side, in the kernel's, or in a worker's hands. If that worker dies
it is lost, and the producer goes on with the others, or with whoever listens for its number next.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from benchkit.errors import Rejected, StorageError
from benchkit.tensors.wire import total_bytes
from benchkit.transports._direct.meeting import meeting
from benchkit.transports._zeromq.place import HOST, KEY_BYTES, LEAST_LIMIT_BYTES, bind, port_path, through
from benchkit.transports.base import (
    Address,
    Buffer,
    Capabilities,
    Delivery,
    Detour,
    Endpoint,
    Receiver,
    Sender,
    Setup,
    Transport,
)

if TYPE_CHECKING:
    from zmq import Frame

_LINGER_MS = 500
"""How long closing a worker's end waits for replies that are on their way to a living producer."""


class ZeromqDelivery(Delivery):
    """A message in the memory that libzmq received it in."""

    __slots__ = ("_owes", "_producer", "_receiver", "view")

    def __init__(self, receiver: ZeromqReceiver, producer: bytes, frame: Frame) -> None:
        self._receiver = receiver
        self._producer = producer
        self._owes = True
        self.view = frame.buffer.toreadonly()

    def reply(self, parts: Sequence[Buffer]) -> None:
        """Acknowledges too, so that a message with a reply costs one message back."""
        nbytes = total_bytes(parts)
        if nbytes > self._receiver.reply_limit_bytes:
            limit = self._receiver.reply_limit_bytes
            raise Rejected(f"a reply of {nbytes} bytes where at most {limit} were announced", where="zeromq")
        self._owes = False
        self._receiver.answer((self._producer, b"".join(parts)))

    def ack(self) -> None:
        """Goes without waiting."""
        if self._owes:
            self._owes = False
            self._receiver.answer((self._producer, b"", b""))

    def release(self) -> None:
        """libzmq's memory goes back to the allocator."""
        self.view = memoryview(b"")


class ZeromqReceiver(Receiver):
    """A worker's end: one ROUTER, which answers each producer by its identity."""

    def __init__(self, address: Address, worker: int) -> None:
        import zmq

        where = address.where
        self.reply_limit_bytes = int(where["reply_bytes"])
        self._key = bytes.fromhex(str(where["key"]))
        self._again = zmq.Again
        self._timeout_ms = -1
        self._context: zmq.Context[Any] = zmq.Context()
        self._sock = sock = self._context.socket(zmq.ROUTER)
        sock.rcvhwm = 2 * int(where["depth"])
        sock.sndhwm = 0  # no more than there are messages in flight; at a mark, a ROUTER forgets
        sock.maxmsgsize = max(int(where["message_bytes"]), LEAST_LIMIT_BYTES)
        sock.linger = _LINGER_MS
        try:
            bind(sock, where, worker)
        except zmq.ZMQError as error:
            self._context.destroy(0)
            raise StorageError(f"cannot listen: {error.strerror}", where="zeromq") from error
        self.answer = sock.send_multipart

    def receive(self, timeout: float) -> Delivery | None:
        """The next message of any producer."""
        timeout_ms = ceil(timeout * 1000)
        sock = self._sock
        if timeout_ms != self._timeout_ms:
            self._timeout_ms = sock.rcvtimeo = timeout_ms
        try:
            while True:
                producer = sock.recv()
                frame = sock.recv(copy=False)
                if producer.startswith(self._key) and not frame.more:
                    return ZeromqDelivery(self, producer, frame)
                while frame.more:
                    frame = sock.recv(copy=False)
        except self._again:
            return None

    def close(self) -> None:
        """What was not acknowledged is lost, as the guarantee says."""
        self._context.destroy()


class Zeromq(Transport):
    """ZeroMQ over Unix sockets or loopback TCP, a DEALER and a ROUTER for each worker."""

    kind: ClassVar[str] = "zeromq"
    requires: ClassVar[tuple[str, ...]] = ("zmq",)
    install: ClassVar[str] = "pip install 'benchkit[zeromq]'"

    via: Literal["ipc", "tcp"] = Field("ipc", description="Unix sockets in a private folder, or 127.0.0.1")

    def capabilities(self) -> Capabilities:
        """Each worker sees its messages in the order sent; one that dies takes them with it."""
        tcp = self.via == "tcp"
        return Capabilities(
            "at-most-once",
            "process",
            "per-worker",
            same_host=True,
            reroutable=tcp,
            reroutable_with="" if tcp else "via: tcp",
        )

    def floor(self) -> str:
        """One send over the same kind of socket."""
        return "unix-socket" if self.via == "ipc" else "tcp-socket"

    @contextmanager
    def prepare(self, setup: Setup) -> Iterator[Address]:
        """Nothing runs yet: the workers make their sockets in the cell's folder; removed here at the end."""
        with meeting(setup, self.depth) as where:
            where |= {"via": self.via, "key": secrets.token_hex(KEY_BYTES)}
            try:
                over = "a Unix socket" if self.via == "ipc" else "TCP on 127.0.0.1"
                yield Address(where, path=f"ZeroMQ over {over} to each worker")
            finally:
                for worker in range(setup.workers):
                    port_path(where, worker).unlink(missing_ok=True)
                    port_path(where, worker).with_suffix(".new").unlink(missing_ok=True)

    def through(self, address: Address, detour: Detour) -> Address:
        """To each worker, at whatever port it will have chosen."""
        where = dict(address.where)
        for worker in range(int(where["workers"])):
            where[through(worker)] = detour(Endpoint(HOST, port_file=str(port_path(where, worker))))
        return replace(address, where=where)

    def sender(self, address: Address) -> Sender:
        """Connects to every worker; raises BrokerError when none listens."""
        from benchkit.transports._zeromq.sender import ZmqSender

        return ZmqSender(address)

    def receiver(self, address: Address, worker: int) -> Receiver:
        """Listens in place of whoever had this worker number before."""
        return ZeromqReceiver(address, worker)
