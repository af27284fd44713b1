"""The files of a run directory, and a baseline: JSON from msgpack, or as text, by the first byte of an input."""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_target import HERE, Target
from fuzz_targets.shapes import documents, packed, text, unpacked

sys.path.append(str(HERE.parent / "analysis"))
from synthetic import a_cell, a_run

from benchkit.analysis.document import document
from benchkit.analysis.summary import summary
from benchkit.errors import RecordError
from benchkit.records import baseline, reading
from benchkit.records.folder import read_document
from benchkit.records.names import sample_file
from benchkit.records.plain import storable
from benchkit.records.run import Failure, Gap, Hop, Run, Search
from benchkit.records.samples import SAMPLE
from benchkit.records.seen import Usage

CELL = "shm/raw/camera/100ps"


@cache
def folder() -> Path:
    """Where the input's files are put; gone with the process."""
    made = tempfile.TemporaryDirectory(prefix="fuzz-runs-")
    _KEPT.append(made)
    return Path(made.name)


_KEPT: list[Any] = []
_HANDLES: dict[Path, int] = {}


def put(name: str, data: bytes) -> Path:
    """Write a file of the folder, in place: one that is made anew each time has the disk wait."""
    path = folder() / name
    handle = _HANDLES.get(path)
    if handle is None:
        path.parent.mkdir(exist_ok=True)
        handle = _HANDLES[path] = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(handle, data, 0)
    os.ftruncate(handle, len(data))
    return path


def a_small_run() -> Run:
    """With something in every section."""
    cell = replace(
        a_cell(CELL),
        hops=(Hop("detect", "null", 1, "shm", "raw"),), search=Search("capacity", {"p99": 0.1}),
        gaps=(Gap("trace-cut", "cut"),), link={"name": "lan"}, stage_facts={"model": "m"},
    )  # fmt: skip
    run = a_run([cell], count=6, warmup=1, rounds=1)
    usage = Usage(10, 20, integrity_ns=3)
    run.blocks = [
        replace(
            block, usage={"stage": usage}, failures=(Failure("stage-0", "OSError", "no"),), level_per_s=3.0,
            cores={"0": 0.5}, told={"stage-0": {"found": 3, "size": {"p50": 1.5}}}, paths={"stage": {"family": "unix"}},
        )
        for block in run.blocks
    ]  # fmt: skip
    run.failures.append(Failure("runner", "OSError", "é"))
    return run


def record(data: bytes) -> None:
    """record.json."""
    put("record.json", documents(data))
    found = reading.record(folder())
    assert isinstance(found.run(), Run)


def record_seeds() -> list[bytes]:
    run = a_small_run()
    plain = reading.header(run, {CELL: 6}, 10)
    old = {**plain, "blocks_bytes": None, "blocks": storable(run.blocks)}
    newer = {**plain, "schema": "benchkit.run/2"}
    few = {key: plain[key] for key in list(plain)[:4]}
    return _both(plain, old, newer, few)


def _both(*values: Any) -> list[bytes]:
    found = [b"\x01" + packed(value) for value in values]
    return found + [b"\0" + text(value) for value in values]


def blocks(data: bytes) -> None:
    """blocks.jsonl: lines that a zero ends in the input; how much of it counts, by its second byte."""
    if len(data) < 2:
        return
    lines = data[2:].split(b"\x00\xffnext")
    content = b"\n".join(text(unpacked(line)) if data[0] == 1 else line for line in lines) + b"\n"
    put("blocks.jsonl", content)
    for found in reading.blocks(folder(), len(content) + (data[1] + 3) % 7 - 3):
        assert isinstance(found.cell, str)


def block_seeds() -> list[bytes]:
    plain = [storable(block) for block in a_small_run().blocks]
    one, line = packed(plain[0]), text(plain[0])
    return [b"\x01\0" + one, b"\x01\0" + one + b"\x00\xffnext" + one, b"\0\0" + line, b"\0\x01" + line, b"\0\x06" + line]


