"""A run directory: written whole or not at all, read without trusting it.

`<scenario>-<UTC time>-<6 hex>/` holds `run.json` (for users), `record.json` (the Run without its samples,
so that reports can analyse again) and `samples/<cell>.npy`. A file's name is always computed from the
cell's id and never read from a file, so no id can point out of the directory.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, Final, get_type_hints

import numpy as np
from pydantic import BaseModel, ValidationError, create_model

from benchkit.errors import RecordError, StorageError
from benchkit.records.plain import storable
from benchkit.records.run import Run
from benchkit.records.samples import SAMPLE, Samples

SCHEMA: Final = "benchkit.run/1"
_VERSION: Final = re.compile(r"benchkit\.run/([0-9]{1,4})")
_SAFE: Final = re.compile(r"[A-Za-z0-9_+=,@][A-Za-z0-9_+=,@.-]*(/[A-Za-z0-9_+=,@][A-Za-z0-9_+=,@.-]*)*")
_LONGEST: Final = 180  # a file name may have 255 bytes; the digest and the suffix need room


def sample_file(cell_id: str) -> str:
    """`samples/<id with "/" as "--">.npy`; an id that is no safe file name is cleaned and gets a digest."""
    name = cell_id.replace("/", "--")
    if not _SAFE.fullmatch(cell_id) or "--" in cell_id or len(name) > _LONGEST:
        digest = hashlib.sha256(cell_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        name = f"{_clean(name, 'cell')[:_LONGEST]}-{digest}"
    return f"samples/{name}.npy"


def save(run: Run, document: dict[str, Any], out: Path) -> Path:
    """Write a run directory under `out` and return its path; a reader never sees half of it.

    `document` is the content of run.json. Raises StorageError when the disk or folder cannot take it.
    """
    name = f"{_clean(str(run.scenario.get('name', '')), 'run')[:80]}-{_stamp(run)}-{secrets.token_hex(3)}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        root = out.resolve(strict=True)
        with _whole(root / f".{name}.partial", root / name) as folder:
            (folder / "samples").mkdir()
            for cell_id, samples in run.samples.items():
                with _durable(folder / sample_file(cell_id)) as file:
                    np.lib.format.write_array(file, np.ascontiguousarray(samples, SAMPLE), version=(1, 0))
            _write_json(folder / "record.json", _record(run))
            _write_json(folder / "run.json", document)
            _sync_folder(folder / "samples")
            _sync_folder(folder)
        _sync_folder(root)
    except OSError as error:
        raise StorageError(
            f"the run could not be saved: {error.strerror or error}",
            where=str(out),
            remedy="free some space, or name a folder that can be written with --out",
        ) from error
    return root / name


def load(path: Path) -> Run:
    """Read a run directory, or the directory of a run.json; partial runs load too.

    Raises RecordError naming the file and the remedy when anything is missing, damaged or of a newer schema.
    """
    folder = path if path.is_dir() else path.parent
    if not path.exists() or (path != folder and path.name != "run.json"):
        raise RecordError("no run here", where=str(path), remedy="name a run directory or its run.json")
    read_document(folder)
    record_file = folder / "record.json"
    text = _read_text(record_file, folder)
    _check_schema(text, record_file)
    try:
        record = _record_model().model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise _damaged(record_file, f"{place}: {first['msg']}") from error
    fields = {field.name: getattr(record, field.name) for field in _plain_fields()}
    rows: dict[str, int] = record.rows  # type: ignore[attr-defined]  # the model is made at run time
    samples = {cell: _read_samples(folder / sample_file(cell), folder, count) for cell, count in rows.items()}
    return Run(**fields, samples=samples)


def read_document(path: Path) -> dict[str, Any]:
    """The content of run.json, of a directory or the file itself; raises RecordError like `load`."""
    file = path / "run.json" if path.is_dir() else path
    return _check_schema(_read_text(file, file.parent), file)


def _clean(text: str, otherwise: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.") or otherwise


def _stamp(run: Run) -> str:
    try:
        started = datetime.fromisoformat(run.started_utc)
    except ValueError:
        started = datetime.now(UTC)
    if started.tzinfo is None:
        started = started.replace(tzinfo=UTC)
    return started.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


@contextmanager
def _whole(partial: Path, final: Path) -> Iterator[Path]:
    """A folder under a temporary name, renamed when the body is done and removed when it fails."""
    partial.mkdir()
    try:
        yield partial
        partial.rename(final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def _durable(path: Path) -> Iterator[IO[bytes]]:
    with path.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=1, allow_nan=False)
    with _durable(path) as file:
        file.write(text.encode("ascii") + b"\n")


def _plain_fields() -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(Run) if field.name != "samples"]


@cache
def _record_model() -> type[BaseModel]:
    """The Run as a file: its own fields but the samples, and how many rows each cell's file holds."""
    hints = get_type_hints(Run)
    fields: dict[str, Any] = {field.name: (hints[field.name], ...) for field in _plain_fields()}
    return create_model("Record", **fields, rows=(dict[str, int], ...))


def _record(run: Run) -> dict[str, Any]:
    plain = {field.name: getattr(run, field.name) for field in _plain_fields()}
    rows = {cell: len(samples) for cell, samples in run.samples.items()}
    record: dict[str, Any] = storable({"schema": SCHEMA, **plain, "rows": rows})
    return record


def _confined(file: Path, folder: Path) -> Path:
    if not file.resolve().is_relative_to(folder.resolve()):
        raise RecordError(
            "a link that leads out of the run directory", where=str(file), remedy="copy the file itself"
        )
    return file


def _damaged(file: Path, what: str) -> RecordError:
    return RecordError(
        f"damaged: {what}",
        where=str(file),
        remedy="copy the run directory again from where it was measured, or measure anew",
    )


def _read_text(file: Path, folder: Path) -> str:
    try:
        return _confined(file, folder).read_text("utf-8")
    except OSError as error:
        raise RecordError(
            f"cannot be read: {error.strerror}",
            where=str(file),
            remedy="name a whole run directory or its run.json",
        ) from error
    except ValueError as error:
        raise _damaged(file, "not UTF-8 text") from error


def _check_schema(text: str, file: Path) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(file, "not whole JSON") from error
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


def _read_samples(file: Path, folder: Path, rows: int) -> Samples:
    """One cell's samples; the header is checked against SAMPLE and the file's size before any is read."""
    try:
        with _confined(file, folder).open("rb") as opened:
            if np.lib.format.read_magic(opened) != (1, 0):
                raise _damaged(file, "not a sample file of this schema")
            shape, _, dtype = np.lib.format.read_array_header_1_0(opened)
            if dtype != SAMPLE or len(shape) != 1:
                raise _damaged(file, "its columns are not those of this schema")
            size = os.fstat(opened.fileno()).st_size - opened.tell()
            if shape[0] != rows or size != rows * SAMPLE.itemsize:
                raise _damaged(file, f"it should hold {rows} samples and does not")
            return np.fromfile(opened, SAMPLE, count=rows)
    except OSError as error:
        raise RecordError(
            f"cannot be read: {error.strerror}",
            where=str(file),
            remedy="copy the whole run directory, samples included",
        ) from error
    except (ValueError, TypeError, SyntaxError, TokenError) as error:  # numpy parses the header as Python
        raise _damaged(file, "not a sample file") from error
