"""A file of timestamps -> nanoseconds since the first, exact and ascending."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

from benchkit.errors import UsageError
from benchkit.load._trace.layout import Layout, Stamps
from benchkit.load._trace.npy import npy_stamps
from benchkit.load._trace.text import csv_stamps, jsonl_stamps

MAX_BYTES: Final = 1 << 30
_READERS: Final[dict[str, Callable[[Path, Layout], Stamps]]] = {
    ".csv": csv_stamps, ".jsonl": jsonl_stamps, ".ndjson": jsonl_stamps, ".npy": npy_stamps,
}  # fmt: skip


def read(path: Path, layout: Layout) -> Stamps:
    """Nanoseconds since the first stamp, shape (n,) with n >= 2, ascending, the last above 0; read-only.

    Raises UsageError with the first bad line. The last few files are kept in memory until they change.
    """
    try:
        facts = path.stat()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        raise UsageError(
            f"cannot be read: {reason}", where=path.name, remedy="set the trace's path to a file"
        ) from None
    if not path.is_file():
        raise UsageError(
            "is not a regular file",
            where=path.name,
            remedy="set the trace's path to a CSV, JSONL or npy file",
        )
    if facts.st_size > MAX_BYTES:
        raise UsageError(
            f"is larger than {MAX_BYTES >> 20} MiB",
            where=path.name,
            remedy="cut a part out of it that is to be played",
        )
    return _read(path, layout, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=4)
def _read(path: Path, layout: Layout, size: int, modified_ns: int) -> Stamps:  # noqa: ARG001  (part of the cache's key)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(_READERS)
        raise UsageError("is of no known kind", where=path.name, remedy=f"known by their ending: {known}")
    try:
        found = reader(path, layout)
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror}", where=path.name, remedy="make the file readable"
        ) from None
    if len(found) < 2:
        count = "no stamp" if not len(found) else "a single stamp, and so no gap"
        raise UsageError(f"holds {count}", where=path.name, remedy="give a trace of two stamps at least")
    if found[-1] == 0:
        raise UsageError(
            f"all its {len(found)} stamps are the same moment",
            where=path.name,
            remedy="a trace needs time between its first and last stamp; is `unit` or the column right?",
        )
    found.flags.writeable = False
    return found
