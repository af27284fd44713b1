"""What came out of a run of `benchkit floors`, before it is judged."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from benchkit.engine.exchanges import Timing
from benchkit.errors import BenchkitError

Key = tuple[str, int]
"""An entrant's name and a message's length."""


@dataclass(slots=True)
class Measured:
    """What came out, by entrant and length; each round has one block of each that was still undecided."""

    timings: dict[Key, dict[int, Timing]] = field(default_factory=lambda: defaultdict(dict))
    """By round."""
    engine_us: dict[int, float] = field(default_factory=dict)
    """CPU time of both sides per message, by round."""
    failed: dict[str, BenchkitError] = field(default_factory=dict)
    """Entrants that could not be measured, or not to the end."""
    placement: dict[str, str] = field(default_factory=dict)
