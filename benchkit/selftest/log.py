"""What is kept of a self-test while it runs: one line of JSON a trial, so that it can be taken up again.

`trials.jsonl` begins with what healthy pipelines take (`{"naturals": ...}`, the last of such lines counts).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchkit.selftest.kinds import BY_NAME
from benchkit.selftest.lines import Entry, Lines, keep_page
from benchkit.selftest.trials import Naturals, Trial

PAGE = "verdict.md"


class Log:
    """The file of one self-test; without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.lines: list[Entry] = []
        self.naturals: Naturals = {}
        self._file = Lines(None if folder is None else folder / "trials.jsonl", self._take)

    def _take(self, entry: Entry) -> None:
        if "naturals" in entry:
            self.naturals.update(entry["naturals"])
        elif entry["kind"] in BY_NAME:
            self.lines.append(entry)

    def keep_page(self, text: str) -> None:
        """The result as a page beside the trials."""
        keep_page(None if self._file.path is None else self._file.path.parent, PAGE, text)

    def left(self, trials: Iterable[Trial]) -> list[Trial]:
        """Those that have no line yet."""
        done = {(line["kind"], line["seed"], line["asked_share"]) for line in self.lines}
        return [trial for trial in trials if (trial.kind, trial.seed, trial.share) not in done]

    def keep(self, line: Entry) -> None:
        """Add a trial."""
        self.lines.append(line)
        self._file.add(line)

    def keep_naturals(self) -> None:
        """What healthy pipelines take, as far as it is known."""
        self._file.add({"naturals": self.naturals})
