"""A stage that becomes slow."""

from __future__ import annotations

from statistics import median
from typing import ClassVar

from pydantic import Field

from benchkit.faults.base import Fault, Party, Scene
from benchkit.units import Seconds


class SlowConsumer(Fault):
    """Each message takes the stage `times` as long for `lasting`, and `least` longer at least"""

    kind: ClassVar[str] = "slow-consumer"

    times: float = Field(10.0, gt=1, le=10_000, description="the factor")
    least: Seconds = Field(
        0.02, le=60, description="longer at least, so that a stage of microseconds becomes slow too"
    )

    @property
    def parties(self) -> tuple[Party, ...]:
        """Nobody's process is touched."""
        return ()

    def label(self) -> str:
        """`slow-consumer x10`."""
        return f"{self.kind} x{self.times:g}"

    def inject(self, scene: Scene) -> None:
        """From what the stage took until now, by its journal."""
        before = scene.service_ns(until_ns=scene.now_ns())
        usual_s = median(before) * 1e-9 if before else 0.0
        scene.slow_stage(max(self.least, (self.times - 1) * usual_s))
        scene.memory[self] = [usual_s, scene.now_ns(), 0]

    def heal(self, scene: Scene) -> None:
        """As fast as it was."""
        scene.slow_stage(0)
        kept = scene.memory.get(self)
        if kept is not None and not kept[2]:
            kept[2] = scene.now_ns()

    def proof(self, scene: Scene) -> str:
        """What messages took the stage before and meanwhile."""
        usual_s, from_ns, until_ns = scene.memory.get(self, (0.0, 0, 0))
        during = scene.service_ns(from_ns, until_ns)
        if not during:
            return ""
        slow_s = median(during) * 1e-9
        if slow_s < usual_s + self.least / 2:
            return ""
        return (
            f"the stage took {slow_s * 1e3:.1f} ms for a message (median of {len(during)}), "
            f"{usual_s * 1e3:.2f} ms before"
        )
