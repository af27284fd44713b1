"""The wall clock of a party jumps."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from pydantic import Field

from benchkit.errors import UsageError
from benchkit.faults.base import Fault, Scene

_LOOK_S: Final = 5.0
_SAME_NS: Final = 1_000_000_000
"""A step as its party saw it may differ by so much: two readings are not one moment."""


class ClockStep(Fault):
    """Step the wall clock of a party's Python code by `seconds`, and back after `lasting`

    What is stepped is `time.time` and `time.time_ns` in the party's process, and who reads them meanwhile is told. The
    machine's clock is not touched, so that code in C that asks the kernel itself (`datetime.now`, a broker) sees no
    step: Linux has no namespace for the wall clock.
    """

    kind: ClassVar[str] = "clock-step"

    party: Literal["producer", "stage"] = Field("stage", description="whose clock")
    seconds: float = Field(
        3600.0, ge=-1e9, le=1e9, allow_inf_nan=False, description="back in time where negative"
    )

    def label(self) -> str:
        """`clock-step stage +3600 s`."""
        return f"{self.kind} {self.party} {self.seconds:+g} s"

    def inject(self, scene: Scene) -> None:
        """As soon as the party turns to something."""
        if abs(self.seconds) * 1e9 <= _SAME_NS:
            raise UsageError("a step of a second or less cannot be told from the time between two readings")
        scene.step_clock(self.party, self.seconds)
        scene.wait(_LOOK_S, lambda: bool(scene.clocks(self.party)))

    def heal(self, scene: Scene) -> None:
        """Back; the parties tell who read it."""
        scene.step_clock(self.party, 0)

    def proof(self, scene: Scene) -> str:
        """By how much the clock was off as the party itself read it, and who read it."""
        said = scene.clocks(self.party)
        asked_ns = int(self.seconds * 1e9)
        if not said or any(abs(each["seen_ns"] - asked_ns) > _SAME_NS for each in said):
            return ""
        readers: dict[str, int] = {}
        for each in said:
            for name, many in each["readers"].items():
                readers[name] = readers.get(name, 0) + many
        who = ", ".join(f"{name} ({many})" for name, many in sorted(readers.items())) or "nobody"
        return (
            f"time.time() of {len(said)} {self.party} process(es) was {self.seconds:+g} s off; read by {who}"
        )
