"""A party's account of its part of a block: what it used and waited for, by the kernel and by Python itself.

Two looks, one before the first measured message and one after the last; nothing is read between two stamps.
What cannot be read is a gap with its reason, and None in the account.
"""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchkit.engine.garbage import Garbage
from benchkit.engine.threads import PROC, Look, Threads, Times, between

_STALE_NS: Final = 20_000_000
_SWITCHES: Final = {"voluntary_switches": "ru_nvcsw", "involuntary_switches": "ru_nivcsw"}
_FAULTS: Final = {"minor_faults": "ru_minflt", "major_faults": "ru_majflt"}
_BY_RUSAGE: Final[Mapping[str, str]] = {**_SWITCHES, **_FAULTS}


@dataclass(frozen=True, slots=True)
class SoFar:
    """What the party itself has counted since it began."""

    messages: int
    cpu_ns: int
    spin_ns: int = 0
    pacing_cpu_ns: int = 0
    integrity_ns: int = 0


@dataclass(frozen=True, slots=True)
class _Mark:
    at_ns: int
    counted: SoFar
    threads: Look
    rusage: Mapping[str, int] | None


class Account:
    """Used in the thread that sends or serves, from `begin` to `told`."""

    def __init__(self, *, shares_process: bool, rest: bool = True, proc: Path = PROC) -> None:
        """`rest`: garbage collections of threads that are no party's are this one's."""
        self._shared = shares_process
        self._proc = proc
        self._garbage = Garbage(rest=rest)
        self._threads: Threads | None = None
        self._from: _Mark | None = None

    def begin(self, counted: SoFar) -> None:
        """The first look; opens what the later ones read."""
        self._threads = Threads(proc=self._proc)
        self._garbage.start()
        self.mark(counted)

    def mark(self, counted: SoFar) -> None:
        """The account begins here, and not at an earlier mark."""
        assert self._threads is not None  # noqa: S101  (begin comes first)
        self._garbage.mark()
        self._from = _Mark(time.monotonic_ns(), counted, self._threads.look(), _rusage(thread=self._shared))

    @property
    def stale(self) -> bool:
        """The last mark is so old that another one is worth its few microseconds."""
        return self._from is not None and time.monotonic_ns() - self._from.at_ns > _STALE_NS

    def told(self, counted: SoFar) -> dict[str, Any]:
        """The second look: `used` (fields of records.Usage), `pauses`, `gaps` by field; as plain data."""
        if self._from is None or self._threads is None:
            return {"used": {}, "pauses": [], "gaps": {}}
        start, over_ns = self._from, time.monotonic_ns() - self._from.at_ns
        rusage = _rusage(thread=self._shared)
        spent = between(start.threads, self._threads.look(anew=True))
        gap = self._threads.gap
        self._garbage.stop()
        self._threads.close()
        self._from = self._threads = None
        used = {
            **_grown(start.counted, counted),
            **{
                name: rusage[name] - start.rusage[name] if rusage and start.rusage else None
                for name in _BY_RUSAGE
            },
            **waits(spent, threading.get_native_id(), over_ns, alone=self._shared),
            "over_ns": over_ns,
            "gc_pause_ns": self._garbage.total_ns,
            "gc_pauses": self._garbage.count,
            "gc_longest_ns": self._garbage.longest_ns,
            "shares_process": self._shared,
        }
        pauses = [[each.at_ns, each.duration_ns, each.what] for each in self._garbage.pauses()]
        return {"used": used, "pauses": pauses, "gaps": gaps(used, gap)}


def _grown(start: SoFar, end: SoFar) -> dict[str, int]:
    return {name: getattr(end, name) - getattr(start, name) for name in SoFar.__slots__}


def _rusage(*, thread: bool) -> Mapping[str, int] | None:
    """Switches and faults of the process, or of this thread; None where the system does not tell."""
    who = getattr(resource, "RUSAGE_THREAD", None) if thread else resource.RUSAGE_SELF
    if who is None:
        return None
    found = resource.getrusage(who)
    return {name: getattr(found, field) for name, field in _BY_RUSAGE.items()}


def waits(spent: Look, own: int, over_ns: int, *, alone: bool) -> dict[str, int | None]:
    """Fields of Usage from what each thread ran and waited; of the thread `own` only where it stands `alone`."""
    if own not in spent:
        names = ("runnable_ns", "threads", "thread_cpu_ns", "thread_runnable_ns", "gil_wait_at_most_ns")
        return dict.fromkeys(names)
    mine = spent[own]
    others = Times(
        sum(each.ran for each in spent.values()) - mine.ran,
        sum(each.waited for each in spent.values()) - mine.waited,
    )
    off_core_ns = max(0, over_ns - mine.ran - mine.waited)
    return {
        "runnable_ns": mine.waited if alone else mine.waited + others.waited,
        "threads": len(spent),
        "thread_cpu_ns": mine.ran,
        "thread_runnable_ns": mine.waited,
        "gil_wait_at_most_ns": min(off_core_ns, others.ran + others.waited),
    }


def gaps(used: Mapping[str, Any], why: str) -> dict[str, str]:
    """The reason for each field that is None."""
    return {name: why or "not told by this system" for name, value in used.items() if value is None}
