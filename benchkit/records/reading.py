"""A run's files, read without trusting them: every doubt is a RecordError that names the file."""

from __future__ import annotations

import dataclasses
import json
import mmap
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, Final, get_type_hints

import numpy as np
from pydantic import BaseModel, TypeAdapter, ValidationError, create_model

from benchkit.errors import RecordError
from benchkit.records import opening
from benchkit.records.names import SCHEMA, sample_file
from benchkit.records.plain import storable
from benchkit.records.run import Block, Run
from benchkit.records.samples import SAMPLE, Samples

_VERSION: Final = re.compile(r"benchkit\.run/([0-9]{1,4})")
MOST_BYTES: Final = 256 << 20
"""Of a run.json: a hundred times that of a large run."""
_LONGEST_LINE: Final = 64 << 20
_MAPPED_BYTES: Final = 64 << 20
"""Samples of this size and above are mapped: a long run need not fit in memory."""


@dataclass(frozen=True, slots=True)
class Record:
    """record.json: the run's header, and how much of each file belongs to it."""

    fields: dict[str, Any]
    rows: dict[str, int]
    blocks_bytes: int | None
    """Bytes of blocks.jsonl; None where the blocks stand in record.json itself (benchkit 0.1 before 2026-12)."""

    def run(self) -> Run:
        """The header, without samples."""
        return Run(**self.fields)

    def blocks(self, folder: Path) -> list[Block]:
        """The blocks, from wherever they stand."""
        if self.blocks_bytes is None:
            found: list[Block] = self.fields["blocks"]
            return found
        return list(blocks(folder, self.blocks_bytes))


def header(run: Run, rows: dict[str, int], blocks_bytes: int) -> dict[str, Any]:
    """What record.json holds for `run`."""
    plain = {field.name: getattr(run, field.name) for field in _plain_fields() if field.name != "blocks"}
    found: dict[str, Any] = storable({"schema": SCHEMA, **plain, "rows": rows, "blocks_bytes": blocks_bytes})
    return found


def _plain_fields() -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(Run) if field.name not in ("samples", "faults")]


@cache
def _model() -> type[BaseModel]:
    hints = get_type_hints(Run)
    # What a later benchkit added has a default, so that older records load.
    fields: dict[str, Any] = {
        field.name: (hints[field.name], ... if field.default is dataclasses.MISSING else field.default)
        for field in _plain_fields()
    }
    fields |= {name: (hints[name], None) for name in ("blocks", "resumed", "trials", "seeds")}
    return create_model("Record", **fields, rows=(dict[str, int], ...), blocks_bytes=(int, None))


def record(folder: Path) -> Record:
    """record.json of a run directory or of a partial folder; raises RecordError."""
    file = folder / "record.json"
    text = read_text(file, folder)
    check_schema(text, file)
    try:
        found = _model().model_validate_json(text, strict=True)
    except ValidationError as error:
        raise damaged(file, _first(error)) from error
    fields = {field.name: getattr(found, field.name) for field in _plain_fields()}
    rows: dict[str, int] = found.rows  # type: ignore[attr-defined]  # the model is made at run time
    size: int | None = found.blocks_bytes  # type: ignore[attr-defined]  # as above
    if size is None and fields["blocks"] is None:
        raise damaged(file, "no blocks")
    strangers = sorted(set(rows) - {cell.id for cell in fields["cells"]})
    if strangers:
        raise damaged(file, f"rows of a cell that is not in it, {strangers[0]!r}")
    for name in ("blocks", "resumed", "trials"):
        fields[name] = fields[name] or []
    fields["seeds"] = fields["seeds"] or {}
    return Record(fields, rows, size)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the file"
    return f"{place}: {first['msg']}"


@cache
def _block() -> TypeAdapter[Block]:
    return TypeAdapter(Block)


