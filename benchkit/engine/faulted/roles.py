"""What a party of a trial is told when it is forked: plain data that crosses the nursery's channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchkit.transports.base import Address


@dataclass(frozen=True, slots=True)
class Role:
    """One incarnation of one party. Plug-ins are named by their `config()`."""

    party: str
    """`producer` or `stage`."""
    number: int
    """Which of several."""
    journal: str
    """A path that does not exist yet."""
    room: int
    """Events that fit into it."""
    board: str
    source: Mapping[str, Any]
    codec: Mapping[str, Any]
    transport: Mapping[str, Any]
    stage: Mapping[str, Any]
    load: Mapping[str, Any]
    where: Mapping[str, Any]
    """The transport's address, for this side."""
    seed: int
    """Of the content; `schedule_seed` and `stage_seed` likewise."""
    schedule_seed: int
    stage_seed: int
    duration_s: float
    """Of the schedule."""
    replies: bool
    batch_size: int
    batch_delay_s: float
    producers: int = 1
    first: int = 0
    """A producer's first number in its schedule: those before it were taken by who came before."""
    again: bool = False
    """It takes the place of one that died."""

    @property
    def address(self) -> Address:
        """As the transport's ends take it."""
        return Address(self.where)

    @property
    def label(self) -> str:
        """`producer`, `stage-0`."""
        if self.party == "producer":
            return f"producer-{self.number}" if self.number else "producer"
        return f"{self.party}-{self.number}"

    def plain(self) -> dict[str, Any]:
        """For the channel."""
        return asdict(self)
