"""A run directory: written whole or not at all, read without trusting it.

`<scenario>-<UTC time>-<6 hex>/` holds `run.json` (for users), `record.json` and `blocks.jsonl` (the Run without
its samples, so that reports can analyse again) and `samples/<cell>.npy`. A file's name is always computed from
the cell's id and never read from a file, so no id can point out of the directory. How it comes about while a
run is measured is told in `recording`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchkit.errors import RecordError
from benchkit.records import faults, reading
from benchkit.records.names import PARTIAL, SCHEMA, sample_file
from benchkit.records.recording import save
from benchkit.records.run import Run

__all__ = ["SCHEMA", "load", "read_document", "sample_file", "save"]


def load(path: Path) -> Run:
    """Read a run directory, the directory of a run.json, or the partial folder of a run that never ended.

    Raises RecordError naming the file and the remedy when anything is missing, damaged or of a newer schema.
    """
    folder = path if path.is_dir() else path.parent
    if not path.exists() or (path != folder and path.name != "run.json"):
        raise RecordError("no run here", where=str(path), remedy="name a run directory or its run.json")
    growing = folder.resolve().name.endswith(PARTIAL)
    if growing and not (folder / "record.json").exists():
        raise RecordError(
            "nothing was measured: its runner has no block yet, or died before it had one", where=str(folder),
            remedy="once it is dead, remove the folder",
        )  # fmt: skip
    if not growing:
        read_document(folder)
    record = reading.record(folder)
    run = record.run()
    run.blocks = record.blocks(folder)
    run.samples = {
        cell: reading.samples(folder, cell, rows, growing=growing) for cell, rows in record.rows.items()
    }
    run.faults = faults.kept(folder)
    return run


def read_document(path: Path) -> dict[str, Any]:
    """The content of run.json, of a directory or the file itself; raises RecordError like `load`."""
    file = path / "run.json" if path.is_dir() else path
    return reading.check_schema(reading.read_text(file, file.parent), file)
