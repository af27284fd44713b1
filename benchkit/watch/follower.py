"""A probe on a thread of its own: a server that hangs must not keep the others from being looked at.

A follower is asked for one look a round. Whoever has not answered within `patience_s` counts as down, whatever it
is busy with; when it answers after all, it is back. A target that went away is opened again at every round: a round
is the pause between two attempts.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from benchkit.errors import BenchkitError
from benchkit.watch.base import Look, Probe


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one round at one target."""

    at_ns: int
    look: Look | None
    """None: it did not answer."""
    why: str = ""


class Follower:
    """One target, opened and followed."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self._wanted = threading.Semaphore(0)
        self._answered = threading.Condition()
        self._answer: Answer | None = None
        self._busy_since_ns = 0
        """0: it is not busy."""
        self._open = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=f"watch {probe.pipeline}", daemon=True)
        self._thread.start()

    def first(self) -> None:
        """Open the target and see that it has what is asked for; raises BenchkitError. Before any round."""
        self.probe.open()
        self._open = True
        self.probe.check()

    def ask(self) -> None:
        """Ask for a look; one that is still busy with the last one is left alone."""
        with self._answered:
            if self._busy_since_ns:
                return
            self._busy_since_ns, self._answer = time.monotonic_ns(), None
        self._wanted.release()

    def answer(self, until_ns: int) -> Answer:
        """The look that was asked for, or that there was none by `until_ns` (monotonic clock)."""
        with self._answered:
            self._answered.wait_for(
                lambda: self._answer is not None, max(0.0, (until_ns - time.monotonic_ns()) / 1e9)
            )
            if self._answer is not None:
                return self._answer
            now_ns = time.monotonic_ns()
            return Answer(now_ns, None, f"no answer for {(now_ns - self._busy_since_ns) / 1e9:.0f} s")

    def close(self) -> None:
        """No more rounds. A thread that waits for a hanging server ends with the process."""
        self._ended = True
        self._wanted.release()
        if not self._busy_since_ns:
            self._thread.join()
            self.probe.close()

    def _run(self) -> None:
        while True:
            self._wanted.acquire()
            if self._ended:
                return
            answer = self._look()
            with self._answered:
                self._answer, self._busy_since_ns = answer, 0
                self._answered.notify_all()

    def _look(self) -> Answer:
        try:
            if not self._open:
                self.probe.open()
                self._open = True
            look = self.probe.look()
            return Answer(time.monotonic_ns(), look)
        except BenchkitError as error:
            self._lost()
            return Answer(time.monotonic_ns(), None, error.what)
        except Exception as error:  # noqa: BLE001  (a probe's mistake is one target's, and must not end the others)
            self._lost()
            return Answer(time.monotonic_ns(), None, f"{type(error).__name__} in its probe")

    def _lost(self) -> None:
        self._open = False
        with suppress(Exception):
            self.probe.close()