def blocks(folder: Path, size: int) -> Iterator[Block]:
    """The blocks in the first `size` bytes of blocks.jsonl; raises RecordError."""
    file = folder / "blocks.jsonl"
    adapter = _block()
    with _opened(file, folder) as opened:
        read = 0
        while line := opened.readline(_LONGEST_LINE + 1):
            if read == size:
                return
            if len(line) > _LONGEST_LINE:
                raise damaged(file, f"a line of more than {_LONGEST_LINE >> 20} MiB")
            read += len(line)
            try:
                yield adapter.validate_json(line, strict=True)
            except ValidationError as error:
                raise damaged(file, _first(error)) from error
        if read != size:
            raise damaged(file, f"it should hold {size} bytes and does not")


def samples(folder: Path, cell: str, rows: int, *, growing: bool = False) -> Samples:
    """One cell's samples; the head is checked against SAMPLE and the file's size before any is read.

    The file of a run that is not yet whole is `growing`: its head does not know how many rows there are, and
    those beyond `rows` do not count. A large file is mapped and not read.
    """
    file = folder / sample_file(cell)
    with _opened(file, folder) as opened:
        try:
            if np.lib.format.read_magic(opened) != (1, 0):
                raise damaged(file, "not a sample file of this schema")
            shape, _, dtype = np.lib.format.read_array_header_1_0(opened)
        except (ValueError, TypeError, SyntaxError, TokenError, RecursionError, MemoryError) as error:
            # numpy parses the head as Python.
            raise damaged(file, "not a sample file") from error
        if dtype != SAMPLE or len(shape) != 1:
            raise damaged(file, "its columns are not those of this schema")
        first = opened.tell()
        size = os.fstat(opened.fileno()).st_size - first
        wanted = rows * SAMPLE.itemsize
        if rows < 0 or (size < wanted if growing else shape[0] != rows or size != wanted):
            raise damaged(file, f"it should hold {rows} samples and does not")
        if wanted < _MAPPED_BYTES:
            return np.fromfile(opened, SAMPLE, count=rows)
        mapped = mmap.mmap(opened.fileno(), first + wanted, prot=mmap.PROT_READ)
    found: Samples = np.ndarray((rows,), SAMPLE, mapped, first)
    return found


def confined(file: Path, folder: Path) -> Path:
    """The file, which is no link out of the folder; raises RecordError."""
    if not file.resolve().is_relative_to(folder.resolve()):
        raise RecordError(
            "a link that leads out of the run directory", where=str(file), remedy="copy the file itself"
        )
    return file


def damaged(file: Path, what: str) -> RecordError:
    """What is wrong with a file."""
    return RecordError(
        f"damaged: {what}",
        where=str(file),
        remedy="copy the run directory again from where it was measured, or measure anew",
    )


def _opened(file: Path, folder: Path) -> IO[bytes]:
    try:
        return opening.opened(confined(file, folder))
    except OSError as error:
        raise _unreadable(file, error, "copy the whole run directory, samples included") from error


def _unreadable(file: Path, error: OSError, remedy: str) -> RecordError:
    return RecordError(f"cannot be read: {error.strerror}", where=str(file), remedy=remedy)


def read_text(file: Path, folder: Path) -> str:
    """A text file of a run; raises RecordError."""
    try:
        return opening.content(confined(file, folder), MOST_BYTES).decode("utf-8")
    except OSError as error:
        raise _unreadable(file, error, "name a whole run directory or its run.json") from error
    except ValueError as error:
        raise damaged(file, "not UTF-8 text") from error


def check_schema(text: str, file: Path) -> dict[str, Any]:
    """The content of a JSON file of this schema; raises RecordError, politely where it is a newer one."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(file, "not whole JSON") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    match = _VERSION.fullmatch(schema) if isinstance(schema, str) else None
    if not match:
        raise RecordError(
            "not a run of benchkit", where=str(file), remedy="name a run directory or its run.json"
        )
    if int(match[1]) > 1:
        raise RecordError(
            f"written by a newer benchkit ({schema}, this one reads up to {SCHEMA})",
            where=str(file),
            remedy="pip install --upgrade benchkit",
        )
    return dict(content)


def plain_json(text: str, file: Path, schema: str) -> dict[str, Any]:
    """The content of a JSON file of exactly this schema; raises RecordError."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(file, "not whole JSON") from error
    if not isinstance(content, dict) or content.get("schema") != schema:
        raise damaged(file, f"its schema is not {schema}")
    return content
