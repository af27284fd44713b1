"""Everything under some folders that counts: run directories, gates, and what cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchkit.analysis.kpi.read import Entry, of_gate, of_run
from benchkit.errors import BenchkitError, RecordError
from benchkit.records import checked, reading
from benchkit.records.folder import read_document
from benchkit.records.names import PARTIAL
from benchkit.records.shelf import COMPARED, Left, is_run

GATE: Final = "gate.json"
_GATE_SCHEMA: Final = "benchkit.gate/1"
_LARGEST_BYTES: Final = 256 << 20


@dataclass(slots=True)
class Gathered:
    """What was found."""

    entries: list[Entry] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    """What should count and cannot be read."""
    never_ended: int = 0


def gather(paths: Sequence[Path]) -> Gathered:
    """Of run directories, gates and folders of them; one run.json is in memory at a time.

    Raises RecordError for a path that is not there.
    """
    found = Gathered()
    for path in dict.fromkeys(paths):
        if not path.exists():
            raise RecordError(
                "nothing here", where=str(path), remedy="name a folder of runs, such as results"
            )
        for each in _candidates(path):
            _take(each, found)
    return found


def _candidates(path: Path) -> Iterator[Path]:
    if not path.is_dir() or is_run(path) or (path / GATE).is_file():
        yield path if path.is_dir() else path.parent
        return
    yield from sorted(each for each in path.iterdir() if each.is_dir() and not each.is_symlink())


def _take(path: Path, found: Gathered) -> None:
    if path.name.endswith(PARTIAL):
        found.never_ended += 1
        return
    if path.name.startswith((".", COMPARED)):
        return
    try:
        if (path / GATE).is_file():
            found.entries.append(of_gate(_gate(path), path.name))
        elif (path / "run.json").is_file():
            found.entries.append(of_run(_run(path), path.name, checked.read(path)))
        elif (path / "record.json").exists():
            found.left.append(Left(path.name, "run.json is missing", broken=True))
    except BenchkitError as error:
        found.left.append(Left(path.name, error.what, error.remedy, broken=True))
    except OSError as error:
        found.left.append(Left(path.name, f"cannot be read: {error.strerror}", broken=True))


def _run(path: Path) -> dict[str, Any]:
    _refuse_giant(path / "run.json")
    return read_document(path)


def _gate(path: Path) -> dict[str, Any]:
    _refuse_giant(path / GATE)
    return reading.plain_json(reading.read_text(path / GATE, path), path / GATE, _GATE_SCHEMA)


def _refuse_giant(file: Path) -> None:
    if (size := file.stat().st_size) > _LARGEST_BYTES:
        raise RecordError(f"{file.name} of {size >> 20} MiB is not read", where=str(file))
