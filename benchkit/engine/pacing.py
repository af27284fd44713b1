"""What waiting for a due moment needs: sharp timers, and how long before it to stop sleeping and spin."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import repeat
from typing import Final

SPIN_NS = 150_000
"""How long before the due moment spinning begins: a little more than a wake-up costs on a busy virtual machine."""

NO_STAMP: Final[Callable[[], int]] = repeat(1).__next__
"""In the clock's place where stamps are switched off: no moment, and not 0, which is a stamp never reached."""

_PR_SET_TIMERSLACK = 29


def sharpen_timers() -> None:
    """Ask Linux not to round this thread's sleeps up (50 us by default)."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
