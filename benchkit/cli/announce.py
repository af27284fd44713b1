"""What CI is told beside the exit code: files that were asked for, and what GitHub shows where it runs there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from benchkit.report.exports import Figures


@dataclass(frozen=True, slots=True)
class Announced:
    """Whom to tell of a check."""

    exports: tuple[tuple[str, Path], ...]
    scenarios: tuple[Path, ...]
    as_json: bool
    """Standard output is taken by a document."""

    def tell(
        self, documents: Sequence[Mapping[str, Any]], compared: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Files of --export; under GitHub Actions also annotations and the step's summary."""
        from benchkit.report.exports import Figures

        files = tuple(_in_repository(path) for path in self.scenarios)
        figures = Figures(tuple(documents), tuple(compared), files)
        for kind, path in self.exports:
            _file(kind, path, figures)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            _github(figures, err=self.as_json)


def wanted(exports: Iterable[str]) -> tuple[tuple[str, Path], ...]:
    """`junit=check.xml` of the command line, read before anything is measured."""
    from benchkit.report.exports import format_named

    found = []
    for each in exports:
        kind, equals, path = each.partition("=")
        if not equals or not path:
            raise click.BadParameter("write FORMAT=FILE, for example junit=check.xml", param_hint="--export")
        if format_named(kind).of == "messages":
            raise click.BadParameter(
                f"{kind} is made of a saved run: benchkit export RUN", param_hint="--export"
            )
        found.append((kind, Path(path)))
    return tuple(found)


def _file(kind: str, path: Path, figures: Figures) -> None:
    from benchkit.cli.export import write
    from benchkit.report.exports import format_named

    write(path, format_named(kind).load()(figures))


def _github(figures: Figures, *, err: bool) -> None:
    """The runner reads both streams for its commands."""
    from benchkit.report.exports import format_named

    stream = sys.stderr if err else sys.stdout
    for piece in format_named("github").load()(figures):
        stream.write(str(piece))
    stream.flush()
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        return
    try:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.writelines(str(piece) for piece in format_named("markdown").load()(figures))
    except OSError as error:
        # What was measured stands; the page is a courtesy.
        click.echo(f"benchkit: the step's summary could not be written: {error.strerror}", err=True)


def _in_repository(path: Path) -> str:
    """As the repository knows it: relative to here, or as it was given."""
    try:
        return path.resolve().relative_to(Path.cwd().resolve()).as_posix()
    except (ValueError, OSError):
        return path.as_posix()
