"""Messages through a NATS JetStream stream: a work queue that workers pull from.

A message stays in the stream until a worker acknowledges it. A worker that lives says of what it holds that work is
in progress; what a dead one held is delivered again as soon as somebody takes its place, at the latest after
`ack_wait`. The server is the machine's own program, started for the run, or the user's by its `url`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field, SecretStr, field_validator

from benchkit.errors import BrokerError
from benchkit.transports.base import Address, Capabilities, Detour, Receiver, Sender, Setup, Transport
from benchkit.units import Seconds


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

        # The ends are built from a dump, in which the URL is masked.
        if url is not None and str(url) != url.get_secret_value():
            try:
                target(url.get_secret_value())
            except BrokerError as error:
                raise ValueError(f"{error.what}; {error.remedy}") from None
        return url

    @property
    def _secret_url(self) -> str | None:
        return None if self.url is None else self.url.get_secret_value()

    @property
    def how(self) -> str:
        """What kind of stream, for people."""
        facts = [f"stream in {'memory' if self.storage == 'memory' else 'files'}"]
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

        tls = bool(self._secret_url and self._secret_url.startswith("tls://"))
        return Capabilities(
            "at-least-once" if self.ack == "explicit" else "at-most-once",
            "disk" if self.storage == "file" else "memory", "fifo",
            max_message_bytes=MAX_PAYLOAD_BYTES, limit_name="NATS: max_payload is 64 MB at most",
            many_producers=True, reroutable=not tls, reroutable_with="a url of nats://host:port" if tls else "",
        )  # fmt: skip

    def prepare(self, setup: Setup) -> AbstractContextManager[Address]:
        """The run's own server or a check of the user's, stream and consumer; raises BrokerError."""
        from benchkit.transports._nats.place import Stream, prepared

        most = self.depth * setup.producers if self.overflow == "reject" else None
        stream = Stream(self.storage, self.ack == "explicit", most, self.ack_wait, self.max_ack_pending)
        return prepared(self._secret_url, setup, stream, self.how)

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
