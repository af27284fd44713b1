"""A process that gets a fraction of a core: stopped and let go again and again."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from benchkit.engine.pacing import sharpen_timers


@contextmanager
def held_up(pid: int, stopped_us: float, running_us: float) -> Iterator[None]:
    """Stop process `pid` for `stopped_us` out of every `stopped_us + running_us`; it runs again afterwards."""
    over = threading.Event()
    cycling = threading.Thread(target=_cycle, args=(pid, stopped_us, running_us, over), daemon=True)
    cycling.start()
    try:
        yield
    finally:
        over.set()
        cycling.join()


def _cycle(pid: int, stopped_us: float, running_us: float, over: threading.Event) -> None:
    sharpen_timers()
    with suppress(ProcessLookupError):
        try:
            while not over.wait(running_us / 1e6):
                os.kill(pid, signal.SIGSTOP)
                over.wait(stopped_us / 1e6)
                os.kill(pid, signal.SIGCONT)
        finally:
            os.kill(pid, signal.SIGCONT)


def stop_for_us(mean_wait_us: float, running_us: float) -> float:
    """How long to stop so that who comes at any moment waits `mean_wait_us` on average.

    Of a cycle of s + r, the part s makes one wait s / 2: the mean is s^2 / 2(s + r).
    """
    return mean_wait_us + math.sqrt(mean_wait_us**2 + 2 * mean_wait_us * running_us)
