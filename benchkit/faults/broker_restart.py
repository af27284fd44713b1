"""A broker that dies and is started anew, with what it had on its disk or without."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from benchkit.faults.base import Fault, Party, Scene
from benchkit.faults.kill import killed
from benchkit.transports.base import Transport


class BrokerRestart(Fault):
    """Kill the broker and start it anew after `lasting`, with its data or without

    A killed process does not prove durability: what it had written and not synced survives in the kernel's memory.
    """

    kind: ClassVar[str] = "broker-restart"

    keep_data: bool = Field(True, description="it finds what it left on its disk; false: its disk is empty")

    @property
    def parties(self) -> tuple[Party, ...]:
        """The broker."""
        return ("broker",)

    def label(self) -> str:
        """For tables."""
        return f"broker-restart {'with' if self.keep_data else 'without'} its data"

    def refuses(self, transport: Transport) -> str:
        """No broker, or one of the user's own."""
        if reason := super().refuses(transport):
            return reason
        if not transport.capabilities().revives:
            return f"the broker of {transport.kind} is not the run's own"
        return ""

    def inject(self, scene: Scene) -> None:
        """It stays dead for now."""
        scene.hold_restarts("broker")
        scene.memory[self] = [scene.kill("broker"), None]

    def heal(self, scene: Scene) -> None:
        """Where it was; whoever had a connection finds it broken."""
        kept = scene.memory.get(self)
        if kept is None or kept[1] is not None:
            return
        from_ns = scene.now_ns()
        scene.revive_broker(keep_data=self.keep_data)
        kept[1] = (scene.pids("broker"), (scene.now_ns() - from_ns) * 1e-9)
        scene.restart("broker")

    def proof(self, scene: Scene) -> str:
        """How the old process ended, and that another one answers."""
        deaths, revived = scene.memory.get(self, ((), None))
        before = killed(deaths)
        if not before or revived is None or not revived[0]:
            return ""
        pids, took_s = revived
        data = "with the data on its disk" if self.keep_data else "on an empty disk"
        return f"{before}; pid {pids[0]} answered {data}, {took_s:.2f} s after it was started"
