"""A folder that holds runs, and whatever else has come to lie in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchkit.errors import BenchkitError, RecordError
from benchkit.records.folder import read_document
from benchkit.records.names import PARTIAL
from benchkit.records.reading import MOST_BYTES

COMPARED: Final = "compared-"
"""Beginning of the name of a folder that holds a report over several runs."""
_OURS: Final = frozenset({"index.html", "index.md", ".gitkeep", ".gitignore"})


@dataclass(frozen=True, slots=True)
class Left:
    """Something in the folder that is no run that can be read."""

    name: str
    why: str
    remedy: str = ""
    broken: bool = False
    """It should be a run, so somebody misses it."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What lies in a folder, by name."""

    folder: Path
    runs: tuple[Path, ...]
    """Run directories; whether run.json can be read shows when it is."""
    compared: tuple[Path, ...]
    """Folders with a report over several runs."""
    left: tuple[Left, ...]


def is_run(path: Path) -> bool:
    """Whether the path is meant as one run: its directory, its run.json, or what is left of it."""
    if path.is_dir():
        return path.resolve().name.endswith(PARTIAL) or any(
            (path / name).exists() for name in ("run.json", "record.json")
        )
    return path.name == "run.json" or not path.exists()


def is_empty(path: Path) -> bool:
    """A run whose runner died before it had kept its first block: there is nothing to read."""
    return path.resolve().name.endswith(PARTIAL) and not (path / "record.json").exists()


def is_ours(path: Path) -> bool:
    """Whether `benchkit report` wrote it beside the runs: `results/*` names that too."""
    return path.name in _OURS or (path.name.startswith(COMPARED) and (path / "report.html").is_file())


def shelf(folder: Path) -> Shelf:
    """Look at each entry of the folder without following links; raises RecordError where it cannot be listed."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise RecordError(
            f"cannot be listed: {error.strerror}", where=str(folder), remedy="name a folder of runs"
        ) from error
    runs, compared, left = [], [], []
    for path in entries:
        if is_ours(path):
            compared += [path] if path.is_dir() and not path.is_symlink() else []
        elif found := _left(path):
            left.append(found)
        elif (path / "run.json").is_file():
            runs.append(path)
        else:
            left.append(Left(path.name, "no run: it holds no run.json"))
    return Shelf(folder, tuple(runs), tuple(compared), tuple(left))


def _left(path: Path) -> Left | None:
    if path.is_symlink():
        return Left(path.name, "a link; it is not followed", "name what it leads to")
    if not path.is_dir():
        return Left(path.name, "no run: a file")
    if path.name.endswith(PARTIAL):
        return partial(path)
    if path.name.startswith("."):
        return Left(path.name, "hidden")
    if (path / "record.json").exists() and not (path / "run.json").exists():
        return Left(path.name, "run.json is missing", "copy the run directory again", broken=True)
    return None


def partial(path: Path) -> Left:
    """What is said of a run that never ended."""
    return Left(
        path.name, "a run that is being measured, or whose runner died",
        f"once it is dead: benchkit run --resume {path.name}, or benchkit report {path.name}", broken=True,
    )  # fmt: skip


def documents(runs: tuple[Path, ...]) -> Iterator[tuple[Path, dict[str, Any] | Left]]:
    """run.json of each run, one at a time, or why it cannot be read."""
    for path in runs:
        try:
            size = (path / "run.json").stat().st_size
            if size > MOST_BYTES:
                raise RecordError(f"run.json of {size >> 20} MiB is not read", where=str(path))
            yield path, read_document(path)
        except BenchkitError as error:
            yield path, Left(path.name, error.what, error.remedy, broken=True)
        except OSError as error:
            yield path, Left(path.name, f"cannot be read: {error.strerror}", broken=True)
