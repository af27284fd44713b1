"""Values of a pipeline: several stages in a chain, or in a tree where one feeds several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from benchkit.stages.base import Stage
from benchkit.tensors.codecs.base import Codec
from benchkit.transports.base import Transport

MAX_HOPS = 16
RESERVED = frozenset({"producer", "stage", "broker", "link", "cores", "oracle", "runner", "process", "none"})
"""Names that parties and resources of every cell have."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One stage of a pipeline, and the way to it."""

    name: str
    stage: Stage
    workers: int
    batch_size: int
    batch_delay_s: float
    transport: Transport | None
    """From the stage before it; None: the cell's."""
    codec: Codec | None
    """Of the messages that come to it; None: the cell's."""
    after: str
    """The stage that feeds it; empty for the first, which the producer feeds."""

    def __str__(self) -> str:
        return self.name


class Pipeline(BaseModel):
    """The axis' value: no hop where the scenario has one stage."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    pipeline: tuple[Hop, ...] = ()


def shown(hops: Iterable[object]) -> str:
    """`decode-detect-track`: what a pipeline is called and matched by; `none` where there is none."""
    return "-".join(map(str, hops)) or "none"
