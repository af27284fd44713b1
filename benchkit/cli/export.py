"""`benchkit export`: saved runs, gates and traces for other programs."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from benchkit.records.run import Run
    from benchkit.report.exports import Figures

_MESSAGES = 1000


@click.command(short_help="Saved runs for other programs: pytest-benchmark, JUnit, SARIF, CSV, Perfetto, ...")
@click.argument("sources", nargs=-1, required=True, metavar="RUN|FOLDER...", type=click.Path(path_type=Path))
@click.option("--format", "kind", required=True, metavar="FORMAT", help="One of those below.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; default: standard output.")
@click.option(
    "--messages", default=str(_MESSAGES), show_default=True, metavar="N|all",
    help="Of otlp and perfetto: of each cell at most so many: the slowest, and others evenly over the run.",
)  # fmt: skip
@click.option(
    "--file", "files", multiple=True, metavar="PATH",
    help="Of sarif and github: the scenario's file as the repository knows it, one for each source.",
)  # fmt: skip
def export(
    sources: tuple[Path, ...], kind: str, out: Path | None, messages: str, files: tuple[str, ...]
) -> None:
    """Export run directories (or run.json), directories of gates, or a folder of traces (see `benchkit analyze`).

    \b
    of messages: otlp, perfetto
    of figures:  pytest-benchmark, customSmallerIsBetter, customBiggerIsBetter, bencher, csv, parquet, openmetrics
    of findings: junit, sarif, markdown, github
    """
    from benchkit.errors import UsageError
    from benchkit.report.exports import Source, format_named

    found = format_named(kind)
    most = _most(messages)
    if found.of == "figures":
        pieces = found.load()(_figures(sources, files))
    elif len(sources) > 1:
        raise UsageError(f"{kind} shows one run", remedy="name one run directory, or one folder of traces")
    else:
        pieces = found.load()(Source(_run(sources[0]), most))
    if out is None:
        for piece in pieces:
            if isinstance(piece, bytes):
                sys.stdout.buffer.write(piece)
            else:
                sys.stdout.write(piece)
    else:
        write(out, pieces)
        click.echo(str(out))


def _figures(sources: tuple[Path, ...], files: tuple[str, ...]) -> Figures:
    """What lies in the sources: runs and comparisons."""
    from benchkit.analysis.document import document
    from benchkit.records.folder import read_document
    from benchkit.report.exports import Figures

    runs: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    for path in sources:
        if _is_gate(path):
            comparisons.append(_gate(path))
        elif _is_traces(path):
            runs.append(document(_run(path)))
        else:
            runs.append(read_document(path))
    return Figures(tuple(runs), tuple(comparisons), files)


def _is_gate(path: Path) -> bool:
    return path.name == "gate.json" or (path / "gate.json").is_file()


def _gate(path: Path) -> dict[str, Any]:
    from benchkit.errors import RecordError
    from benchkit.records.opening import content
    from benchkit.records.reading import MOST_BYTES

    file = path / "gate.json" if path.is_dir() else path
    try:
        found = json.loads(content(file.resolve(), MOST_BYTES))
        schema = found["schema"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordError(
            "not a whole gate", where=str(file), remedy="check again: benchkit check --base"
        ) from error
    if schema != "benchkit.gate/1":
        raise RecordError(
            f"another schema: {schema!r:.60}", where=str(file), remedy="use the benchkit that wrote it"
        )
    return dict(found)


def _most(text: str) -> int | None:
    if text == "all":
        return None
    if not (text.isascii() and text.isdigit() and int(text)):
        raise click.BadParameter("write a number from 1 on, or all", param_hint="--messages")
    return int(text)


def _is_traces(source: Path) -> bool:
    from benchkit.trace.layout import SUFFIX

    return source.is_dir() and not (source / "record.json").exists() and any(source.glob(f"*{SUFFIX}"))


def _run(source: Path) -> Run:
    if _is_traces(source):
        from benchkit.trace.run import Told, run_of

        return run_of(source, Told())
    from benchkit.records.folder import load

    return load(source)


def write(out: Path, pieces: Iterator[str | bytes]) -> None:
    """Whole or not there; a link is replaced and not followed. Raises UsageError, StorageError."""
    from benchkit.errors import StorageError, UsageError

    if out.is_dir():
        raise UsageError("a folder, not a file", where=f"--out {out}", remedy="name the file to write")
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        with partial.open("xb") as file:
            for piece in pieces:
                file.write(piece if isinstance(piece, bytes) else piece.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(out)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StorageError(
            f"the export could not be written: {error.strerror or error}",
            where=str(out),
            remedy="free some space, or name another file with --out",
        ) from error
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
