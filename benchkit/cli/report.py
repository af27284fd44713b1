"""`benchkit report RUN...`: charts, HTML and Markdown from saved records."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from benchkit.records.shelf import Left
    from benchkit.report.several.ran import Ran


@click.command(short_help="Charts, HTML and Markdown from saved runs; an index of a folder of runs.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", "folder", type=click.Path(path_type=Path), help="Where to write; default: beside the records."
)
@click.option("--all", "every", is_flag=True, help="Each run's own report too, where it is not written yet.")
@click.option("--json", "as_json", is_flag=True, help="What it says as JSON on standard output.")
@click.option(
    "--lang", "language", default="en", show_default=True, envvar="BENCHKIT_LANG",
    help="Language of a run's own report, as en or ko; also BENCHKIT_LANG.",
)  # fmt: skip
def report(runs: tuple[Path, ...], folder: Path | None, every: bool, as_json: bool, language: str) -> None:
    """Write report.html, report.md and charts from saved runs; nothing is measured again.

    One run: its report, in its own directory. Several: one report that holds them against the first, in a folder
    beside it. A folder of runs, such as results: index.html and index.md of all runs in it, with trends.
    """
    from benchkit.records.shelf import is_run
    from benchkit.words import ENGLISH, catalogue

    catalogue(language)  # one that nobody wrote is refused before anything is read
    if language != ENGLISH and (len(runs) > 1 or (runs[0].is_dir() and not is_run(runs[0]))):
        click.echo(
            "reports over several runs and indexes are in English; --lang is for a run's own report", err=True
        )

    if len(runs) > 1:
        made, document = _several(runs, folder, every=every, language=language)
    elif runs[0].is_dir() and not is_run(runs[0]):
        made, document = _index(runs[0], folder, every=every, language=language)
    else:
        made, document = _one(runs[0], folder, language)
    if as_json:
        click.echo(json.dumps(document(), indent=1))
    for file in made:
        click.echo(str(file), err=as_json)


def _one(path: Path, folder: Path | None, language: str) -> tuple[list[Path], Callable[[], Any]]:
    """The files, and run.json: made only where it is asked for, since analysing takes a second for long runs."""
    from benchkit.analysis.document import document
    from benchkit.records.folder import load
    from benchkit.records.reading import coherent
    from benchkit.records.shelf import is_empty
    from benchkit.report.write import write
    from benchkit.words import speaking

    if path.is_dir() and is_empty(path):
        # No mistake of whoever asks, and nothing is damaged: a runner that was killed early leaves this.
        click.echo(
            f"{path.name}: nothing was measured before its runner died; the folder can be removed", err=True
        )
        return [], lambda: None
    run = load(path)
    home = (path if path.is_dir() else path.parent).resolve()
    with speaking(language), coherent(path):
        made = write(run, folder / home.name if folder else home)
    return made, lambda: document(run)


def _several(
    paths: Sequence[Path], folder: Path | None, *, every: bool, language: str
) -> tuple[list[Path], Callable[[], Any]]:
    from benchkit.errors import RecordError
    from benchkit.report.several.together import as_document, together
    from benchkit.report.several.write import home_of, write_several

    ran, left = _read(paths)
    for each in left:
        _say_left(each)
    if not ran:
        raise RecordError("none of these is a run that can be read", remedy="name run directories")
    if len(ran) == 1:
        click.echo("one run is left: its own report", err=True)
        return _one(ran[0].path, folder, language)
    own = list(_own_reports(ran, language)) if every else []
    told = together(ran, left)
    made = write_several(told, folder or home_of([each.path for each in ran]))
    return [*made, *own], lambda: as_document(told)


def _read(paths: Sequence[Path]) -> tuple[list[Ran], list[Left]]:
    """The runs among the paths, and what else is there; raises RecordError for a path that is not there."""
    from benchkit.analysis.summary import summary
    from benchkit.errors import RecordError
    from benchkit.records.folder import read_document
    from benchkit.records.names import PARTIAL
    from benchkit.records.shelf import Left, is_ours, is_run, partial
    from benchkit.report.several.ran import Ran

    ran: list[Ran] = []
    left: list[Left] = []
    for path in dict.fromkeys(paths):
        if not path.exists():
            raise RecordError("no run here", where=str(path), remedy="name a run directory or its run.json")
        if is_ours(path):
            continue
        if not is_run(path):
            left.append(Left(path.name, "no run: it holds no run.json"))
            continue
        if path.resolve().name.endswith(PARTIAL):
            left.append(partial(path.resolve()))
            continue
        try:
            document = summary(read_document(path), str(path))
        except RecordError as error:
            left.append(Left(path.name, error.what, error.remedy, broken=True))
            continue
        ran.append(Ran(len(ran) + 1, path if path.is_dir() else path.parent, document))
    return ran, left


def _index(
    path: Path, folder: Path | None, *, every: bool, language: str
) -> tuple[list[Path], Callable[[], Any]]:
    from benchkit.errors import RecordError, UsageError
    from benchkit.records.shelf import shelf
    from benchkit.report.several.index import as_document, index
    from benchkit.report.several.write import write_index

    if folder is not None:
        raise UsageError(
            "an index lies in the folder that it is about", where="--out", remedy="leave --out away"
        )
    found = shelf(path)
    if not found.runs:
        for each in found.left:
            _say_left(each)
        raise RecordError("no run here", where=str(path), remedy="name a run directory, or a folder of runs")
    told = index(found)
    own = list(_own_reports(told.runs, language)) if every else []
    for each in told.broken:
        _say_left(each)
    return [*write_index(told), *own], lambda: as_document(told)


def _own_reports(runs: Sequence[Ran], language: str) -> Iterator[Path]:
    """Made where missing, one run in memory at a time; a run that cannot be read is named and left."""
    from benchkit.cli.console import printable
    from benchkit.errors import BenchkitError
    from benchkit.records.folder import load
    from benchkit.records.reading import coherent
    from benchkit.report.write import write
    from benchkit.words import speaking

    for ran in runs:
        if ran.report:
            continue
        try:
            with speaking(language), coherent(ran.path):
                made = write(load(ran.path), ran.path)[0]
            yield made
        except BenchkitError as error:
            click.echo(printable(f"left out: {error}"), err=True)


def _say_left(left: Left) -> None:
    from benchkit.report.text import clean

    click.echo(f"left out: {clean(left.name)}: {clean(left.why)}", err=True)
    if left.remedy:
        click.echo(f"  remedy: {clean(left.remedy)}", err=True)
