"""The options of both Redis transports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from benchkit.transports import own_server
from benchkit.transports._redis.connect import check
from benchkit.transports._redis.persistence import LEVELS, UNTOLD, Persistence
from benchkit.transports._redis.resp import MAX_VALUE_BYTES, Commands
from benchkit.transports.base import IN_MEMORY, Address, Capabilities, Detour, Setup, Transport
from benchkit.transports.sockets import Buffer, SocketOptions

if TYPE_CHECKING:
    from benchkit.transports._redis.place import Server


class RedisTransport(SocketOptions, Transport):
    """A server, the user's or the embedded one.

    `url` holds a password: dumps and `config()` mask it, and the ends learn it from the address alone.
    """

    # A validation error quotes what it was given, here maybe the password.
    model_config = ConfigDict(hide_input_in_errors=True)

    requires: ClassVar[tuple[str, ...]] = ("redis",)
    install: ClassVar[str] = "pip install redis"
    brokerless: ClassVar[bool] = False

    url: SecretStr | None = Field(
        None,
        description="a server of your own, Redis 6.2 or later or Valkey: redis://, rediss:// or unix://; "
        "without it an embedded Valkey is started",
    )
    socket: Literal["unix", "tcp"] = Field("unix", description="how to reach the embedded broker")
    layout: Literal["inline", "claim-check"] = Field(
        "inline",
        description="where the payload is: in the list or stream itself, or in a key of its own "
        "with a short claim to it in the list or stream",
    )
    client: Literal["fast", "plain"] = Field(
        "fast",
        description="how the server is spoken to: scatter/gather on its socket, or ordinary redis-py calls",
    )

    maxlen: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="the server keeps so many waiting messages and drops the oldest; less than depth, else "
        "`send` blocks before",
    )

    output_buffer: Buffer | None = Field(
        None,
        description="bytes of answers that may wait for one client of the embedded broker before it is cut off "
        "(client-output-buffer-limit, hard; default: any number)",
    )

    persistence: Persistence = Field(
        "none",
        description="what the embedded broker keeps in files of the run's folder: nothing, or each command in an "
        "append-only file, synced every second or before it is answered; a killed process proves neither, because what "
        "is written and not synced outlives it in the kernel's memory",
    )
    disk: own_server.Disk = None

    @model_validator(mode="after")
    def _is_one_of_a_kind(self) -> Self:
        if self.client == "plain":
            given = [name for name in ("send_buffer", "receive_buffer", "maxlen") if getattr(self, name)]
            given += [] if self.nodelay else ["nodelay"]
            if given:
                raise ValueError(
                    f"client: plain is redis-py as it comes: {', '.join(given)} needs client: fast"
                )
        if self.output_buffer is not None and self.url is not None:
            raise ValueError(
                "output_buffer is for the embedded broker: set it in your own server's configuration"
            )
        if self.url is not None and (self.persistence != "none" or self.disk is not None):
            raise ValueError(
                "persistence and disk are for the embedded broker: set appendonly and appendfsync in your own "
                "server's configuration; it is read, and told where the server allows CONFIG GET"
            )
        if self.maxlen is not None:
            if self.maxlen >= self.depth:
                raise ValueError(f"maxlen {self.maxlen} is never reached: send blocks at depth {self.depth}")
            if self.layout == "claim-check":
                raise ValueError("maxlen drops claims and leaves their payloads: use layout: inline")
        return self

    @field_validator("url")
    @classmethod
    def _is_of_redis(cls, url: SecretStr | None) -> SecretStr | None:
        return own_server.read(url, check)

    @property
    def how(self) -> str:
        """What differs from the defaults, for people."""
        plain = ", ordinary redis-py" if self.client == "plain" else ""
        return plain + (", payloads in keys of their own" if self.layout == "claim-check" else "")

    @property
    def secret_url(self) -> str | None:
        """The URL in clear, None for the embedded broker."""
        return own_server.in_clear(self.url)

    def capabilities(self) -> Capabilities:
        """At least once, first in first out; unacknowledged messages are where `persistence` keeps them."""
        tcp = self.secret_url.startswith("redis://") if self.secret_url else self.socket == "tcp"
        other = "a url of redis://host:port" if self.url else "socket: tcp"
        return Capabilities(
            "at-least-once", "memory" if self.persistence == "none" else "disk", "fifo",
            max_message_bytes=MAX_VALUE_BYTES, limit_name="Redis: 512 MB per value", many_producers=True, refuses=True,
            drops="" if self.maxlen is None else "maxlen",
            reroutable=tcp, reroutable_with="" if tcp else other, revives=self.url is None,
            level=self._level,
        )  # fmt: skip

    def revive(self, address: Address, setup: Setup, keep_data: bool) -> Address:
        """The embedded broker, at the same socket and port; raises UsageError for a server of the user's own."""
        from benchkit.transports._redis.place import revived

        if self.url is not None:
            return super().revive(address, setup, keep_data)
        return revived(address, setup, self.server, self.first(setup), keep_data=keep_data)

    @property
    def _level(self) -> str:
        """What an answer says of a message."""
        if self.url is not None:
            return UNTOLD
        return LEVELS[self.persistence] + (IN_MEMORY if self.disk and self.persistence != "none" else "")

    @property
    def server(self) -> Server:
        """Which server, and what it must be told."""
        from benchkit.transports._redis.place import Server

        return Server(self.secret_url, self.socket, self.persistence, self.disk, self.output_buffer)

    def first(self, setup: Setup) -> Commands:  # noqa: ARG002  (a hook)
        """What must be there before the ends: commands, the server's keys being absent."""
        return ()

    def through(self, address: Address, detour: Detour) -> Address:
        """The server's host and port."""
        from benchkit.transports._redis.place import led

        return led(address, detour)

    def broker_counts(self, address: Address) -> Mapping[str, int]:
        """By INFO, over a connection of its own; raises BrokerError."""
        from benchkit.transports._redis.counts import counts

        return counts(str(address.where["url"]))
