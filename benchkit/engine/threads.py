"""What the threads of a process ran and waited for, from the kernel's `schedstat` of each: Linux only.

Its files stay open between two looks, so that a look of one's own process takes a few microseconds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_LINE_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class Times:
    """Of one thread since it began, in nanoseconds; see Documentation/scheduler/sched-stats.rst of Linux."""

    ran: int
    waited: int
    """Ready to run and without a core."""


Look = Mapping[int, Times]
"""By thread id."""


class Threads:
    """The threads of one process. Not for two threads at a time."""

    def __init__(self, pid: int | str = "self", proc: Path = PROC) -> None:
        self._folder = proc / str(pid) / "task"
        self._open: dict[int, int] = {}
        self.gap = ""
        """Why nothing can be read; empty where it can."""
        self._refresh()

    def _refresh(self) -> None:
        """Open the files of threads that began meanwhile."""
        try:
            for task in self._folder.iterdir():
                if int(task.name) not in self._open:
                    # A thread may end between being listed and being opened.
                    with suppress(FileNotFoundError, ProcessLookupError):
                        self._open[int(task.name)] = os.open(task / "schedstat", os.O_RDONLY | os.O_CLOEXEC)
            if not self._open:
                self.gap = f"{self._folder}/*/schedstat: no thread has one"
        except OSError as error:
            self._give_up(unreadable(error, self._folder))

    def _give_up(self, why: str) -> None:
        """Some of the threads would be a wrong sum of all."""
        self.gap = why
        self.close()

    def look(self, *, anew: bool = False) -> Look:
        """What is known now; of threads that have ended, nothing. `anew` looks for new ones as well."""
        if anew and not self.gap:
            self._refresh()
        found = {}
        for thread, handle in self._open.items():
            try:
                fields = os.pread(handle, _LINE_BYTES, 0).split()
                found[thread] = Times(int(fields[0]), int(fields[1]))
            except ProcessLookupError:
                continue
            except OSError as error:
                self._give_up(unreadable(error, self._folder / str(thread) / "schedstat"))
                return {}
            except (ValueError, IndexError):
                self._give_up(f"{self._folder}/{thread}/schedstat: not two numbers")
                return {}
        return found

    def close(self) -> None:
        """Close the files."""
        for handle in self._open.values():
            os.close(handle)
        self._open.clear()


def between(before: Look, after: Look) -> Look:
    """What each thread that is still there ran and waited between two looks."""
    none = Times(0, 0)
    return {
        thread: Times(now.ran - was.ran, now.waited - was.waited)
        for thread, now in after.items()
        for was in (before.get(thread, none),)
    }


def unreadable(error: OSError, path: Path | None = None) -> str:
    """A gap's reason: the file, and what the kernel says of it."""
    return f"{error.filename or path}: {error.strerror or error}"
