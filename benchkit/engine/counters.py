"""What a producer counts beside its stamps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """What the producer saw that is no stamp."""

    unexpected: int = 0
    duplicated: int = 0
    malformed: int = 0
    """Replies that are no messages; whose they were nobody knows."""
    checked_replies: int = 0
    suspects: Counter[tuple[int, bytes]] = field(default_factory=Counter)
    """Replies that differ in some bit from the expected ones, by index and body, with how often each came."""
    rejections: Counter[str] = field(default_factory=Counter)
    stage_errors: Counter[str] = field(default_factory=Counter)
    """What an external stage said of messages that it failed on; a worker of ours would have recorded it."""
