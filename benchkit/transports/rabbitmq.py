"""Messages through a RabbitMQ queue: publisher confirms, prefetch, classic or quorum queue, dead letters.

A message stays in the queue until a worker acknowledges it; what a worker held when its connection ended is handed
to the next one at once. The server is the machine's own program, started for the run, or the user's by its `url`.
"""

from __future__ import annotations

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

if TYPE_CHECKING:
    from benchkit.transports._rabbitmq.place import Queue


class Rabbitmq(Transport):
    """A RabbitMQ queue over AMQP 0-9-1; at least once.

    `depth` bounds the messages that wait in the queue, whoever sent them; what workers hold comes to that. Producers
    that fill it at one moment may each add up to `depth`. `url` holds a password: dumps and `config()` mask it, and
    the ends learn it from the address alone.
    """

    # A validation error quotes what it was given, here maybe the password.
    model_config = ConfigDict(hide_input_in_errors=True)

    kind: ClassVar[str] = "rabbitmq"
    install: ClassVar[str] = "pip install 'benchkit[rabbitmq]'"
    brokerless: ClassVar[bool] = False

    url: SecretStr | None = Field(
        None,
        description="a server of your own, amqp:// or amqps://user:password@host:port/vhost; "
        "without it the machine's rabbitmq-server is started for the run",
    )
    queue: Literal["classic", "quorum"] = Field(
        "classic", description="of one node, or replicated and logged by Raft (on one node: one replica)"
    )
    persistent: bool = Field(
        False,
        description="messages of a classic queue are written to a disk; those of a quorum queue always are. A killed "
        "process does not prove it: what is written and not synced outlives it in the kernel's memory",
    )
    confirms: bool = Field(True, description="the broker confirms each message (publisher confirms)")
    window: int = Field(
        256, ge=1, le=65_535,
        description="messages that may be unconfirmed, and are lost if their producer dies; "
        "1: `send` returns with the broker's confirm",
    )  # fmt: skip
    prefetch: int = Field(
        1, ge=1, le=65_535,
        description="messages that the broker hands to a worker before it acknowledges one: the size of a batch where "
        "there are batches; more are fetched ahead of their turn and wait in that worker",
    )  # fmt: skip
    overflow: Literal["block", "reject-publish", "drop-head"] = Field(
        "block",
        description="when `depth` messages wait: `send` waits, or the queue itself (x-max-length) refuses the new one "
        "or drops the oldest",
    )
    dead_letter: bool = Field(
        False,
        description="messages that the queue gives up (drop-head, delivery_limit) come back to their producer through "
        "a dead-letter exchange and count as rejected; without it they are lost",
    )
    delivery_limit: int | None = Field(
        None, ge=1, le=1000,
        description="after so many returns a quorum queue gives a message up (x-delivery-limit)",
    )  # fmt: skip

    disk: own_server.Disk = None

    @field_validator("url")
    @classmethod
    def _is_of_rabbitmq(cls, url: SecretStr | None) -> SecretStr | None:
        from benchkit.transports._rabbitmq.connect import target

        return own_server.read(url, target)

    @model_validator(mode="after")
    def _fit_together(self) -> Rabbitmq:
        if self.delivery_limit is not None and self.queue != "quorum":
            raise ValueError("delivery_limit is of quorum queues; write queue: quorum, or leave it out")
        if self.url is not None and self.disk is not None:
            raise ValueError("disk is for the run's own server, not for the one of `url`")
        if self.overflow == "reject-publish" and not self.confirms:
            raise ValueError(
                "without confirms nobody is told what reject-publish refuses; write confirms: true"
            )
        return self

    @property
    def how(self) -> str:
        """What kind of queue, for people."""
        facts = [f"{self.queue} queue"]
        facts += ["persistent messages"] if self.persistent and self.queue == "classic" else []
        facts += ["publisher confirms" if self.confirms else "no confirms"]
        facts += [self.overflow] if self.overflow != "block" else []
        facts += ["dead letters"] if self.dead_letter else []
        facts += ["a disk in memory"] if self.disk else []
        return ", ".join(facts)

    @classmethod
    def lacks(cls) -> BrokerError | None:
        """py-amqp, or a server on this machine."""
        from benchkit.transports._rabbitmq.connect import library
        from benchkit.transports._rabbitmq.server import missing, program

        try:
            library()
        except BrokerError as error:
            return error
        return None if program() else missing()

    def capabilities(self) -> Capabilities:
        """At least once; on a disk where messages are persistent or the queue is a quorum queue."""
        from benchkit.transports._rabbitmq.methods import MAX_MESSAGE_BYTES

        tls = (own_server.in_clear(self.url) or "").startswith("amqps://")
        return Capabilities(
            "at-least-once", "disk" if self.persistent or self.queue == "quorum" else "memory", "fifo",
            max_message_bytes=MAX_MESSAGE_BYTES, limit_name="RabbitMQ: 512 MB per message",
            many_producers=True, reroutable=not tls, reroutable_with="a url of amqp://host:port" if tls else "",
            level=self._level, revives=self.url is None,
        )  # fmt: skip

    @property
    def _level(self) -> str:
        """What a confirm says of a message (https://www.rabbitmq.com/docs/confirms#when-publishes-are-confirmed)."""
        kept = "transient messages"
        if self.queue == "quorum":
            kept = "Raft log of one node"
        elif self.persistent:
            kept = "persistent messages"
        kept += ", confirms" if self.confirms else ", no confirms"
        return kept + (IN_MEMORY if self.disk else "")

    def prepare(self, setup: Setup) -> AbstractContextManager[Address]:
        """The run's own server or a check of the user's, and the cell's queues; raises BrokerError."""
        from benchkit.transports._rabbitmq.connect import library
        from benchkit.transports._rabbitmq.place import Server, prepared

        library()
        return prepared(
            Server(own_server.in_clear(self.url), self.disk), setup, self._queue(setup), self.how,
            level_in(self.capabilities(), setup.folder),
        )  # fmt: skip

    def revive(self, address: Address, setup: Setup, keep_data: bool) -> Address:
        """The run's own server, at the same port; raises UsageError for a server of the user's own."""
        from benchkit.transports._rabbitmq.place import Server, revived

        if self.url is not None:
            return super().revive(address, setup, keep_data)
        return revived(address, setup, Server(None, self.disk), self._queue(setup), keep_data=keep_data)

    def _queue(self, setup: Setup) -> Queue:
        from benchkit.transports._rabbitmq.place import Queue

        most = self.depth * setup.producers
        return Queue(self.queue, self.overflow, most, self.dead_letter, self.delivery_limit)

    def through(self, address: Address, detour: Detour) -> Address:
        """The server's host and port."""
        from benchkit.transports._rabbitmq.place import led

        return led(address, detour)

    def sender(self, address: Address) -> Sender:
        """Publishes to the default exchange, or to one that dead letters find back from."""
        from benchkit.transports._rabbitmq.place import place_of
        from benchkit.transports._rabbitmq.sender import RabbitSender

        return RabbitSender(
            place_of(address), self.depth if self.overflow == "block" else None, self.window if self.confirms else 0,
            persistent=self.persistent, dead_letter=self.dead_letter,
        )  # fmt: skip

    def receiver(self, address: Address, worker: int) -> Receiver:  # noqa: ARG002  (workers of one queue are alike)
        """Consumes the queue with `prefetch`."""
        from benchkit.transports._rabbitmq.place import place_of
        from benchkit.transports._rabbitmq.worker import RabbitReceiver

        return RabbitReceiver(place_of(address), self.prefetch)
