"""What is kept of the trials while they run: `gate-trials.jsonl`, one line each, so that they can be taken up again.

A line `{"latency_us": ...}` says what the pipeline takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchkit.selftest.gate.trials import Trial
from benchkit.selftest.lines import Entry, Lines


class Log:
    """The file of one self-test; without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.lines: list[Entry] = []
        self.latency_us: float | None = None
        self._file = Lines(None if folder is None else folder / "gate-trials.jsonl", self._take)

    def _take(self, entry: Entry) -> None:
        if "latency_us" in entry:
            self.latency_us = float(entry["latency_us"])
        else:
            self.lines.append({**entry, "trial": str(entry["trial"]), "pairs": list(entry["pairs"])})

    def left(self, trials: Iterable[Trial]) -> list[Trial]:
        """Those that have no line yet."""
        done = {line["trial"] for line in self.lines}
        return [trial for trial in trials if trial.key not in done]

    def keep(self, line: Entry) -> None:
        """Add a trial."""
        self.lines.append(line)
        self._file.add(line)

    def keep_latency(self, latency_us: float) -> None:
        """What the pipeline takes: the effects of all trials are shares of it."""
        if self.latency_us is None:
            self.latency_us = latency_us
            self._file.add({"latency_us": latency_us})
