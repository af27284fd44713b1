"""Trace files made by hand, mark by mark, as the layout says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchkit.trace.layout import (
    COUNTERS,
    COUNTERS_AT,
    DESCRIPTION_AT,
    EVENT,
    HEADER_BYTES,
    MAGIC,
    RECORD,
    VALUES,
    Kind,
    Mark,
)

EPOCH_NS = 1_000_000_000
DESCRIPTION: dict[str, Any] = {
    "host": "aaaa", "boot": "bbbb", "clock": "monotonic", "pid": 7, "process": "made", "role": "", "python": "3",
    "started_ns": EPOCH_NS, "started_utc_ns": 1_800_000_000 * 1_000_000_000,
}  # fmt: skip


def mark(kind: Mark, name: object = "", at_us: float = 0, **more: int) -> dict[str, Any]:
    """One mark, its moment in microseconds after the epoch of the tests."""
    return {"mark": kind, "id": str(name).encode(), "at": EPOCH_NS + int(at_us * 1000), **more}


def produced(name: object, at_us: float, **more: int) -> dict[str, Any]:
    return mark(Mark.PRODUCED, name, at_us, **more)


def received(name: object, at_us: float, **more: int) -> dict[str, Any]:
    return mark(Mark.RECEIVED, name, at_us, **more)


def done(name: object, at_us: float, **more: int) -> dict[str, Any]:
    return mark(Mark.DONE, name, at_us, **more)


def record(n: int, each: dict[str, Any]) -> bytes:
    return RECORD.pack(
        n + 1, each["at"], each.get("value", 0), each.get("nbytes", 0), each.get("thread", 1), each["mark"],
        len(each["id"]), each.get("hop", 0), each.get("flags", 0), each["id"], n + 1,
    )  # fmt: skip


def content(
    marks: Sequence[dict[str, Any]], *, places: int | None = None, events: Sequence[tuple[int, ...]] = (),
    ended: bool = True, refused: int = 0, magic: bytes = MAGIC, **description: Any,
) -> bytes:  # fmt: skip
    """The bytes of a whole file; `events` are (moment in us, kind, values...)."""
    places = places or max(1, len(marks))
    room = max(1, len(events))
    # A ring has never fewer places than events.
    places = max(places, room)
    last = max((each["at"] for each in marks), default=EPOCH_NS) + 1
    head = bytearray(HEADER_BYTES)
    head[: len(magic)] = magic
    COUNTERS.pack_into(
        head, COUNTERS_AT, places, RECORD.size, room, EVENT.size, last if ended else 0, refused, 0
    )
    text = json.dumps({**DESCRIPTION, **description}).encode()
    head[DESCRIPTION_AT - 4 : DESCRIPTION_AT + len(text)] = len(text).to_bytes(4, "little") + text
    ring = bytearray(places * RECORD.size)
    for n, each in enumerate(marks):
        at = n % places * RECORD.size
        ring[at : at + RECORD.size] = record(n, each)
    happened = bytearray(room * EVENT.size)
    for n, (at_us, kind, *values) in enumerate(events):
        filled = (*values, *[0] * (VALUES - len(values)))
        EVENT.pack_into(happened, n * EVENT.size, n + 1, EPOCH_NS + int(at_us * 1000), kind, *filled, n + 1)
    return bytes(head + happened + ring)


def usage(at_us: float, cpu_ns: int, runnable_ns: int = -1, threads: int = 1) -> tuple[Any, ...]:
    return (at_us, Kind.USAGE, cpu_ns, 1 << 20, runnable_ns, 5, 6, 7, 8, 9, 10, 1 << 19, threads)


def file(folder: Path, name: str, marks: Sequence[dict[str, Any]], **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.trace"
    path.write_bytes(content(marks, **more))
    return path


def pipeline(folder: Path, count: int = 200, **worker: Any) -> Path:
    """One producer, one worker: 100 us on the way, 500 us of work, a message every millisecond."""
    file(folder, "producer", [produced(n, 1000 * n + 10, nbytes=64) for n in range(count)])
    both = [(received(n, 1000 * n + 110), done(n, 1000 * n + 610)) for n in range(count)]
    file(folder, "worker", [each for pair in both for each in pair], **worker)
    return folder
