"""Several faults, at once or one after the other."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from benchkit.faults.base import Fault, Party, Scene, registry
from benchkit.link.options import Side
from benchkit.transports.base import Transport
from benchkit.units import Seconds


class Combined(Fault):
    """Several faults at once, or one every `apart`"""

    kind: ClassVar[str] = "combined"

    faults: tuple[dict[str, Any], ...] = Field(
        min_length=2, max_length=8, description="what is done, in this order, for example - {kind: kill, party: stage}"
    )  # fmt: skip
    apart: Seconds = Field(0.0, description="between two of them; 0: all at once")

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        made = self.parts
        if any(isinstance(part, Combined) for part in made):
            raise ValueError("a combination within a combination; write one list")
        if len({part.model_dump_json() + part.kind for part in made}) < len(made):
            raise ValueError("the same fault twice; crash-loop repeats one")
        return self

    @property
    def parts(self) -> tuple[Fault, ...]:
        """The faults; raises what building them raises."""
        return tuple(_part(given) for given in self.faults)

    @property
    def parties(self) -> tuple[Party, ...]:
        """Those of all parts."""
        return tuple(dict.fromkeys(party for part in self.parts for party in part.parties))

    @property
    def led(self) -> bool:
        """Where any part is."""
        return any(part.led for part in self.parts)

    @property
    def link_side(self) -> Side:
        """That of all parts that are led, or both."""
        sides = {part.link_side for part in self.parts if part.led}
        return sides.pop() if len(sides) == 1 else "both" if sides else "producer"

    def __hash__(self) -> int:
        """Its options hold mappings, which have none."""
        return hash((self.kind, self.model_dump_json()))

    def label(self) -> str:
        """`kill stage + stop broker`."""
        return " + ".join(part.label() for part in self.parts)

    def refuses(self, transport: Transport) -> str:
        """The first reason of any part."""
        return next(filter(None, (part.refuses(transport) for part in self.parts)), "")

    def arranged(self, transport: Transport) -> Transport:
        """As all parts want it, one after the other."""
        for part in self.parts:
            transport = part.arranged(transport)
        return transport

    def arrange(self, scene: Scene) -> None:
        """All of them."""
        for part in self.parts:
            part.arrange(scene)

    def inject(self, scene: Scene) -> None:
        """In order; none is undone before all are done."""
        for turn, part in enumerate(self.parts):
            if turn and self.apart:
                scene.wait(self.apart)
            part.inject(scene)

    def heal(self, scene: Scene) -> None:
        """In the same order."""
        for part in self.parts:
            part.heal(scene)

    def proof(self, scene: Scene) -> str:
        """That of every part; "" where one has none."""
        proofs = [part.proof(scene) for part in self.parts]
        return "; ".join(proofs) if all(proofs) else ""


def _part(given: dict[str, Any]) -> Fault:
    if not isinstance(given.get("kind"), str):
        raise ValueError("each of `faults` needs `kind`")  # noqa: TRY004  (pydantic reports ValueError)
    return registry.build(given)
