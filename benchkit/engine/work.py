"""A piece of work in a party: what it was told, what it may report, and how an error becomes data."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from benchkit.errors import BenchkitError
from benchkit.hiding import hide
from benchkit.scenario.redact import redact_lines


class Work:
    """One command under way: what it may report and what it has been told meanwhile."""

    def __init__(self, send: Callable[[dict[str, Any]], None], command: dict[str, Any]) -> None:
        self._send = send
        self.id: int = command["id"]
        self.command = command
        self.stopping = ""
        """`""`, `drain` (end when nothing is left) or `now`."""
        self.starting = threading.Event()
        """All producers are ready: the schedule begins at `start_ns`. Set as well when the block is over."""
        self.start_ns = 0
        self.closing = threading.Event()
        """The other parties are done: ends may be closed."""
        self.going = threading.Event()
        """A worker that was held back may begin."""
        self.progress: Callable[[], int] = int
        self.handed: Callable[[], int] = int
        """Messages that a worker in the middle of a pipeline has handed on; of a producer, answers that it awaits."""

    def stopped(self) -> str:
        """Asked in loops: has the runner said stop, and how?"""
        return self.stopping

    def tell(self, event: str, **data: Any) -> None:
        """Report to the runner."""
        self._send({"id": self.id, "event": event, **data})


def describe(error: BaseException) -> dict[str, Any]:
    """An error as plain data; the runner raises it again by its name."""
    what = error.what if isinstance(error, BenchkitError) else f"{type(error).__name__}: {error}"
    return {
        "type": type(error).__name__,
        # Errors of ours are raised by plug-ins too, with whatever they hold.
        "what": redact_lines(str(what)),
        "where": hide(str(getattr(error, "where", ""))),
        "remedy": hide(str(getattr(error, "remedy", ""))),
        "traceback": redact_lines("".join(traceback.format_exception(error))),
    }
