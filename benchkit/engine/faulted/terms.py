"""How long the parts of a trial last, and what load it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from benchkit.scenario.plan import PlannedCell

LEAST_PER_WINDOW: Final = 5
"""Messages that a window must hold before its throughput means anything."""
LEAST_WINDOWS: Final = 8
"""Before the fault and after it: fewer make no band, and who was back would not be seen to be."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds."""

    warmup_s: float = 0.3
    before_s: float = 1.0
    """The control band."""
    after_s: float = 2.0
    """Load goes on for so long after the fault was undone."""
    window_s: float = 0.1
    spread_s: float = 0.5
    """A seeded moment falls within so long after the control band."""
    patience_s: float = 10.0
    """The longest that messages may take to come to rest at the end."""
    open_s: float = 30.0
    """The longest that parties may take to be ready."""
    slack_s: float = 30.0
    """The schedule is this much longer than expected: a fault may take its time."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A cell and the open load that it has in its trials."""

    cell: PlannedCell
    load: Mapping[str, Any]
    """As `Registry.build` takes it; an open arrival."""
    rate_per_s: float
    sizes: Mapping[str, Any] = field(default_factory=dict)
    """As `Nursery.size` tells them."""
    seed: int = 0
    """The plan's, of which the messages' content comes."""

    def window_s(self, terms: Terms) -> float:
        """Long enough for a few messages."""
        return max(terms.window_s, LEAST_PER_WINDOW / self.rate_per_s)

    def lengthened(self, terms: Terms) -> Terms:
        """With room for windows of this load."""
        least_s = LEAST_WINDOWS * self.window_s(terms)
        return replace(terms, before_s=max(terms.before_s, least_s), after_s=max(terms.after_s, least_s))
