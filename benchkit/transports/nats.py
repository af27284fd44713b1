"""Messages through a NATS JetStream stream: a work queue that workers pull from.

A message stays in the stream until a worker acknowledges it. A worker that lives says of what it holds that work is
in progress; what a dead one held is delivered again as soon as somebody takes its place, at the latest after
`ack_wait`. The server is the machine's own program, started for the run, or the user's by its `url`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from benchkit.errors import BrokerError
from benchkit.transports import own_server
from benchkit.transports.base import (
    IN_MEMORY,
    Address,
    Capabilities,
    Detour,
    Receiver,
    Sender,
    Setup,
    Transport,
    level_in,
)
from benchkit.units import Seconds

if TYPE_CHECKING:
    from benchkit.transports._nats.place import Server, Stream


class Nats(Transport):
    """A NATS JetStream stream with a pull consumer; at least once.

    `depth` bounds the messages of each producer in the stream: those that wait and those that workers hold. `url`
    holds a password: dumps and `config()` mask it, and the ends learn it from the address alone. Replies go straight
    from the worker to the producer, by core NATS.
    """

    # A validation error quotes what it was given, here maybe the password.
    model_config = ConfigDict(hide_input_in_errors=True)

    kind: ClassVar[str] = "nats"
    brokerless: ClassVar[bool] = False

    url: SecretStr | None = Field(
        None,
        description="a server of your own with JetStream, nats:// or tls://user:password@host:port, "
        "or nats://token@host:port; without it the machine's nats-server is started for the run",
    )
    storage: Literal["memory", "file"] = Field("memory", description="where the stream keeps its messages")
    sync: Literal["interval", "always"] = Field(
        "interval",
        description="when the run's own server syncs a stream in files: now and then (NATS: every two minutes), or "
        "before it answers (nats-server 2.10 or later); a killed process proves neither, because what is written and "
        "not synced outlives it in the kernel's memory",
    )
    disk: own_server.Disk = None
    ack: Literal["explicit", "none"] = Field(
        "explicit", description="workers acknowledge each message; none: what was delivered counts as done"
    )
    ack_wait: Seconds = Field(
        5.0, description="without a sign of life from its worker for so long, a message is delivered again"
    )
    max_ack_pending: int | None = Field(
        None,
        ge=1,
        description="messages that all workers together may hold; without it there is no such limit",
    )
    window: int = Field(
        256,
        ge=1,
        le=65_535,
        description="messages that the stream may not have answered yet (asynchronous publish), "
        "and that are lost if their producer dies",
    )
    sync_publish: bool = Field(False, description="`send` returns with the stream's answer (PubAck)")
    prefetch: int = Field(
        1, ge=1, le=10_000,
        description="messages that a worker asks for at a time; more are fetched ahead and wait in that worker",
    )  # fmt: skip
    overflow: Literal["block", "reject"] = Field(
        "block",
        description="when `depth` messages are in the stream: `send` waits, or the stream (max_msgs) refuses",
    )

    @field_validator("url")
    @classmethod
    def _is_of_nats(cls, url: SecretStr | None) -> SecretStr | None:
        from benchkit.transports._nats.connect import target

        return own_server.read(url, target)

    @model_validator(mode="after")
    def _fit_together(self) -> Nats:
        if self.url is not None and (self.sync != "interval" or self.disk is not None):
            raise ValueError(
                "sync and disk are for the run's own server: set sync_interval in your own one's"
            )
        if self.sync == "always" and self.storage == "memory":
            raise ValueError("a stream in memory is never synced; write storage: file")
        return self

    @property
    def how(self) -> str:
        """What kind of stream, for people."""
        facts = [f"stream in {'memory' if self.storage == 'memory' else 'files'}"]
        facts += ["synced always"] if self.sync == "always" else []
        facts += ["a disk in memory"] if self.disk else []
        facts += ["each publish awaited"] if self.sync_publish else []
        facts += ["no acknowledgements"] if self.ack == "none" else []
        facts += ["full: refuses"] if self.overflow == "reject" else []
        return ", ".join(facts)

    @classmethod
    def lacks(cls) -> BrokerError | None:
        """A server on this machine."""
        from benchkit.transports._nats.server import missing, program

        return None if program() else missing()

    def capabilities(self) -> Capabilities:
        """At least once, unless nothing is acknowledged; on a disk where the stream is in files."""
        from benchkit.transports._nats.wire import MAX_PAYLOAD_BYTES

        tls = (own_server.in_clear(self.url) or "").startswith("tls://")
        return Capabilities(
            "at-least-once" if self.ack == "explicit" else "at-most-once",
            "disk" if self.storage == "file" else "memory", "fifo",
            max_message_bytes=MAX_PAYLOAD_BYTES, limit_name="NATS: max_payload is 64 MB at most",
            many_producers=True, reroutable=not tls, reroutable_with="a url of nats://host:port" if tls else "",
            level=self._level, revives=self.url is None,
        )  # fmt: skip

    @property
    def _level(self) -> str:
        """What a PubAck says of a message."""
        if self.storage == "memory":
            return "JetStream memory"
        synced = "as its server is configured" if self.url is not None else self.sync
        return f"JetStream file, sync {synced}" + (IN_MEMORY if self.disk else "")

    def prepare(self, setup: Setup) -> AbstractContextManager[Address]:
        """The run's own server or a check of the user's, stream and consumer; raises BrokerError."""
        from benchkit.transports._nats.place import prepared

        return prepared(
            self._server(), setup, self._stream(setup), self.how, level_in(self.capabilities(), setup.folder)
        )

    def revive(self, address: Address, setup: Setup, keep_data: bool) -> Address:
        """The run's own server, at the same port; raises UsageError for a server of the user's own."""
        from benchkit.transports._nats.place import revived

        if self.url is not None:
            return super().revive(address, setup, keep_data)
        return revived(address, setup, self._server(), self._stream(setup), keep_data=keep_data)

    def _server(self) -> Server:
        from benchkit.transports._nats.place import Server

        return Server(own_server.in_clear(self.url), self.sync, self.disk)

    def _stream(self, setup: Setup) -> Stream:
        from benchkit.transports._nats.place import Stream

        most = self.depth * setup.producers if self.overflow == "reject" else None
        return Stream(self.storage, self.ack == "explicit", most, self.ack_wait, self.max_ack_pending)

    def through(self, address: Address, detour: Detour) -> Address:
        """The server's host and port."""
        from benchkit.transports._nats.place import led

        return led(address, detour)

    def broker_counts(self, address: Address) -> Mapping[str, int] | None:
        """Of the run's own server, whose system account is known; raises BrokerError."""
        from benchkit.transports._nats.counts import counts

        observer = str(address.where["observer"])
        return counts(observer) if observer else None

    def sender(self, address: Address) -> Sender:
        """Publishes to the stream, with a PubAck for each message."""
        from benchkit.transports._nats.place import place_of
        from benchkit.transports._nats.sender import NatsSender

        depth = self.depth if self.overflow == "block" else None
        return NatsSender(place_of(address), depth, 1 if self.sync_publish else self.window)

    def receiver(self, address: Address, worker: int) -> Receiver:
        """Pulls from the consumer that all workers share."""
        from benchkit.transports._nats.place import place_of
        from benchkit.transports._nats.worker import NatsReceiver

        return NatsReceiver(
            place_of(address), worker, self.prefetch, self.ack_wait if self.ack == "explicit" else 0.0
        )
