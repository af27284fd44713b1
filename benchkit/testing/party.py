"""A thread that plays one party, and a watchdog over what it is told to do."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillRunning
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from benchkit.testing.report import BrokenPromise

T = TypeVar("T")


class Party:
    """Does jobs one after the other in a thread; a job that never returns is reported, not awaited."""

    def __init__(self, name: str, patience_s: float) -> None:
        self.name = name
        self.stuck = False
        self._patience_s = patience_s
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # A daemon, because a transport that hangs must not keep the interpreter from ending.
        self._thread = Thread(target=self._work, name=f"check-{name}", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def begin(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Start `function(*args)` and return at once."""
        future: Future[T] = Future()

        def job() -> None:
            try:
                future.set_result(function(*args))
            except BaseException as error:  # noqa: BLE001  (it is raised again where the result is asked for)
                future.set_exception(error)

        self._jobs.put(job)
        return future

    def finish(self, future: Future[T], what: str, extra_s: float = 0.0) -> T:
        """Its result; BrokenPromise when `what` has not returned after the patience and `extra_s`."""
        try:
            return future.result(self._patience_s + extra_s)
        except StillRunning:
            if future.done():
                raise
            self.stuck = True
            raise BrokenPromise(f"{what} has not returned after {self._patience_s + extra_s:g} s") from None

    def do(self, what: str, function: Callable[..., T], *args: Any) -> T:
        """`function(*args)` in this party's thread, watched."""
        return self.finish(self.begin(function, *args), what)

    def leave(self) -> None:
        """End the thread, unless it hangs."""
        self._jobs.put(None)
        if not self.stuck:
            self._thread.join()
