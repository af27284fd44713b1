"""SIGKILL: the process is gone between two instructions and says nothing."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from benchkit.faults.base import Died, Fault, Party, Scene

SIGKILL = 9


class Kill(Fault):
    """Kill a party with SIGKILL; it is started again after `lasting`"""

    kind: ClassVar[str] = "kill"

    party: Party = Field(description="whose process is killed; one of several workers")

    @property
    def parties(self) -> tuple[Party, ...]:
        """The option."""
        return (self.party,)

    def inject(self, scene: Scene) -> None:
        """One process, which stays dead for now."""
        scene.hold_restarts(self.party)
        scene.memory[self] = scene.kill(self.party)

    def heal(self, scene: Scene) -> None:
        """Start it anew."""
        scene.restart(self.party)

    def proof(self, scene: Scene) -> str:
        """How the process ended."""
        return killed(scene.memory.get(self, ()))


def killed(deaths: tuple[Died, ...]) -> str:
    """The evidence of those that were ended by SIGKILL; "" unless all were."""
    if not deaths or any(each.signal != SIGKILL for each in deaths):
        return ""
    return "; ".join(f"{each.party} (pid {each.pid}): {each.how}" for each in deaths)
