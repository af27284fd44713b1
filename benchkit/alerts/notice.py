"""What an evaluator says, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from benchkit.alerts.observation import Key, Labels, key_of

Severity = Literal["info", "warning", "critical"]
UNSEEN: Final = "it is observed no more"
"""Why a notice ends that nothing made well: its party was dismissed, its queue is gone, the run is over."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A rule began to fire for some labels, still does, or is well again."""

    state: Literal["firing", "resolved"]
    rule: str
    labels: Labels
    value: float
    """What was found, in the unit that the rule's summary names."""
    since_ns: int
    """The cause, as far as it is known: the last sign of life, the first value beyond the limit; 0: unknown.
    Of a resolved one: when it was well again."""
    at_ns: int
    """When it was evaluated."""
    summary: str
    """One line for people."""
    severity: Severity = "warning"
    fired_ns: int = 0
    """When the rule began to fire: of the first notice its own moment."""
    repeat: int = 0
    """How often the same was said before; 0: it is news."""

    @property
    def key(self) -> tuple[str, Key]:
        """The same for every notice about one thing."""
        return self.rule, key_of(self.labels)

    @property
    def well(self) -> bool:
        """It is over because what it told of is well; not because nobody looks at it any more."""
        return self.state == "resolved" and self.summary != UNSEEN

    def plain(self) -> dict[str, Any]:
        """For the record."""
        return {
            "state": self.state, "rule": self.rule, "labels": dict(self.labels), "value": self.value,
            "since_ns": self.since_ns, "at_ns": self.at_ns, "summary": self.summary, "severity": self.severity,
            "fired_ns": self.fired_ns, "repeat": self.repeat,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a notice at one sink."""

    sink: str
    at_ns: int
    """When the other side had it, or when it was given up."""
    error: str = ""
    """Why it was given up; empty: it was delivered."""
