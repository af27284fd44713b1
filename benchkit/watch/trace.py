"""A folder of `benchkit.trace`: who lives, and what is under way between the marks.

A process holds a lock on its file for as long as it lives, so a killed one is seen at once; one that is stopped
(SIGSTOP) is told by the kernel. A process that ended in good order has left and is nobody's loss. One that comes
after another of the same role takes its place: `worker-0` that was killed is up again when its successor marks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from benchkit.errors import RecordError
from benchkit.trace.host import describe
from benchkit.trace.layout import SUFFIX
from benchkit.watch.base import Look, Party
from benchkit.watch.trace_file import TraceFile, begun
from benchkit.watch.trace_hops import Hops

MOST_FILES: Final = 1024
_STOPPED: Final = frozenset({"stopped", "tracing-stop", "zombie", "dead"})


class Trace:
    """One folder."""

    def __init__(self, folder: Path, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.pipeline, self.party = f"trace:{folder}", "folder"
        self._folder = folder
        self._clock = clock
        self._files: dict[str, TraceFile] = {}
        self._places: dict[str, TraceFile] = {}
        """Who has the place of each party now."""
        self._notes: dict[str, str] = {}
        self._hops = Hops()
        own = describe("")
        self._host, self._boot = own["host"], own["boot"]

    def open(self) -> None:
        """See that the folder is there; raises RecordError. Programs may come later."""
        self._names()

    def check(self) -> None:
        """Nothing that is named can be missing: an empty folder is one whose programs have not begun."""

    def close(self) -> None:
        """What is known of the marks stays: they are read once."""

    def look(self) -> Look:
        """What is new in all files, and who lives."""
        names = self._names()
        self._forget([name for name in self._files if name not in names])
        new = [found for name in names if (found := self._new(name))]
        # Places are given in the order in which processes came.
        new.sort(key=lambda found: found[0].started_ns)
        marks = [(self._party(file), each) for file, each in new]
        horizon = max((file.horizon_ns for file in self._files.values()), default=0)
        self._hops.take(marks, horizon)
        now_ns = self._clock()
        parties = [party for name in sorted(self._places) if (party := self._seen(name, now_ns))]
        return Look(
            tuple(self._hops.queues(now_ns)), (Party(self.party, True), *parties), tuple(self._notes.values())
        )

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._folder) as entries:
                names = sorted(entry.name for entry in entries if entry.name.endswith(SUFFIX))
        except OSError as error:
            raise RecordError(
                f"cannot be read: {error.strerror}", where=str(self._folder),
                remedy="name the folder of BENCHKIT_TRACE, as it was given to the programs",
            ) from None  # fmt: skip
        if len(names) > MOST_FILES:
            self._notes[""] = f"{len(names)} trace files: only the last {MOST_FILES} that began are followed"
            names = sorted(names, key=self._began)[-MOST_FILES:]
        return names

    def _began(self, name: str) -> float:
        with suppress(OSError):
            return (self._folder / name).lstat().st_ctime
        return 0.0

    def _forget(self, gone: list[str]) -> None:
        """Files that were removed."""
        for name in gone:
            file = self._files.pop(name)
            file.close()
            self._places = {place: holder for place, holder in self._places.items() if holder is not file}

    def _new(self, name: str) -> tuple[TraceFile, npt.NDArray[np.void]] | None:
        """A file and its marks since the last look; None: it has not begun, or cannot be followed."""
        file = self._files.get(name)
        if file is not None:
            return file, file.new()
        found = None if name in self._notes else begun(self._folder / name)
        if isinstance(found, str):
            self._notes[name] = f"{name}: {found}"
        if found is None or isinstance(found, str):
            return None
        file, marks = found
        if (file.host, file.boot) != (self._host, self._boot):
            file.close()
            self._notes[name] = f"{name}: from another host or boot, its moments cannot be compared with ours"
            return None
        self._files[name] = file
        return file, marks

    def _party(self, file: TraceFile) -> str:
        """The name of a file's place; a newcomer takes that of one of its role who was gone before it came."""
        if file.party:
            return file.party
        number = 0
        while (name := f"{file.role}-{number}") in self._places:
            holder = self._places[name]
            if not holder.running and max(holder.last_ns, holder.ended_ns) <= file.started_ns:
                break
            number += 1
        self._places[name], file.party = file, name
        return name

    def _seen(self, name: str, now_ns: int) -> Party | None:
        file = self._places[name]
        idle_s = max(0.0, (now_ns - file.last_ns) / 1e9)
        if not file.running:
            if file.ended_ns:
                return None
            return Party(name, False, idle_s, idle_s, note=f"process {file.pid} was killed")
        status = self._status(file)
        if status in _STOPPED:
            return Party(name, False, idle_s, idle_s, note=f"process {file.pid} is {status}")
        return Party(name, True, 0.0, idle_s)

    def _status(self, file: TraceFile) -> str:
        """What the kernel says of its process; empty where it cannot be told which one that is."""
        import psutil

        with suppress(psutil.Error):
            process = psutil.Process(file.pid)
            # Another process of that number, after it or in a container of its own, began later.
            if process.create_time() <= file.started_utc_ns / 1e9 + 1:
                return str(process.status())
        return ""
