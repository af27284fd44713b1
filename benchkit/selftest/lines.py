"""What a self-test keeps: a file of JSON lines that it adds to while it runs and takes up again, and its page.

A half line at its end, of a self-test that was killed, is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchkit.errors import StorageError, UsageError

Entry = dict[str, Any]


class Lines:
    """The file; without a path nothing is kept."""

    def __init__(self, path: Path | None, take: Callable[[Entry], None]) -> None:
        """Gives each line that is there to `take`, which raises ValueError, KeyError or TypeError for a stranger's.

        Raises UsageError for such a line, StorageError where the file cannot be used.
        """
        self.path = path
        if path is None:
            return
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
                take(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(
                    "is no line of this self-test", where=f"{path}:{number}", remedy="choose another --out"
                ) from error

    def add(self, entry: Entry) -> None:
        """One line more; raises StorageError."""
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise StorageError(
                f"cannot be written: {error.strerror}", where=str(self.path), remedy="free some space"
            ) from error


def keep_page(folder: Path | None, name: str, text: str) -> None:
    """Write the result's page into the folder, if there is one; raises StorageError."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{error.strerror}", where=str(folder / name), remedy="free some space") from error
