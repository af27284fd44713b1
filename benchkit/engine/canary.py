"""A fixed piece of work before and after every block, and what the kernel counted in between.

Where the same work takes longer, the machine was slower, whatever its counters say. Each reading is the median
of three short runs: one that was interrupted says nothing about a whole block. Before and after together take
about 3.5 ms on the machine that the numbers were chosen on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import psutil

from benchkit.records.seen import Disturbance

_RUNS: Final = 3
_SPINS: Final = 4000
"""About 0.3 ms of Python's integer arithmetic: short of a scheduler's slice, long beside a timer interrupt."""
_COPY_BYTES: Final = 4 << 20
"""More than a core's own cache holds, so that shared caches and memory are in it."""
_CGROUPS: Final = Path("/sys/fs/cgroup")
_CPUS: Final = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class Counters:
    """What the kernel counts, at one moment; None where it does not say."""

    at_ns: int
    stolen_s: float | None
    cpu_s: float
    """CPU time of all cores, idle time included."""
    throttled_s: float | None
    thermal_events: int | None
    waited_s: float | None


@dataclass(frozen=True, slots=True)
class Look:
    """One moment: the canary's readings and the counters."""

    spin_ns: int
    memcpy_ns: int
    counters: Counters


class Canary:
    """Looks before and after blocks; its buffers live as long as the run."""

    def __init__(self) -> None:
        self._source = np.ones(_COPY_BYTES, np.uint8)
        self._target = np.zeros(_COPY_BYTES, np.uint8)
        self._throttling = _throttling_file()
        self._thermal = sorted(_CPUS.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"))

    def look(self) -> Look:
        """Just before a block."""
        spin_ns, memcpy_ns = self._readings()
        return Look(spin_ns, memcpy_ns, self._counters())

    def since(self, before: Look) -> Disturbance:
        """Just after it: what happened since `before`."""
        # The counters first: the canary's own work is not the block's.
        was, now = before.counters, self._counters()
        spin_ns, memcpy_ns = self._readings()
        return Disturbance(
            spin_ns=(before.spin_ns, spin_ns),
            memcpy_ns=(before.memcpy_ns, memcpy_ns),
            elapsed_s=(now.at_ns - was.at_ns) * 1e-9,
            steal_share=_steal_share(was, now),
            throttled_s=_more(was.throttled_s, now.throttled_s),
            thermal_events=_events(was.thermal_events, now.thermal_events),
            waited_s=_more(was.waited_s, now.waited_s),
        )

    def _readings(self) -> tuple[int, int]:
        return _timed_ns(_spin), _timed_ns(lambda: np.copyto(self._target, self._source))

    def _counters(self) -> Counters:
        times = psutil.cpu_times()
        # Guest time is part of user time and would be counted twice.
        counted = [value for name, value in times._asdict().items() if not name.startswith("guest")]
        return Counters(
            at_ns=time.monotonic_ns(),
            stolen_s=getattr(times, "steal", None),
            cpu_s=float(sum(counted)),
            throttled_s=_throttled_s(self._throttling) if self._throttling else None,
            thermal_events=_total(self._thermal) if self._thermal else None,
            waited_s=_waited_s(),
        )


def _spin() -> None:
    state = 1
    for _ in range(_SPINS):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF


def _timed_ns(work: Callable[[], None]) -> int:
    clock = time.monotonic_ns
    costs = []
    for _ in range(_RUNS):
        before = clock()
        work()
        costs.append(clock() - before)
    return int(median(costs))


def _steal_share(before: Counters, after: Counters) -> float | None:
    """0 where the block was shorter than the kernel's ticks."""
    stolen = _more(before.stolen_s, after.stolen_s)
    whole = after.cpu_s - before.cpu_s
    return None if stolen is None else max(0.0, stolen) / whole if whole > 0 else 0.0


def _more(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _events(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _total(paths: Sequence[Path]) -> int | None:
    with suppress(OSError, ValueError):
        return sum(int(path.read_text()) for path in paths)
    return None


@cache
def _throttling_file() -> Path | None:
    """This process's cpu.stat (cgroup v2, or v1's cpu controller), where its group has a quota."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            number, controllers, group = line.split(":", 2)
            place = _CGROUPS if number == "0" else _CGROUPS / "cpu"
            if number == "0" or "cpu" in controllers.split(","):
                for folder in (place / group.lstrip("/"), place):
                    if _throttled_s(folder / "cpu.stat") is not None:
                        return folder / "cpu.stat"
    return None


def _throttled_s(path: Path) -> float | None:
    """v2 counts microseconds, v1 nanoseconds."""
    with suppress(OSError, ValueError):
        counts = dict(line.split() for line in path.read_text().splitlines())
        if "throttled_usec" in counts:
            return int(counts["throttled_usec"]) * 1e-6
        if "throttled_time" in counts:
            return int(counts["throttled_time"]) * 1e-9
    return None


def _waited_s() -> float | None:
    """Time that this thread waited for a core (Linux: the second field of schedstat)."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) * 1e-9
    return None
