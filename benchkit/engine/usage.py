"""CPU time and memory of this process or of another one, from the kernel's own accounts."""

from __future__ import annotations

import os
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil


def own_cpu_ns(*, one_process: bool) -> int:
    """CPU time of this process, or of this thread where two parties share a process."""
    return time.thread_time_ns() if one_process else time.process_time_ns()


def reset_peak(pid: int) -> None:
    """Start the peak of resident memory anew (Linux; elsewhere the peak is since the process began)."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_rss_bytes(pid: int) -> int:
    """Largest resident memory since `reset_peak`; 0 when it cannot be known."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if pid == os.getpid():
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return 0


def rss_bytes(pid: int) -> int:
    """Resident memory now; 0 when the process is gone."""
    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def lives(pid: int) -> bool:
    """The process is there and has not ended; one that nobody has waited for yet has."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of process `pid`; 0 when it is gone. Nanoseconds on Linux, else ticks of 10 ms."""
    with suppress(OSError, ValueError):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    with suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return int((times.user + times.system) * 1e9)
    return 0
