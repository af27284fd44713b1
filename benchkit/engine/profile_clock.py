"""The clock that the profiler goes by: one that stands still between ticks.

pyinstrument looks at the stack at the first call or return after an interval since it last looked. It looks when a
wait ends, because that was long; so with an ordinary clock it would begin anew with each message and look at the
same place of every one. A clock that moves in steps has its ticks wherever a message happens to be, and the time
between two looks is a whole number of them. (Its timing thread would do, but shares a pinned party's core and ticks
when the party waits.)
"""

from __future__ import annotations

import time
from collections.abc import Callable


def stepping(interval_s: float) -> Callable[[], float]:
    """The time in seconds, in steps of `interval_s`."""
    now = time.perf_counter

    def clock() -> float:
        return now() // interval_s * interval_s

    return clock


def use(clock: Callable[[], float] | None) -> None:
    """Have this thread's profilers go by `clock`, or by the ordinary one; before they start."""
    from pyinstrument.stack_sampler import get_stack_sampler

    sampler = get_stack_sampler()
    if not hasattr(sampler, "timer_func"):
        raise AttributeError("this version of pyinstrument takes no clock")
    sampler.timer_func = clock
