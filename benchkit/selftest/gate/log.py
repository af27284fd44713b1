"""What is kept of the trials while they run: `gate-trials.jsonl`, one line each, so that they can be taken up again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchkit.selftest.gate.trials import Trial
from benchkit.selftest.lines import Entry, Lines


class Log:
    """The file of one self-test; without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.lines: list[Entry] = []
        self._file = Lines(None if folder is None else folder / "gate-trials.jsonl", self._take)

    def _take(self, entry: Entry) -> None:
        self.lines.append({**entry, "trial": str(entry["trial"]), "pairs": list(entry["pairs"])})

    def left(self, trials: Iterable[Trial]) -> list[Trial]:
        """Those that have no line yet."""
        done = {line["trial"] for line in self.lines}
        return [trial for trial in trials if trial.key not in done]

    def keep(self, line: Entry) -> None:
        """Add a trial."""
        self.lines.append(line)
        self._file.add(line)
