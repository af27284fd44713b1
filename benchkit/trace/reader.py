"""Trace files, read without trusting them: sizes are checked before anything is read, records one by one after.

A file that cannot be read as a whole is a loss with its reason; a record that makes no sense is counted, the
position of the first one kept. A file of a newer schema is refused: half of what was traced is not the whole.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchkit.errors import RecordError
from benchkit.trace.layout import (
    COUNTERS,
    COUNTERS_AT,
    DESCRIPTION_AT,
    DIGESTED,
    EVENT,
    FAMILY,
    HEADER_BYTES,
    ID_BYTES,
    MAGIC,
    RECORD,
    SUFFIX,
    VALUES,
    Kind,
    Mark,
)

MOST_FILES: Final = 4096
MOST_FILE_BYTES: Final = 1 << 30
MOST_BYTES: Final = 8 << 30
"""Of all files of a folder together: they are in memory at once, less what is empty."""
_LATEST_NS: Final = 1 << 62

MARKS: Final = np.dtype(
    [
        ("n", "<u8"), ("at", "<i8"), ("value", "<i8"), ("nbytes", "<i8"), ("thread", "<u8"), ("mark", "u1"),
        ("length", "u1"), ("hop", "u1"), ("flags", "u1"), ("pad", "V4"), ("id", f"V{ID_BYTES}"), ("n_again", "<u8"),
    ]
)  # fmt: skip
EVENTS: Final = np.dtype(
    [("n", "<u8"), ("at", "<i8"), ("kind", "<u8"), ("values", "<i8", (VALUES,)), ("n_again", "<u8")]
)
_TEXTS: Final = {"host": 64, "boot": 64, "clock": 32, "process": 64, "role": 64}
"""What the description must hold, and the most letters of each."""


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """One process's trace."""

    file: str
    """Its name in the folder."""
    host: str
    boot: str
    process: str
    role: str
    pid: int
    started_ns: int
    started_utc_ns: int
    ended_ns: int
    """0: it was killed, or it still runs."""
    running: bool
    marks: npt.NDArray[np.void]
    """dtype MARKS, in the order in which they were made."""
    events: npt.NDArray[np.void]
    """dtype EVENTS, likewise."""
    made: int
    """Marks that it made, as far as the file tells."""
    overwritten: int
    """The first ones, for which there was no room in the end."""
    damaged: int
    """Marks that are not whole, or make no sense."""
    damaged_at: int | None
    """Position of the first of them in the file, bytes."""
    refused: int
    """Marks with a name that is none."""
    missing_bytes: int
    """What a file that was cut short should hold beyond its end."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A file of which nothing can be used."""

    file: str
    what: str


