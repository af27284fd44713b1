"""What each process of a run holds between blocks: memory, descriptors, threads. A leak shows here.

Looked at from outside, when a block is over: no party does anything for it, and nothing is read between two stamps.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchkit.engine.threads import PROC
from benchkit.records.seen import Holding

_EVERY_NS: Final = 1_000_000_000
"""Adding up a process's pages takes the kernel milliseconds: short blocks are not all looked at."""
_STATUS: Final[Mapping[str, str]] = {"VmRSS": "rss_bytes", "RssAnon": "anonymous_bytes", "Threads": "threads"}
_KIB: Final = "kB"


class Holdings:
    """Looks at most once a second."""

    def __init__(self, proc: Path = PROC, every_ns: int = _EVERY_NS) -> None:
        self._proc = proc
        self._every_ns = every_ns
        self._next_ns = 0

    def look(self, pids: Mapping[str, int]) -> dict[str, Holding]:
        """What the processes hold now, those left out that are gone; nothing when the last look is too fresh."""
        if time.monotonic_ns() < self._next_ns:
            return {}
        found = {name: holding(self._proc / str(pid)) for name, pid in pids.items()}
        self._next_ns = time.monotonic_ns() + self._every_ns
        return {name: held for name, held in found.items() if held != _NOTHING}


_NOTHING: Final = Holding()


def holding(process: Path) -> Holding:
    """Of one process by its folder below /proc, see proc(5); a field is None where the system does not tell."""
    found: dict[str, int | None] = {}
    with suppress(OSError):
        status = (process / "status").read_text()
        found |= {_STATUS[name]: value for name, value in _lines(status).items() if name in _STATUS}
    with suppress(OSError):
        found["pss_bytes"] = _lines((process / "smaps_rollup").read_text()).get("Pss")
    with suppress(OSError):
        found["descriptors"] = sum(1 for _ in (process / "fd").iterdir())
    return Holding(**found)


def _lines(text: str) -> dict[str, int]:
    """Numbers by name, kibibytes made bytes; other lines are left out."""
    found = {}
    for line in text.splitlines():
        name, _, told = line.partition(":")
        words = told.split()
        if words and words[0].isdecimal():
            found[name] = int(words[0]) * (1024 if words[1:] == [_KIB] else 1)
    return found
