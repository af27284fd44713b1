"""What `benchkit report`, `compare`, `export` and `baseline save` make of a run directory whose files were changed."""

from __future__ import annotations

import io
import json
from functools import cache

import numpy as np
from fuzz_target import Target

from benchkit.analysis.document import document
from benchkit.errors import BenchkitError
from benchkit.records import reading
from benchkit.records.folder import load
from benchkit.records.names import sample_file
from benchkit.records.plain import storable
from benchkit.records.samples import SAMPLE, STAMPS
from fuzz_targets.runs import _document, a_small_run, folder, put
from fuzz_targets.shapes import packed, text, unpacked

NEXT = b"\x00\xffnext"


def report(data: bytes) -> None:
    """run.json, record.json, blocks and samples (each a change of valid ones), then the document of them."""
    parts = data.split(NEXT)
    header, *blocks = [unpacked(part) for part in parts[:-1]] or [None]
    lines = b"".join(text(block) + b"\n" for block in blocks)
    samples = _samples(parts[-1])
    if isinstance(header, dict):
        header |= {"schema": "benchkit.run/1", "blocks_bytes": len(lines)}
        if isinstance(header.get("rows"), dict):
            header["rows"] = dict.fromkeys(list(header["rows"])[:4], len(samples))
            for cell in header["rows"]:
                file = io.BytesIO()
                np.lib.format.write_array(file, samples, version=(1, 0))
                put(sample_file(cell), file.getvalue())
    put("run.json", b'{"schema": "benchkit.run/1"}')
    put("record.json", text(header))
    put("blocks.jsonl", lines)
    run = load(folder())
    with reading.coherent(folder()):
        made = document(run)
        json.dumps(made, allow_nan=False)


@cache
def _valid() -> np.ndarray:
    run = a_small_run()
    return np.concatenate(list(run.samples.values()))


def _samples(data: bytes) -> np.ndarray:
    """Rows of a valid run; three bytes change a column of a row."""
    rows = _valid().copy()
    names = (*STAMPS, "seq", "hop", "worker", "block", "payload_bytes", "status", "warmup")
    for at in range(0, len(data) - 2, 3):
        name = names[data[at] % len(names)]
        row = data[at + 1] % len(rows)
        value = data[at + 2]
        if name in STAMPS:
            rows[name][row] += (value - 128) << (value % 40) if value % 5 else -int(rows[name][row])
        else:
            rows[name][row] = value - 64 if value < 200 else (1 << 14) + value
    return rows


def seeds() -> list[bytes]:
    run = a_small_run()
    for block in run.blocks:
        assert block.usage
    plain = [storable(block) for block in run.blocks]
    header = reading.header(run, {cell.id: 1 for cell in run.cells}, 10)
    second = {**header, "cells": [{**header["cells"][0], "hops": [], "search": None, "link": None}]}
    changes = (b"", bytes(range(30)), b"\x0b\x02\x90" * 3)
    return [
        NEXT.join((packed(head), *map(packed, plain), change))
        for head in (header, second)
        for change in changes
    ]


def summaries(data: bytes) -> None:
    """run.json as `export` and `baseline save` read it: every figure of it is looked at."""
    from benchkit.analysis.baseline.make import make
    from benchkit.records.folder import read_document
    from benchkit.report.exports import FORMATS, Figures

    if not data:
        return
    path = put("run.json", text(unpacked(data[1:])))
    kinds = [each for each in FORMATS.values() if each.of == "figures" and each.name != "parquet"]
    found = read_document(path)
    with reading.coherent(path):
        if data[0] % 12 == 11:
            make([found])
        else:
            for piece in kinds[data[0] % len(kinds)].load()(Figures((found,), (), ())):
                assert isinstance(piece, (str, bytes))


def summary_seeds() -> list[bytes]:
    value = packed(_document())
    return [bytes((kind,)) + value for kind in range(12)]


assert SAMPLE
TARGETS = (
    Target(
        "report",
        report,
        (BenchkitError,),
        seeds,
        ("analysis", "records"),
        4096,
        (NEXT, b"\xc0", b"\xcf\xff", b"\x80", b"\x90"),
    ),
    Target(
        "export",
        summaries,
        (BenchkitError,),
        summary_seeds,
        ("report/exports", "analysis/baseline", "records/reading.py"),
        12288,
        (b"\xc0", b"\xcf\xff", b"\x80", b"\x90", b"\xc3"),
    ),
)