def read_folder(folder: Path) -> tuple[list[Traced], list[Loss]]:
    """All trace files of a folder, by name; raises RecordError when there are none, or too many or too new ones."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(SUFFIX))
    except OSError as error:
        raise RecordError(
            f"cannot be read: {error.strerror}", where=str(folder), remedy="name the folder of BENCHKIT_TRACE"
        ) from error
    if not names:
        raise RecordError(
            "no trace is there",
            where=str(folder),
            remedy=f"run your programs with BENCHKIT_TRACE={folder}; they must call benchkit.trace",
        )
    if len(names) > MOST_FILES:
        raise RecordError(
            f"{len(names)} trace files are more than {MOST_FILES}",
            where=str(folder),
            remedy="give each measurement a folder of its own",
        )
    traced, losses, read = [], [], 0
    for name in names:
        found = read_file(folder / name)
        if isinstance(found, Loss):
            losses.append(found)
            continue
        read += found.marks.nbytes
        if read > MOST_BYTES:
            raise RecordError(
                "more marks than fit in memory", where=str(folder), remedy="trace for a shorter time"
            )
        traced.append(found)
    return traced, losses


def read_file(path: Path) -> Traced | Loss:
    """One trace file, or why nothing of it can be used; raises RecordError where its schema is a newer one."""
    try:
        # Without O_NONBLOCK a pipe of that name would be waited for.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return Loss(path.name, f"cannot be read: {error.strerror}")
    try:
        return _read(path, handle)
    except OSError as error:
        return Loss(path.name, f"cannot be read: {error.strerror}")
    finally:
        os.close(handle)


def _read(path: Path, handle: int) -> Traced | Loss:
    told = os.fstat(handle)
    if not stat.S_ISREG(told.st_mode):
        return Loss(path.name, "not a file")
    if told.st_size > MOST_FILE_BYTES:
        return Loss(path.name, f"{told.st_size} bytes are more than {MOST_FILE_BYTES}")
    with os.fdopen(handle, "rb", closefd=False) as file:
        content = file.read(told.st_size)
    try:
        return _parse(path, content, running=_locked(handle))
    except _Damaged as error:
        return Loss(path.name, str(error))


class _Damaged(Exception):
    """What is wrong with a file, and where."""


def _parse(path: Path, content: bytes, *, running: bool) -> Traced:
    _check_magic(path, content)
    if len(content) < HEADER_BYTES:
        raise _Damaged(f"cut short at byte {len(content)}, within its header")
    places, record, events, event, ended, refused, _ = COUNTERS.unpack_from(content, COUNTERS_AT)
    if (
        (record, event) != (RECORD.size, EVENT.size)
        or not 0 < places <= MOST_FILE_BYTES // record
        or events > places
    ):
        raise _Damaged(f"sizes that make no sense at byte {COUNTERS_AT}")
    records_at = HEADER_BYTES + events * event
    size = records_at + places * record
    if len(content) > size:
        raise _Damaged(f"{len(content) - size} bytes too many at byte {size}")
    described = _description(content)
    ring = _ring(content, MARKS, records_at, places)
    good = sound(ring.records)
    damaged = ring.lost + int(np.count_nonzero(~good))
    at = ring.lost_at
    if not good.all():
        first = records_at + int((ring.records["n"][~good][0] - 1) % places) * record
        at = first if at is None else min(at, first)
    used = _ring(content, EVENTS, HEADER_BYTES, events).records if events else np.zeros(0, EVENTS)
    known = np.isin(used["kind"], list(Kind)) & (used["at"] > 0) & (used["at"] < _LATEST_NS)
    return Traced(
        file=path.name,
        **described,
        ended_ns=ended if 0 < ended < _LATEST_NS else 0,
        running=running,
        marks=ring.records[good],
        events=used[known],
        made=ring.made,
        overwritten=max(0, ring.made - places),
        damaged=damaged,
        damaged_at=at,
        refused=refused,
        missing_bytes=size - len(content),
    )


def _check_magic(path: Path, content: bytes) -> None:
    magic = content[: len(MAGIC)]
    if magic == MAGIC:
        return
    if not content:
        raise _Damaged("empty")
    if magic[: len(FAMILY)] == FAMILY:
        raise RecordError(
            f"written by another benchkit ({magic!r}, this one reads {MAGIC!r})",
            where=str(path),
            remedy="pip install --upgrade benchkit, here and where the trace is made",
        )
    if not any(magic):
        raise _Damaged("never begun: its process ended while it made the file")
    raise _Damaged("not a trace of benchkit, at byte 0")


def _description(content: bytes) -> dict[str, Any]:
    """The checked facts of the header's JSON."""
    length = int.from_bytes(content[DESCRIPTION_AT - 4 : DESCRIPTION_AT], "little")
    if length > HEADER_BYTES - DESCRIPTION_AT:
        raise _Damaged(f"a description of {length} bytes at byte {DESCRIPTION_AT - 4}")
    try:
        told = json.loads(content[DESCRIPTION_AT : DESCRIPTION_AT + length])
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise _Damaged(f"no description at byte {DESCRIPTION_AT}")
    texts = {name: told.get(name) for name in _TEXTS}
    numbers = {name: told.get(name) for name in ("pid", "started_ns", "started_utc_ns")}
    if not all(isinstance(text, str) and len(text) <= _TEXTS[name] for name, text in texts.items()):
        raise _Damaged(f"a description without its texts at byte {DESCRIPTION_AT}")
    if not all(type(number) is int and 0 <= number < _LATEST_NS for number in numbers.values()):
        raise _Damaged(f"a description without its numbers at byte {DESCRIPTION_AT}")
    if texts.pop("clock") != "monotonic":
        raise _Damaged(f"a clock that nobody knows, at byte {DESCRIPTION_AT}")
    return {**texts, **numbers}


@dataclass(frozen=True, slots=True)
class _Ring:
    records: npt.NDArray[np.void]
    made: int
    lost: int
    lost_at: int | None


def _ring(content: bytes, dtype: np.dtype[np.void], first: int, places: int) -> _Ring:
    """The whole records of a ring in the order in which they were made."""
    here = min(places, max(0, len(content) - first) // dtype.itemsize)
    table = np.frombuffer(content, dtype, count=here, offset=first) if here else np.zeros(0, dtype)
    n = table["n"]
    place = np.arange(here, dtype=np.uint64)
    whole = (n == table["n_again"]) & (n != 0) & ((n - np.uint64(1)) % np.uint64(places) == place)
    touched = (n != 0) | (table["n_again"] != 0)
    made = int(n[whole].max()) if whole.any() else 0
    # Of an earlier lap than the last one: its successor was never written.
    kept = whole & (n > max(0, made - places))
    lost = touched & ~kept
    lost_at = first + int(np.flatnonzero(lost)[0]) * dtype.itemsize if lost.any() else None
    found = table[kept]
    return _Ring(found[np.argsort(found["n"], kind="stable")], made, int(np.count_nonzero(lost)), lost_at)


def sound(marks: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Marks that a process may have made."""
    length = marks["length"]
    named = ((length > 0) & (length <= ID_BYTES)) | (length == DIGESTED)
    found: npt.NDArray[np.bool_] = (
        np.isin(marks["mark"], list(Mark))
        & (named | (marks["mark"] == Mark.ASKED))
        & (marks["at"] > 0)
        & (marks["at"] < _LATEST_NS)
        & (marks["value"] >= 0)
        & (marks["value"] < _LATEST_NS)
        & (marks["nbytes"] >= 0)
        & (marks["nbytes"] < _LATEST_NS)
    )
    return found


def _locked(handle: int) -> bool:
    """The process that writes it still lives."""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def by_clock(traced: list[Traced]) -> Iterator[tuple[tuple[str, str], list[Traced]]]:
    """The processes of each boot of each host: only their moments can be compared."""
    clocks = sorted({(each.host if not each.boot else "", each.boot) for each in traced})
    for clock in clocks:
        yield clock, [each for each in traced if (each.host if not each.boot else "", each.boot) == clock]
