"""What a verdict is, as run.json holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

Kind = Literal[
    "compute-bound", "serialisation-bound", "client-copy-bound", "broker-bound", "bandwidth-bound", "wake-up-bound",
    "delay-bound", "producer-bound", "burst-queueing", "batching-wait", "core-contention", "lock-bound", "gc-bound",
    "overload", "none", "unclear",
]  # fmt: skip
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

Resource = Literal["producer", "broker", "stage", "link", "none"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one cell."""

    bottleneck: str
    """A phase, `producer` (messages left late and nothing that a phase shows held it up), or `none`."""
    resource: str
    share: float
    """Of the mean latency: of the largest phase, which the first line of `evidence` names; 0 to 1."""
    evidence: list[str] = field(default_factory=list)
    confidence: float = 0.0
    """A grade from 0 to 1, see `benchkit.analysis.verdict.grade`; no probability."""
    kind: Kind = "none"
    line: str = ""
    """The whole in one sentence."""
    stage: str = ""
    """The stage of a pipeline whose time it is; empty where there is one stage, or it is nobody's stage."""


NONE: Final = Verdict("none", "none", 0.0)
