"""The options of both Redis transports."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field, SecretStr

from benchkit.transports._redis.resp import MAX_VALUE_BYTES
from benchkit.transports.base import Capabilities, Transport


class RedisTransport(Transport):
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

    @property
    def secret_url(self) -> str | None:
        """The URL in clear, None for the embedded broker."""
        return None if self.url is None else self.url.get_secret_value()

    def capabilities(self) -> Capabilities:
        """At least once, first in first out; unacknowledged messages are in the server's memory."""
        return Capabilities(
            "at-least-once", "memory", "fifo", max_message_bytes=MAX_VALUE_BYTES, many_producers=True
        )
