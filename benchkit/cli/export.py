"""`benchkit export RUN|FOLDER`: messages as spans, for other programs."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from benchkit.records.run import Run

_MESSAGES = 1000


@click.command(short_help="A saved run, or traces, for other programs: OpenTelemetry, Perfetto.")
@click.argument("source", metavar="RUN|FOLDER", type=click.Path(path_type=Path))
@click.option("--format", "kind", required=True, metavar="FORMAT", help="otlp or perfetto.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; default: standard output.")
@click.option(
    "--messages", default=str(_MESSAGES), show_default=True, metavar="N|all",
    help="Of each cell at most so many: the slowest, and others evenly over the run.",
)  # fmt: skip
def export(source: Path, kind: str, out: Path | None, messages: str) -> None:
    """Export a run directory (or run.json), or a folder of traces (see `benchkit analyze`)."""
    from benchkit.report.exports import Source, format_named

    found = format_named(kind)
    most = _most(messages)
    run = _run(source)
    pieces = found.load()(Source(run, most))
    if out is None:
        for piece in pieces:
            sys.stdout.write(piece)
    else:
        _write(out, pieces)
        click.echo(str(out))


def _most(text: str) -> int | None:
    if text == "all":
        return None
    if not (text.isascii() and text.isdigit() and int(text)):
        raise click.BadParameter("write a number from 1 on, or all", param_hint="--messages")
    return int(text)


def _run(source: Path) -> Run:
    from benchkit.trace.layout import SUFFIX

    if source.is_dir() and not (source / "record.json").exists() and any(source.glob(f"*{SUFFIX}")):
        from benchkit.trace.run import Told, run_of

        return run_of(source, Told())
    from benchkit.records.folder import load

    return load(source)


def _write(out: Path, pieces: Iterator[str]) -> None:
    """Whole or not there; a link is replaced and not followed."""
    from benchkit.errors import StorageError, UsageError

    if out.is_dir():
        raise UsageError("a folder, not a file", where=f"--out {out}", remedy="name the file to write")
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        with partial.open("x", encoding="utf-8") as file:
            file.writelines(pieces)
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
