"""Doing something for so long: by the thread's CPU time where it is work, by the clock where it is waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

_NEVER: Final = threading.Event()
_LATE_US: Final = 150.0
"""Waking up takes up to so long, on a busy virtual machine as well."""


def until(us: float, work: Callable[[], object]) -> None:
    """Do the work again and again until this thread has used `us` of CPU time; not once for 0.

    By the clock it would end on time where another program has the core, and what was planted would be waiting.
    """
    if us <= 0:
        return
    cpu = time.thread_time_ns
    end_ns = cpu() + int(us * 1e3)
    while cpu() < end_ns:
        work()


def passing(us: float, work: Callable[[], object]) -> None:
    """Do the work, which waits for others, again and again until `us` have passed by the clock."""
    clock = time.monotonic_ns
    end_ns = clock() + int(us * 1e3)
    while clock() < end_ns:
        work()


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
