"""A broker that has no memory left, or whose snapshot failed: it lives, and refuses to write."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from benchkit.faults.base import Fault, Scene
from benchkit.transports._redis.options import RedisTransport
from benchkit.transports._redis.starving import ERRORS, Lack, refusals, relieve, starve
from benchkit.transports.base import Transport


class BrokerOom(Fault):
    """Let the embedded Valkey refuse to write for `lasting`: OOM (maxmemory), or MISCONF (a snapshot that failed)"""

    kind: ClassVar[str] = "broker-oom"

    lack: Lack = Field("memory", description="memory: its maxmemory becomes 1 byte; snapshot: a BGSAVE fails")

    def label(self) -> str:
        """`broker-oom OOM`."""
        return f"{self.kind} {ERRORS[self.lack]}"

    def refuses(self, transport: Transport) -> str:
        """Another kind of broker, or one of the user's own."""
        if not isinstance(transport, RedisTransport):
            return f"{transport.kind} has no embedded Valkey, whose limits can be set while it runs"
        return "" if transport.capabilities().revives else "its broker is not the run's own"

    def inject(self, scene: Scene) -> None:
        """By its own configuration."""
        before = refusals(scene.address, self.lack)
        scene.memory[self] = [before, None]
        starve(scene.address, self.lack)

    def heal(self, scene: Scene) -> None:
        """As it was configured."""
        kept = scene.memory.get(self)
        if kept is None or kept[1] is not None:
            return
        kept[1] = refusals(scene.address, self.lack)
        relieve(scene.address, self.lack)

    def proof(self, scene: Scene) -> str:
        """The server's own count of what it refused."""
        before, after = scene.memory.get(self, (0, None))
        if after is None or after <= before:
            return ""
        return f"the broker refused {after - before} commands with {ERRORS[self.lack]}, by its own count"
