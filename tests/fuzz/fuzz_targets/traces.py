"""Trace files of benchkit.trace, what becomes of their marks, and files of arrival times."""

from __future__ import annotations

import io
import sys
from dataclasses import astuple
from pathlib import Path

import numpy as np
from fuzz_target import HERE, Target
from fuzz_targets.runs import put

sys.path.append(str(HERE.parent / "trace"))
import made

from benchkit.errors import RecordError, UsageError
from benchkit.load._trace import read as arrivals
from benchkit.load._trace.layout import Layout
from benchkit.trace.layout import COUNTERS, COUNTERS_AT, DESCRIPTION_AT, HEADER_BYTES, MAGIC, RECORD, Mark
from benchkit.trace.join import hops, join
from benchkit.trace.reader import Loss, Traced, _parse, read_file


def trace(data: bytes) -> None:
    """A trace file: as it is, or its header from a description, the counters and what follows."""
    found = read_file(put("one.trace", _file(data)))
    if isinstance(found, Loss):
        raise RecordError(found.what)
    assert found.made >= 0
    assert found.damaged >= 0
    assert found.missing_bytes >= 0
    assert len(found.marks) <= found.made or found.damaged


def _file(data: bytes) -> bytes:
    if data[:1] != b"\1" or len(data) < 3:
        return data[1:]
    size = int.from_bytes(data[1:3], "little") % 512
    head = bytearray(HEADER_BYTES)
    head[: len(MAGIC)] = MAGIC
    told, rest = data[3 : 3 + size], data[3 + size :]
    head[DESCRIPTION_AT - 4 : DESCRIPTION_AT + len(told)] = len(told).to_bytes(4, "little") + told
    head[COUNTERS_AT : COUNTERS_AT + COUNTERS.size] = rest[: COUNTERS.size].ljust(COUNTERS.size, b"\0")
    return bytes(head) + rest[COUNTERS.size :]


def trace_seeds() -> list[bytes]:
    marks = [made.produced(1, 1.0, nbytes=9), made.received(1, 2.0, hop=1), made.done(1, 3.0, flags=1)]
    files = [
        made.content(marks), made.content(marks, places=2, events=[made.usage(0, 5)]), made.content([], ended=False),
        made.content(marks, clock="other"), made.content(marks, magic=b"benchkit.trace/9"),
    ]  # fmt: skip
    found = [b"", b"\0", b"\0" + MAGIC, b"\0" + bytes(20)]
    for file in files:
        size = int.from_bytes(file[DESCRIPTION_AT - 4 : DESCRIPTION_AT], "little")
        told, counters = file[DESCRIPTION_AT : DESCRIPTION_AT + size], file[COUNTERS_AT : COUNTERS_AT + COUNTERS.size]
        found.append(b"\1" + size.to_bytes(2, "little") + told + counters + file[HEADER_BYTES:])
    return found


def joined(data: bytes) -> None:
    """The messages of up to three processes' traces: five bytes a mark; a mark of another process has a high bit."""
    files: list[list[dict[str, object]]] = [[], [], []]
    traced: list[Traced] = []
    at_us = 10.0
    for place in range(1, len(data) - 4, 5):
        kind, name, gap, who, more = data[place : place + 5]
        at_us += gap if more & 4 else 0
        mark = made.mark(Mark(kind % 11 + 1), name % 24, at_us - (more & 8) * 2, thread=who >> 2 & 3, flags=more & 1)
        mark |= {"nbytes": gap, "hop": more >> 1 & 1, "value": int(mark["at"]) - 500 if more & 16 else 0}
        files[who % 3].append(mark)
    for number, marks in enumerate(files):
        ended = not (data and data[0] >> number & 1)
        content = made.content(marks, ended=ended, places=40 if data and data[0] & 8 else None)
        traced.append(_parse(Path(f"p{number}.trace"), content, running=bool(data) and data[0] >> 4 == number))
    for hop in hops(traced):
        found = join(traced, hop, all_there=bool(data) and data[0] < 128)
        assert (np.diff(found.samples["due"]) >= 0).all()
        assert min(astuple(found.counted)) >= 0


def joined_seeds() -> list[bytes]:
    def lives(kinds: tuple[Mark, ...], count: int, more: int) -> bytes:
        out = bytearray(b"\0")
        for name in range(count):
            for kind in kinds:
                producing = kind in (Mark.PRODUCED, Mark.ENCODED, Mark.SENT, Mark.RETURNED)
                out += bytes((kind - 1, name, 7, 0 if producing else 1 + name % 2, more | 4))
        return bytes(out)

    return [
        lives((Mark.PRODUCED, Mark.RECEIVED, Mark.DONE), 20, 0), lives(tuple(Mark), 12, 16),
        lives((Mark.PRODUCED, Mark.SENT, Mark.RECEIVED, Mark.STARTED, Mark.FINISHED, Mark.DONE, Mark.RETURNED), 15, 2),
        lives((Mark.PRODUCED, Mark.RECEIVED), 6, 0) + lives((Mark.DONE,), 6, 1)[1:],
    ]  # fmt: skip


_SUFFIXES = (".csv", ".jsonl", ".npy")
_LAYOUTS = tuple(
    Layout(column, key, unit)
    for column, key, unit in ((None, None, "s"), ("at", "t", "ms"), (2, "t", "us"), (1, None, "ns"))
)


def times(data: bytes) -> None:
    """A file of arrival times; its kind and layout by the first byte."""
    if not data:
        return
    path = put(f"times{_SUFFIXES[data[0] % 3]}", data[1:])
    found = arrivals._read.__wrapped__(path, _LAYOUTS[data[0] // 3 % 4], 0, 0)
    assert found[0] == 0
    assert (np.diff(found) >= 0).all()


def time_seeds() -> list[bytes]:
    texts = [b"0\n1\n2.5\n", b"at,x\n1,2\n3,4\n", b'"a",1\n"b",2e3\n', b"\xef\xbb\xbft\n1700000000.000000001\n1700000001\n"]
    lines = [b"1\n2\n3.5\n", b'{"t": 1}\n{"t": 2}\n', b'{"a":{"t":1}}\n']
    found = [bytes((3 * layout,)) + each for each in texts for layout in range(4)]
    found += [bytes((3 * layout + 1,)) + each for each in lines for layout in range(4)]
    for values in (np.array([1.0, 2, 4]), np.array([3, 9], np.uint64), np.array([-5, 5], np.int8), np.array([1.5], ">f4")):
        file = io.BytesIO()
        np.save(file, values)
        found.append(b"\x02" + file.getvalue())
    return found


TARGETS = (
    Target("trace-file", trace, (RecordError,), trace_seeds, ("trace/reader.py", "trace/layout.py"), 1024,
           (MAGIC, b'"clock": "monotonic"', b'"pid": ', b'"host": ""', RECORD.size.to_bytes(8, "little"), b"\xff" * 8)),
    Target("trace-join", joined, (RecordError,), joined_seeds, ("trace/join.py", "trace/reader.py"), 512),
    Target("arrival-times", times, (UsageError,), time_seeds, ("load/_trace",), 256,
           (b"\n", b'"', b"1e400", b"NaN", b"Infinity", b"9" * 40, b"1e999999999", b"\x93NUMPY\x01\0", b"'descr': '<f8'", b"'|O'")),
)  # fmt: skip