def samples(data: bytes) -> None:
    """A cell's samples; how many are promised, and whether it grows, by the first byte."""
    if not data:
        return
    put(sample_file(CELL), data[1:])
    found = reading.samples(folder(), CELL, data[0] & 15, growing=bool(data[0] & 16))
    assert found.dtype == SAMPLE
    assert len(found) == data[0] & 15


def sample_seeds() -> list[bytes]:
    found = []
    for rows in (0, 1, 6):
        file = io.BytesIO()
        np.lib.format.write_array(file, np.zeros(rows, SAMPLE), version=(1, 0))
        found += [bytes((rows,)) + file.getvalue(), bytes((rows | 16,)) + file.getvalue() + bytes(7)]
    file = io.BytesIO()
    np.lib.format.write_array(file, np.zeros(2), version=(2, 0))
    return [*found, b"\x02" + file.getvalue()]


def run_json(data: bytes) -> None:
    """run.json as every command that looks at several runs reads it."""
    path = put("run.json", documents(data))
    found = summary(read_document(path), "here")
    json.dumps(found, allow_nan=False)


@cache
def _document() -> dict[str, Any]:
    run = a_run([a_cell(CELL)], count=8, warmup=1, rounds=2)
    made: dict[str, Any] = json.loads(json.dumps(document(run)))
    return made


def run_json_seeds() -> list[bytes]:
    whole = _document()
    cells = [{key: cell[key] for key in ("id", "group", "labels", "transport", "codec", "latency_us", "phases_us",
             "validity", "blocks_detail")} for cell in whole["cells"]]  # fmt: skip
    short = {**{key: whole[key] for key in ("schema", "started_utc", "duration_s", "seed", "benchkit", "quick",
             "interrupted", "scenario", "environment", "answer")}, "cells": cells}  # fmt: skip
    return _both(short, {**short, "schema": "benchkit.run/3"}, {**short, "cells": []})


def a_baseline(data: bytes) -> None:
    """A baseline; by the second byte its digest is put right again."""
    if len(data) < 2:
        return
    content = unpacked(data[2:]) if data[0] == 1 else None
    if isinstance(content, dict) and data[1]:
        content["digest"] = ""
        try:
            content["digest"] = baseline.digest(content)
        except ValueError:  # a number that is none cannot have one
            pass
    read = baseline.read(put("baseline.json", data[2:] if data[0] != 1 else text(content)))
    baseline.text_of(read)


def baseline_seeds() -> list[bytes]:
    from benchkit.analysis.baseline.make import make

    content = baseline.sealed(make([_document(), _document()]))
    value, plain = packed(content), baseline.text_of(content).encode()
    return [b"\x01\0" + value, b"\x01\x01" + value, b"\0\0" + plain]


_WORDS = (b"schema", b"benchkit.run/1", b"cells", b"blocks", b"rows", b"\xc0", b"\xc3", b"\x91", b"\x81", b"null", b"NaN")
_READ = ("records/reading.py", "records/run.py", "records/seen.py", "records/samples.py", "records/profile.py", "records/what_if.py")
TARGETS = (
    Target("run-json", run_json, (RecordError,), run_json_seeds, ("records/folder.py", "records/reading.py",
           "analysis/summary.py"), 4096, _WORDS),
    Target("record-json", record, (RecordError,), record_seeds, _READ, 4096, _WORDS),
    Target("blocks-jsonl", blocks, (RecordError,), block_seeds, _READ, 3072, (*_WORDS, b"\x00\xffnext")),
    Target("samples-npy", samples, (RecordError,), sample_seeds, _READ, 1536,
           (b"\x93NUMPY\x01\0", b"'descr': ", b"'shape': (1,)", b"'fortran_order': False", b"(", b"'<i8'", b"{", b"\x02\0")),
    Target("baseline", a_baseline, (RecordError,), baseline_seeds, ("records/baseline.py",), 4096,
           (*_WORDS, b"benchkit.baseline/1", b"digest", b"floors", b"noise")),
)  # fmt: skip
