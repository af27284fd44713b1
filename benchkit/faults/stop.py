"""SIGSTOP and SIGCONT: the process is there, holds what it holds, and does nothing."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from benchkit.faults.base import Fault, Party, Scene


class Stop(Fault):
    """Stop a party with SIGSTOP and let it go on after `lasting`"""

    kind: ClassVar[str] = "stop"

    party: Party = Field(description="whose process is stopped; one of several workers")

    @property
    def parties(self) -> tuple[Party, ...]:
        """The option."""
        return (self.party,)

    def inject(self, scene: Scene) -> None:
        """One process, and how far it had got."""
        pids = scene.stop(self.party)
        scene.memory[self] = [pids, scene.done_by(pids), None]

    def heal(self, scene: Scene) -> None:
        """Let it go on, having seen that it did nothing meanwhile."""
        stopped = scene.memory.get(self)
        if stopped is not None and stopped[2] is None:
            stopped[2] = scene.done_by(stopped[0])
        scene.cont(self.party)

    def proof(self, scene: Scene) -> str:
        """State T in the kernel's table, and not one event or instruction until it was let go."""
        pids, before, after = scene.memory.get(self, ((), None, None))
        if not pids or before != after:
            return ""
        who = ", ".join(f"pid {pid}" for pid in pids)
        return f"{self.party} ({who}): state T in /proc, and nothing done until it was continued ({before})"
