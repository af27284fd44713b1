"""Folders of runs that are not finished: who holds one, and those whose runner is gone."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from benchkit.errors import RecordError
from benchkit.records.names import PARTIAL


def locked(path: Path) -> int | None:
    """A handle that holds the folder's lock, None where another process has it; raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def unfinished(out: Path) -> list[Path]:
    """Partial folders under `out` whose runner is gone and that can be resumed, the latest last."""
    found = []
    for record in out.glob(f".*{PARTIAL}/record.json"):
        if record.parent.is_symlink():
            continue
        with suppress(OSError):
            handle = locked(record.parent)
            if handle is not None:
                os.close(handle)
                found.append((record.stat().st_mtime_ns, record.parent))
    return [path for _, path in sorted(found)]


def no_links(folder: Path) -> None:
    """Nothing in a folder that is written on leads out of it; raises RecordError."""
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            raise RecordError("a link where a run is written", where=str(path), remedy="remove the link")
