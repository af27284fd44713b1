"""What is kept of a self-test while it runs: one line of JSON a trial, so that it can be taken up again.

`trials.jsonl` begins with what healthy pipelines take (`{"naturals": ...}`, the last of such lines counts); a half
line at its end, of a self-test that was killed, is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchkit.errors import StorageError, UsageError
from benchkit.selftest.kinds import BY_NAME
from benchkit.selftest.trials import Naturals, Trial

Entry = dict[str, Any]
PAGE = "verdict.md"


class Log:
    """The file of one self-test; without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.lines: list[Entry] = []
        self.naturals: Naturals = {}
        self._path = None if folder is None else folder / "trials.jsonl"
        if self._path is not None:
            self._read(self._path)

    def _read(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            path.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")
        except OSError as error:
            raise StorageError(
                f"cannot be used: {error.strerror}", where=str(path), remedy="choose another --out"
            ) from error
        for number, line in enumerate(text.splitlines()[: text.count("\n")], 1):
            self._take(line, f"{path}:{number}")

    def _take(self, line: str, where: str) -> None:
        try:
            entry = json.loads(line)
            if "naturals" in entry:
                self.naturals.update(entry["naturals"])
            elif entry["kind"] in BY_NAME:
                self.lines.append(entry)
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                "is no line of a self-test", where=where, remedy="choose another --out"
            ) from error

    def keep_page(self, text: str) -> None:
        """The result as a page beside the trials."""
        if self._path is None:
            return
        page = self._path.with_name(PAGE)
        try:
            page.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{error.strerror}", where=str(page), remedy="free some space") from error

    def left(self, trials: Iterable[Trial]) -> list[Trial]:
        """Those that have no line yet."""
        done = {(line["kind"], line["seed"], line["asked_share"]) for line in self.lines}
        return [trial for trial in trials if (trial.kind, trial.seed, trial.share) not in done]

    def keep(self, line: Entry) -> None:
        """Add a trial."""
        self.lines.append(line)
        self._write(line)

    def keep_naturals(self) -> None:
        """What healthy pipelines take, as far as it is known."""
        self._write({"naturals": self.naturals})

    def _write(self, entry: Entry) -> None:
        if self._path is None:
            return
        try:
            with self._path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise StorageError(
                f"{error.strerror}", where=str(self._path), remedy="free some space"
            ) from error
