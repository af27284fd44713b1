"""Rules at work: an evaluator, its sinks open, and a log of what was said, why, and when whoever was told had it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final

from benchkit.alerts.evaluator import Evaluator
from benchkit.alerts.notice import Delivered, Notice
from benchkit.alerts.observation import Observation
from benchkit.alerts.options import AlertOptions
from benchkit.alerts.sinks.base import Around, Sink
from benchkit.errors import MissingLibrary

MOST_KEPT: Final = 1000
"""Notices in the log: a run of days with a rule that keeps flapping must not gather them all."""
_CLOSING_S: Final = 5.0


class Alerting:
    """Feed it, and it tells. `feed` is called from one thread, and blocks for no sink."""

    def __init__(self, options: AlertOptions, say: Callable[[str, str], None]) -> None:
        self.options = options
        self.evaluator = Evaluator(options.evaluated)
        self._around = Around(say, self._said)
        self._changing = threading.Lock()
        self._log: list[dict[str, Any]] = []
        self._entries: dict[int, dict[str, Any]] = {}
        """By the notice's identity, which stands as long as the notice does."""
        self._kept: list[Notice] = []
        self.left_out = 0
        """Notices beyond those that the log keeps."""
        self._sinks: list[Sink] = []

    def open(self) -> None:
        """Open the sinks; raises BenchkitError where one cannot be, with the others closed."""
        try:
            for sink in self.options.sinks:
                for module in sink.requires:
                    _require(sink.kind, module, sink.install)
                self._sinks.append(sink.open(self._around))
        except BaseException:
            self.close(0.0)
            raise

    def feed(self, observations: Iterable[Observation], now_ns: int | None = None) -> list[Notice]:
        """What was seen; says what is news. `now_ns` is the host's monotonic clock by default."""
        seen = list(observations)
        notices = self.evaluator.feed(seen, time.monotonic_ns() if now_ns is None else now_ns)
        for notice in notices:
            self._keep(notice)
        for sink in self._sinks:
            sink.show(seen, self.evaluator.firing)
            for notice in notices:
                sink.take(notice)
        return notices

    def _keep(self, notice: Notice) -> None:
        with self._changing:
            if len(self._log) >= MOST_KEPT:
                self.left_out += 1
                return
            entry = {**notice.plain(), "delivered": []}
            self._log.append(entry)
            self._kept.append(notice)
            self._entries[id(notice)] = entry

    def _said(self, notice: Notice, delivered: Delivered) -> None:
        with self._changing:
            if entry := self._entries.get(id(notice)):
                entry["delivered"].append(asdict(delivered))

    @property
    def said(self) -> int:
        """How many notices the log holds."""
        return len(self._log)

    def log(self, first: int = 0) -> list[dict[str, Any]]:
        """Every notice so far, from number `first` on, with what became of it, as plain data."""
        with self._changing:
            return [{**entry, "delivered": list(entry["delivered"])} for entry in self._log[first:]]

    def close(self, timeout_s: float = _CLOSING_S) -> None:
        """Give the sinks a last moment to deliver what waits."""
        sinks, self._sinks = self._sinks, []
        until = time.monotonic() + timeout_s
        for sink in sinks:
            sink.close(max(0.0, until - time.monotonic()))


@contextmanager
def alerting(options: AlertOptions, say: Callable[[str, str], None]) -> Iterator[Alerting]:
    """Rules at work until this ends; `say` prints one line in a style."""
    made = Alerting(options, say)
    made.open()
    try:
        yield made
    finally:
        made.close()


def _require(kind: str, module: str, install: str) -> None:
    from importlib import import_module

    try:
        import_module(module)
    except ImportError as error:
        raise MissingLibrary(
            f"the sink {kind!r} needs {error.name or module}", where="alerts", remedy=install
        ) from error
