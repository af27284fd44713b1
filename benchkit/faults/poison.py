"""A message that the stage cannot stand."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from benchkit.faults.base import Fault, Scene


class Poison(Fault):
    """One message on which the stage raises each time it is delivered; with `fatal` its worker dies of it

    Where it is delivered again after each death, `lasting` is how long that goes on.
    """

    kind: ClassVar[str] = "poison"

    fatal: bool = Field(
        False, description="the worker dies of it, so that it is delivered again where messages are"
    )

    def label(self) -> str:
        """`poison` or `poison fatal`."""
        return f"{self.kind} fatal" if self.fatal else self.kind

    def inject(self, scene: Scene) -> None:
        """The next message that the producer has not taken."""
        seq = scene.next_seq()
        scene.memory[self] = [seq, len(scene.log), scene.count("FINISHED")]
        scene.poison(seq, fatal=self.fatal)

    def heal(self, scene: Scene) -> None:
        """The stage is mended; one that only raises stays poisoned, so that each delivery of it shows that."""
        if self.fatal:
            scene.poison(-1)

    def proof(self, scene: Scene) -> str:
        """That it was delivered and what became of it each time, and that the others went on."""
        seq, deaths, finished = scene.memory.get(self, (-1, 0, 0))
        found = scene.of(seq)
        received, raised = found.get("RECEIVED", 0), found.get("FAILED", 0)
        others = scene.count("FINISHED") - finished - found.get("FINISHED", 0)
        died = sum(died.party.startswith("stage") for died in list(scene.log)[deaths:]) if self.fatal else 0
        if not received or not (died if self.fatal else raised):
            return ""
        what = f"{died} workers died of it" if self.fatal else f"the stage raised {raised} times on it"
        return (
            f"message {seq} was delivered {received} times and {what}; {others} others were worked on since"
        )
