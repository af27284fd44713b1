"""A block under way: where it stands in the run, its parties and the commands that they were given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from benchkit.engine.crew import Crew, Party
from benchkit.records.run import Failure

_QUIET_S = 0.25
"""The block is drained when no worker got any further for this long, or for half of a longer drain."""


Watching = Callable[[Crew, "Ends"], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block stands in the run."""

    index: int
    round: int
    payload_bytes: int
    offered_per_s: float | None
    broker_pid: int | None
    level_per_s: float | None = None
    server_times: Callable[[], Mapping[str, int] | None] = lambda: None
    """What an external stage's own counters say."""
    broker_counts: Callable[[], Mapping[str, int] | None] = lambda: None
    """What a broker's own counters say."""
    watching: Watching = lambda _, __: nullcontext()
    """What looks on while messages flow; nothing where no alerts are set."""


@dataclass(slots=True)
class Ends:
    """The commands under way in this block."""

    hands: list[Party]
    """The producers."""
    workers: list[tuple[Party, int]]
    producing: list[tuple[Party, int]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    """What records call each of the workers."""
    levels: list[range] = field(default_factory=list)
    """The workers of each hop of a pipeline, by their place among all; one level where there is one stage."""

    @property
    def dead(self) -> list[Party]:
        """Those that died, each once."""
        return [
            party
            for party in dict.fromkeys([*self.hands, *(party for party, _ in self.workers)])
            if party.dead
        ]

    @property
    def reports(self) -> list[dict[str, Any] | None]:
        """What each producer measured; None for one that died."""
        return [party.event(number, "measured") for party, number in self.producing]


def stage_failure(label: str) -> str:
    """Whose a failure of a stage is: `stage-0`; of a pipeline `stage detect-0`, for a stage it is."""
    return label if label.startswith("stage-") else f"stage {label}"


def failure_of(party: str, event: Mapping[str, Any]) -> Failure:
    """What a party reported, as the record keeps it."""
    return Failure(party, event["type"], event["what"], event["remedy"], event["traceback"])


def quiet_s(drain_s: float) -> float:
    """How long nothing may have moved before what is missing counts as lost."""
    return min(max(_QUIET_S, drain_s / 2), 0.9 * drain_s)
