"""Files that are on the disk when the call returns, and whole whenever anybody looks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from benchkit.hiding import hidden
from benchkit.records import opening


def write_json(path: Path, content: Any) -> None:
    """Replace `path` by `content` in one step: readers see the old file or the new one; raises OSError."""
    write_text(path, json.dumps(hidden(content), indent=1, allow_nan=False) + "\n")


def write_text(path: Path, content: str) -> None:
    """Replace `path` by UTF-8 text in one step; raises OSError."""
    partial = path.with_name(f".{path.name}.new")
    with opening.made(partial) as file:
        file.write(content.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def sync(path: Path) -> None:
    """What was written to a file or folder before is on the disk; raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def append(path: Path, whole: int, content: bytes | memoryview) -> None:
    """Write `content` behind the first `whole` bytes of a file; what an earlier attempt left there goes."""
    with opening.changed(path) as file:
        file.truncate(whole)
        file.seek(whole)
        file.write(content)
