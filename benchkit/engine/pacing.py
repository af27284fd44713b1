"""Waiting for a due moment: sleep, then spin the last stretch, never early."""

from __future__ import annotations

import ctypes
import sys
import time
from contextlib import suppress

SPIN_NS = 150_000
"""How long before the due moment spinning begins: a little more than a wake-up costs on a busy virtual machine."""

_PR_SET_TIMERSLACK = 29


def sharpen_timers() -> None:
    """Ask Linux not to round this thread's sleeps up (50 us by default)."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)


def sleep_until(moment_ns: int) -> None:
    """Sleep without spinning; returns at once when the moment has passed."""
    left = moment_ns - time.monotonic_ns()
    if left > 0:
        time.sleep(left * 1e-9)
