"""What the supervisor tells the parties while they run: a few numbers in memory that all of them map.

A party looks at them each time it turns to something, which costs no system call. A party that is started again
finds what holds by then.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Final

(
    STATE,
    START_NS,
    SHIFT_NS,
    PAUSED,
    HELD,
    SLOW_NS,
    POISON,
    POISON_FATAL,
    PAUSED_NS,
    CLOCK_PRODUCER_NS,
    CLOCK_STAGE_NS,
) = range(11)
"""Places on the board.

START_NS: the schedule's beginning; SHIFT_NS: added to all due moments that have not come (lulls); PAUSED: nothing is
taken; HELD: nothing is received; SLOW_NS: a message's work takes so much longer; POISON: the stage raises on this
number (-1: on none), POISON_FATAL: and its worker dies of it; PAUSED_NS: when the lull began;
CLOCK_..._NS: how far a party's wall clock is from the machine's."""
WAITING, GOING, ENDING, LEAVING = range(4)
"""STATE: nothing is sent yet; messages flow; none is taken any more, what is under way ends; parties end."""
_WORDS: Final = 16


class Board:
    """The numbers, by their places; one of them is stored in one piece."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Raises OSError."""
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT | os.O_EXCL if create else 0)
        handle = os.open(path, flags, 0o600)
        try:
            if create:
                os.truncate(handle, _WORDS * 8)
            self._map = mmap.mmap(handle, _WORDS * 8)
        finally:
            os.close(handle)
        self.words = memoryview(self._map).cast("q")
        if create:
            self.words[POISON] = -1

    def close(self) -> None:
        """Give the map back."""
        self.words.release()
        self._map.close()
