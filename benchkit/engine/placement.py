"""Which core each party gets: one each where there are enough, else the kernel decides for all alike."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def cores() -> list[int]:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def place(roles: list[str], available: list[int]) -> dict[str, tuple[int, ...]]:
    """A core for each role, the first core left to the rest of the machine; empty when there are too few.

    All or nothing: pinning some parties and not others would favour one transport over another.
    """
    if len(available) < len(roles) + 1 or not hasattr(os, "sched_setaffinity"):
        return {}
    return {role: (core,) for role, core in zip(roles, available[1:], strict=False)}


def pin(pid: int, chosen: tuple[int, ...]) -> None:
    """Pin a process that somebody else started (the broker)."""
    if chosen and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(pid, chosen)


_PROCESSOR = 39 - 3
"""Of /proc/<pid>/stat, counted after the name, which may hold anything; see proc_pid_stat(5)."""


def ran_on(pid: int | str = "thread-self") -> int | None:
    """The core on which a process's main thread, or this thread, ran last; None where the kernel does not say."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_PROCESSOR])
    return None


def describe(roles: list[str], placed: dict[str, tuple[int, ...]], available: list[int]) -> dict[str, str]:
    """For the record and for people."""
    if not placed:
        return {"all": f"not pinned: {len(roles)} parties and the runner share {len(available)} cores"}
    return {role: f"core {chosen[0]}" for role, chosen in placed.items()}
