"""What faults of a link have in common: the cell's connections go through the built-in proxy, which misbehaves."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from benchkit.faults.base import Fault, Scene
from benchkit.link.options import Side
from benchkit.link.plan import Impairment
from benchkit.transports.base import Transport

Way = Literal["up", "down", "both"]


class Led(Fault):
    """A fault of the link between a side and what carries its messages"""

    side: Side = Field("producer", description="whose link; without a broker there is the producer's only")

    @property
    def led(self) -> bool:
        """Always."""
        return True

    @property
    def link_side(self) -> Side:
        """The option."""
        return self.side

    def label(self) -> str:
        """`link-reset` or `link-reset stage`."""
        return self.kind if self.side == "producer" else f"{self.kind} {self.side}"

    def refuses(self, transport: Transport) -> str:
        """A transport whose connections cannot be led through a proxy."""
        promised = transport.capabilities()
        if not promised.reroutable:
            other = f" (write {promised.reroutable_with})" if promised.reroutable_with else ""
            return f"{transport.kind} has no connections that can be led through the proxy{other}"
        if transport.brokerless and self.side != "producer":
            return f"{transport.kind} has one link only, the producer's"
        return ""


@dataclass(frozen=True, slots=True)
class Passed:
    """What one direction of a link did between two looks at its tally."""

    name: str
    """`producer up`."""
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def more(self, count: str) -> float:
        """By how much a counter grew."""
        return float(self.after[count]) - float(self.before[count])

    def spread(self, name: str) -> tuple[int, float]:
        """Of `delay_us` or `waited_us`: how many values came in between, and their mean in microseconds."""
        before, after = self.before[name], self.after[name]
        known, count = before.get("count", 0), after.get("count", 0)
        if count == known:
            return 0, 0.0
        total = after["mean"] * count - (before["mean"] * known if known else 0.0)
        return count - known, total / (count - known)


class Impaired(Led):
    """A link that works worse for a while"""

    way: Way = Field("both", description="towards the broker or server (up), back (down), or both")

    @abstractmethod
    def impaired(self, asked: Impairment) -> Impairment:
        """What a direction becomes that is now as `asked`."""

    @abstractmethod
    def bit(self, passed: Passed) -> str:
        """The evidence in one direction; "" where there is none."""

    def inject(self, scene: Scene) -> None:
        """From now on, what enters."""
        before = {side: link.stats() for side, link in scene.links.items()}
        scene.memory[self] = [before, None]
        for link in scene.links.values():
            up, down = link.asked
            link.impair(
                self.impaired(up) if self.way != "down" else up,
                self.impaired(down) if self.way != "up" else down,
            )

    def heal(self, scene: Scene) -> None:
        """As it was; what is held keeps its moment."""
        kept = scene.memory.get(self)
        if kept is None or kept[1] is not None:
            return
        for link in scene.links.values():
            link.impair(*link.asked)
        kept[1] = {side: link.stats() for side, link in scene.links.items()}

    def proof(self, scene: Scene) -> str:
        """What the proxy counted meanwhile."""
        return "; ".join(filter(None, (self.bit(each) for each in self._passed(scene))))

    def _passed(self, scene: Scene) -> Iterator[Passed]:
        before, after = scene.memory.get(self, (None, None))
        if before is None or after is None:
            return
        for side in before:
            for way in ("up", "down"):
                if self.way in (way, "both"):
                    yield Passed(f"{side} {way}", before[side][way], after[side][way])
