"""A process that dies again and again, each time shortly after it was started."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from benchkit.faults.base import Died, Fault, Party, Scene
from benchkit.faults.kill import killed
from benchkit.units import Seconds


class CrashLoop(Fault):
    """Kill a party `times` times, `every` so often after it was ready again"""

    kind: ClassVar[str] = "crash-loop"

    party: Party = Field(description="whose process is killed")
    times: int = Field(3, ge=2, le=100, description="how often")
    every: Seconds = Field(0.2, gt=0, description="between being ready again and the next kill")
    lasting: Seconds = Field(0.1, description="how long it stays dead after the last kill")

    @property
    def parties(self) -> tuple[Party, ...]:
        """The option."""
        return (self.party,)

    def inject(self, scene: Scene) -> None:
        """All the kills; the last one leaves it dead."""
        deaths: list[Died] = scene.memory.setdefault(self, [])
        scene.hold_restarts(self.party)
        for turn in range(self.times):
            if turn:
                scene.restart(self.party)
                scene.wait(_PATIENCE_S, lambda: bool(scene.ready(self.party)))
                scene.wait(self.every)
                scene.hold_restarts(self.party)
            deaths += scene.kill(self.party)

    def heal(self, scene: Scene) -> None:
        """Start it for good."""
        scene.restart(self.party)

    def proof(self, scene: Scene) -> str:
        """How each of its processes ended."""
        deaths = tuple(scene.memory.get(self, ()))
        return killed(deaths) if len(deaths) == self.times else ""


_PATIENCE_S = 20.0
