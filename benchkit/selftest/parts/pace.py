"""Doing something until so much time has passed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

_NEVER: Final = threading.Event()
_LATE_US: Final = 150.0
"""Waking up takes up to so long, on a busy virtual machine as well."""


def until(us: float, work: Callable[[], object]) -> None:
    """Do the work again and again until `us` have passed by the clock; not once for 0."""
    if us <= 0:
        return
    clock = time.monotonic_ns
    end_ns = clock() + int(us * 1e3)
    while clock() < end_ns:
        work()


def spin(us: float) -> None:
    """Keep the core busy for so long by the clock."""
    clock = time.monotonic_ns
    end_ns = clock() + int(us * 1e3)
    while clock() < end_ns:
        pass


def burn(us: float) -> None:
    """Use so much CPU time of this thread, however long that takes."""
    cpu = time.thread_time_ns
    end_ns = cpu() + int(us * 1e3)
    while cpu() < end_ns:
        pass


def rest(us: float) -> None:
    """Wait for so long, as for a slow line: without a core but for the end, which is met exactly."""
    end_ns = time.monotonic_ns() + int(us * 1e3)
    idle(us - _LATE_US)
    while time.monotonic_ns() < end_ns:
        pass


def idle(us: float) -> None:
    """Wait for so long without a core, and for as long as it takes to wake up: nobody ends this wait."""
    if us > 0:
        _NEVER.wait(us / 1e6)
