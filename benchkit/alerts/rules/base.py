"""The seam of rules: options that people write, and a judge that keeps what the rule has seen."""

from __future__ import annotations

import difflib
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from benchkit.alerts.notice import Severity
from benchkit.alerts.observation import METRICS, Labels, Observation
from benchkit.units import Seconds

Positive = Annotated[Seconds, Field(gt=0)]


def _known(metric: str) -> str:
    if metric not in METRICS:
        near = difflib.get_close_matches(metric, METRICS, n=1)
        raise ValueError(
            f"did you mean {near[0]}?" if near else f"no such metric; known: {', '.join(METRICS)}"
        )
    return metric


MetricName = Annotated[str, AfterValidator(_known), WithJsonSchema({"enum": list(METRICS)})]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a judge thinks of one group of labels at one moment."""

    labels: Labels
    holds: bool
    """The rule's condition is met."""
    well: bool
    """It is met so little that a notice may be taken back; between the two, what was said stays said."""
    value: float
    since_ns: int
    """The cause, as far as it is known; 0: unknown."""
    summary: str


class Judge:
    """What one rule has seen so far. It reads no clock."""

    def take(self, seen: Observation) -> None:
        """One observation of a metric that the rule watches, its labels matched; older ones come first."""
        raise NotImplementedError

    def findings(self, now_ns: int) -> Iterable[Finding]:
        """One for each group of labels that something is known of."""
        raise NotImplementedError


class Rule(BaseModel):
    """When to say something; the options that every rule has."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: ClassVar[str]
    """The name by which a scenario asks for it: `rule: dead`."""

    name: str = Field("", max_length=100, description="what notices call it; by default the rule's own name")
    where: Mapping[str, str] = Field({}, description="labels that must match, wildcards allowed")
    lasting: Seconds = Field(0.0, description="how long it must hold before it is told")
    clear: Seconds = Field(1.0, description="how long it must be well again before that is told")
    repeat: Positive | None = Field(None, description="say it again every so often while it lasts")
    severity: Severity = "warning"

    @property
    def title(self) -> str:
        """What notices call it."""
        return self.name or self.kind

    @property
    @abstractmethod
    def metrics(self) -> frozenset[str]:
        """What it must be shown."""

    @abstractmethod
    def judge(self) -> Judge:
        """One that has seen nothing."""

    def wants(self, seen: Observation) -> bool:
        """Is this one of its observations?"""
        return seen.metric in self.metrics and all(
            fnmatchcase(seen.labels.get(name, ""), pattern) for name, pattern in self.where.items()
        )
