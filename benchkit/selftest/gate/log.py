"""What is kept of the trials while they run: `gate-trials.jsonl`, one line each, so that they can be taken up again.

A line `{"latency_us": ...}` says what the pipeline takes; a half line at the end, of a self-test that was killed, is
dropped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchkit.errors import StorageError, UsageError
from benchkit.selftest.gate.trials import Trial


class Log:
    """The file of one self-test; without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.lines: list[dict[str, Any]] = []
        self.latency_us: float | None = None
        self._path = None if folder is None else folder / "gate-trials.jsonl"
        if self._path is not None:
            self._read(self._path)

    def _read(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text("utf-8") if path.exists() else ""
            whole = text[: text.rfind("\n") + 1]
            if whole != text:
                path.write_text(whole, "utf-8")
        except OSError as error:
            raise StorageError(
                f"cannot be used: {error.strerror}", where=str(path), remedy="choose another --out"
            ) from error
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                entry = json.loads(line)
                if "latency_us" in entry:
                    self.latency_us = float(entry["latency_us"])
                else:
                    self.lines.append({**entry, "trial": str(entry["trial"]), "pairs": list(entry["pairs"])})
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(
                    "is no line of a gate's self-test",
                    where=f"{path}:{number}",
                    remedy="choose another --out",
                ) from error

    def left(self, trials: Iterable[Trial]) -> list[Trial]:
        """Those that have no line yet."""
        done = {line["trial"] for line in self.lines}
        return [trial for trial in trials if trial.key not in done]

    def keep(self, line: dict[str, Any]) -> None:
        """Add a trial."""
        self.lines.append(line)
        self._write(line)

    def keep_latency(self, latency_us: float) -> None:
        """What the pipeline takes: the effects of all trials are shares of it."""
        if self.latency_us is None:
            self.latency_us = latency_us
            self._write({"latency_us": latency_us})

    def _write(self, entry: dict[str, Any]) -> None:
        if self._path is None:
            return
        try:
            with self._path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise StorageError(
                f"cannot be written: {error.strerror}", where=str(self._path), remedy="free some space"
            ) from error
