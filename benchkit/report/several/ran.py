"""One run among several: what it is called, where its own report is, and what is said of it in one row."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from benchkit.report.excerpt import excerpt, short
from benchkit.report.text import clean
from benchkit.units import show_seconds

Entry = Mapping[str, Any]
_MOST_CHARTS: Final = 60


@dataclass(frozen=True, slots=True)
class Ran:
    """A run; `document` is its run.json or a summary of it."""

    number: int
    """From 1, in the order in which the runs were named."""
    path: Path
    document: Entry

    @property
    def name(self) -> str:
        """The folder's name."""
        return short(self.path.name, 90)

    @property
    def scenario(self) -> str:
        """What the scenario is called."""
        return short(self.document["scenario"].get("name") or "-", 60)

    @property
    def when(self) -> str:
        """Day and time at which it started, UTC."""
        return day(self.document)

    @property
    def took(self) -> str:
        """How long it was measured."""
        return show_seconds(float(self.document.get("duration_s") or 0.0))

    @property
    def valid(self) -> int:
        """Cells that may be compared."""
        return sum(bool(cell["validity"]["valid"]) for cell in self.document["cells"])

    @property
    def cells(self) -> str:
        """`9 valid` or `8 of 9 valid`."""
        count = len(self.document["cells"])
        return (
            "none"
            if not count
            else f"{count} valid"
            if self.valid == count
            else f"{self.valid} of {count} valid"
        )

    @property
    def machine(self) -> str:
        """The beginning of the environment's fingerprint."""
        return clean(self.document["environment"].get("fingerprint") or "unknown")[:8]

    @property
    def computer(self) -> str:
        """Processor and cores, in words."""
        environment = self.document["environment"]
        cores = f", {clean(environment['cores'])} cores" if environment.get("cores") else ""
        return excerpt(f"{environment.get('cpu') or 'unknown processor'}{cores}", 90)

    @property
    def badges(self) -> tuple[str, ...]:
        """`quick`, `interrupted`."""
        return tuple(name for name in ("quick", "interrupted") if self.document.get(name))

    @property
    def answer(self) -> str:
        """The first sentence of its answer."""
        said = self.document.get("answer") or ()
        return excerpt(said[0], 400) if said else "No cell may be used to decide."

    @property
    def report(self) -> bool:
        """Whether its own report lies beside its records."""
        return (self.path / "report.html").is_file()

    @property
    def command(self) -> str:
        """The command that writes its own report."""
        return shlex.join(["benchkit", "report", shown_path(self.path)])


def shown_path(path: Path) -> str:
    """The path as a command would name it: from here where it lies here."""
    here = Path.cwd()
    whole = path.absolute()
    return clean(whole.relative_to(here) if whole.is_relative_to(here) else whole)


def day(document: Entry) -> str:
    """`2026-11-23 03:10`."""
    return short(str(document["started_utc"])[:16].replace("T", " "), 16)


def link(to: Path, folder: Path) -> str:
    """Address of a file, relative to a page in `folder`, as a page may hold it."""
    return quote(os.fsencode(Path(os.path.relpath(to, folder)).as_posix()))


def charts(ran: Ran, folder: Path) -> list[tuple[str, str]]:
    """Name and address of the pictures that lie beside a run's own report."""
    return [(short(file.stem, 70), link(file, folder)) for file in _pictures(ran.path / "charts")]


def _pictures(folder: Path) -> Sequence[Path]:
    def found() -> Iterator[Path]:
        if folder.is_dir() and not folder.is_symlink():
            yield from (file for file in folder.iterdir() if file.suffix == ".svg" and not file.is_symlink())

    try:
        return sorted(found())[:_MOST_CHARTS]
    except OSError:
        return []
