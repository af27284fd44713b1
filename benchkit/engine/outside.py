"""What a block used that only the runner can see: the broker's process, and every core of the machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from benchkit.engine import usage
from benchkit.engine.account import gaps
from benchkit.engine.threads import PROC, Look, Threads, between, unreadable
from benchkit.errors import BenchkitError
from benchkit.records.seen import BrokerCounts, Usage

_MINOR, _MAJOR = 10 - 3, 12 - 3
"""Of /proc/<pid>/stat, counted after the name; see proc_pid_stat(5)."""
_IDLE, _IOWAIT = 4 - 1, 5 - 1
"""Of a line of /proc/stat, after the core's name: see proc_stat(5)."""
_GUEST_FROM: Final = 9 - 1
_SWITCHES: Final[Mapping[str, str]] = {
    "voluntary_switches": "voluntary_ctxt_switches",
    "involuntary_switches": "nonvoluntary_ctxt_switches",
}


class Broker:
    """A broker of ours between two moments, by the kernel's account."""

    def __init__(self, pid: int | None, proc: Path = PROC) -> None:
        self._pid = pid
        self._proc = proc
        self.gaps: dict[str, str] = {}
        """By field of Usage, after `used`."""
        if pid is None:
            return
        usage.reset_peak(pid)
        self._threads = Threads(pid, proc)
        self._from_ns, self._cpu_from_ns = time.monotonic_ns(), usage.cpu_ns(pid)
        self._counts_from, _ = _counts(proc / str(pid))
        self._look: Look = self._threads.look()

    def used(self) -> Usage | None:
        """What it used; None where there is no broker of ours."""
        if self._pid is None:
            return None
        spent = between(self._look, self._threads.look(anew=True))
        counts, why = _counts(self._proc / str(self._pid))
        over_ns, cpu_ns = time.monotonic_ns() - self._from_ns, usage.cpu_ns(self._pid) - self._cpu_from_ns
        busiest = max(spent.values(), key=lambda times: times.ran, default=None)
        told: dict[str, Any] = {
            name: None if now is None or (was := self._counts_from[name]) is None else now - was
            for name, now in counts.items()
        }
        by_thread: dict[str, Any] = {
            "runnable_ns": sum(times.waited for times in spent.values()) if busiest else None,
            "threads": len(spent) if busiest else None,
            "thread_cpu_ns": busiest.ran if busiest else None,
            "thread_runnable_ns": busiest.waited if busiest else None,
        }
        self.gaps = {**gaps(by_thread, self._threads.gap), **gaps(told, why)}
        self._threads.close()
        return Usage(
            max(0, cpu_ns), usage.peak_rss_bytes(self._pid), rss_bytes=usage.rss_bytes(self._pid), over_ns=over_ns,
            **by_thread, **told,
        )  # fmt: skip

    def close(self) -> None:
        """Also of a block that came to nothing."""
        if self._pid is not None:
            self._threads.close()


def _counts(process: Path) -> tuple[dict[str, int | None], str]:
    """Switches of all threads, and faults; with the reason for those that are None."""
    found: dict[str, int | None] = dict.fromkeys(
        ("voluntary_switches", "involuntary_switches", "minor_faults", "major_faults")
    )
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        found |= {"minor_faults": int(fields[_MINOR]), "major_faults": int(fields[_MAJOR])}
        found |= _switches(process)
    except OSError as error:
        return found, unreadable(error)
    except (ValueError, IndexError, KeyError):
        return found, f"{process}: not as proc(5) says"
    return found, ""


def _switches(process: Path) -> dict[str, int]:
    sums = dict.fromkeys(_SWITCHES, 0)
    for task in (process / "task").iterdir():
        lines = dict(line.partition(":")[::2] for line in (task / "status").read_text().splitlines())
        for name, line in _SWITCHES.items():
            sums[name] += int(lines[line])
    return sums


class Cores:
    """Each core of the machine between two moments: how much of it anybody used."""

    def __init__(self, proc: Path = PROC) -> None:
        self._file = proc / "stat"
        self.gap = ""
        self._from = self._ticks()

    def busy(self) -> dict[str, float] | None:
        """Share of the time by core; of less than a tick (10 ms) 0. None where the kernel does not say."""
        now = self._ticks()
        if self.gap:
            return None
        found = {}
        for core, (worked, whole) in now.items():
            before = self._from.get(core, (worked, whole))
            passed = whole - before[1]
            found[core] = min(1.0, max(0.0, (worked - before[0]) / passed)) if passed > 0 else 0.0
        return found

    def _ticks(self) -> dict[str, tuple[int, int]]:
        try:
            lines = [line.split() for line in self._file.read_text().splitlines()]
            # Guest time is part of user time; the first line sums up all cores.
            ticks = {
                name[3:]: [int(value) for value in values[:_GUEST_FROM]]
                for name, *values in lines
                if name.startswith("cpu") and name != "cpu"
            }
        except OSError as error:
            self.gap = unreadable(error)
            return {}
        except ValueError:
            self.gap = f"{self._file}: not as proc(5) says"
            return {}
        if not ticks:
            self.gap = f"{self._file}: no core in it"
        return {core: (sum(own) - own[_IDLE] - own[_IOWAIT], sum(own)) for core, own in ticks.items()}


@dataclass(frozen=True, slots=True)
class Seen:
    """All of it, of one block."""

    broker: Usage | None
    counts: BrokerCounts | None
    cores: Mapping[str, float] | None
    gaps: Mapping[str, str]
    from_ns: int
    until_ns: int
    """On the clock of the stamps."""


class Outside:
    """Looks on from `__enter__` until `seen`; `counts` asks the broker for its own counters."""

    def __init__(self, pid: int | None, counts: Callable[[], Mapping[str, int] | None]) -> None:
        self._pid = pid
        self._counts = counts

    def __enter__(self) -> Self:
        # The broker's answer is work of its own: asked for before its account begins, and after it has ended.
        self._told, self._refused = self._ask()
        self._broker, self._cores, self._from_ns = Broker(self._pid), Cores(), time.monotonic_ns()
        return self

    def seen(self) -> Seen:
        """What was used until now; once."""
        cores, broker = self._cores.busy(), self._broker.used()
        told, refused = self._ask()
        gaps = {f"broker.{name}": why for name, why in self._broker.gaps.items()}
        if self._cores.gap:
            gaps["cores"] = self._cores.gap
        if self._refused or refused:
            gaps["broker.counts"] = self._refused or refused
        return Seen(broker, grown(self._told, told), cores, gaps, self._from_ns, time.monotonic_ns())

    def _ask(self) -> tuple[Mapping[str, int] | None, str]:
        try:
            return self._counts(), ""
        except BenchkitError as error:
            return None, error.what

    def __exit__(self, *_: object) -> None:
        self._broker.close()


def grown(before: Mapping[str, int] | None, after: Mapping[str, int] | None) -> BrokerCounts | None:
    """What a broker's counters grew by; None where it has none, or began anew in between."""
    if before is None or after is None:
        return None
    known = {name: after[name] - before[name] for name in after.keys() & before.keys() - {"memory_bytes"}}
    if not known or min(known.values()) < 0:
        return None
    return BrokerCounts(**known, memory_bytes=after.get("memory_bytes"))
