"""Whether this process traces, and where to: off, waiting for its first mark, or on.

A forked child waits for its own first mark: a child that marks nothing leaves no file, and one that does never
writes into its parent's.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchkit.trace.ring import Ring, Write

FOLDER: Final = "BENCHKIT_TRACE"
ROLE: Final = "BENCHKIT_TRACE_ROLE"
MAX_BYTES: Final = "BENCHKIT_TRACE_BYTES"


@dataclass(frozen=True, slots=True)
class Wish:
    """Where and how a process wants to be traced."""

    folder: Path
    role: str
    max_bytes: int


class State:
    """One a process; `write` is None while it is off."""

    def __init__(self) -> None:
        self.write: Write | None = None
        self.ring: Ring | None = None
        self._wish: Wish | None = None
        self._lock = threading.RLock()

    def arm(self, wish: Wish) -> None:
        """The first mark opens the file."""
        self._wish = wish
        self.write = self._first

    def open(self) -> Path:
        """Open the file now; raises OSError."""
        from benchkit.trace.ring import Ring

        with self._lock:
            if self.ring is None:
                wish = self._wish
                assert wish is not None  # noqa: S101  (armed before it is opened)
                self.ring = Ring(wish.folder, wish.role, wish.max_bytes)
                self.write = self.ring.write
            return self.ring.path

    def close(self) -> None:
        """Off; what was written stays."""
        with self._lock:
            ring, self.ring, self.write, self._wish = self.ring, None, None, None
        if ring is not None:
            ring.end()
            ring.release()

    def leave(self) -> None:
        """The process ends: its file says so, and threads that outlive this may go on writing."""
        if self.ring is not None:
            self.ring.end()

    def forked(self) -> None:
        """In a child: nothing of the parent's is touched, the wish stays."""
        self._lock = threading.RLock()
        ring, self.ring = self.ring, None
        if ring is not None:
            with suppress(OSError):
                ring.release()
        if self._wish is not None:
            self.write = self._first
            _at_end_of_workers(self)

    def _first(self, *mark: object) -> None:
        """Open the file and write the mark; a trace that cannot be written is given up with one line."""
        try:
            self.open()
        except Exception as error:  # noqa: BLE001  (the program that is watched must run on, whatever this is)
            with self._lock:
                wish, self._wish, self.write = self._wish, None, None
            if wish is not None:
                what = getattr(error, "strerror", None) or str(error)
                with suppress(Exception):
                    print(f"benchkit.trace: off: {wish.folder}: {what}", file=sys.stderr)  # noqa: T201  (no console here)
            return
        write = self.write
        if write is not None:
            write(*mark)


def _at_end_of_workers(state: State) -> None:
    """A worker of multiprocessing ends without atexit, but not without its own finalizers."""
    tools = sys.modules.get("multiprocessing.util")
    if tools is not None:
        # It clears what was registered before the worker's own start.
        tools.register_after_fork(state, lambda own: tools.Finalize(own, own.leave, exitpriority=0))


def begin() -> State:
    """The state of this process, as its environment wants it."""
    state = State()
    folder = os.environ.get(FOLDER)
    if folder:
        from benchkit.trace.ring import DEFAULT_BYTES, LEAST_BYTES

        wanted = os.environ.get(MAX_BYTES, "")
        size = max(LEAST_BYTES, int(wanted)) if wanted.isascii() and wanted.isdigit() else DEFAULT_BYTES
        # What changes its folder before the first mark still writes into the one that was meant.
        state.arm(Wish(Path(folder).absolute(), os.environ.get(ROLE, ""), size))
    atexit.register(state.leave)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=state.forked)
    return state
