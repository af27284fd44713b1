"""`benchkit report RUN...`: charts, HTML and Markdown from saved records."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Charts, HTML and Markdown from saved runs.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", "folder", type=click.Path(path_type=Path), help="Where to write; default: each run directory."
)
def report(runs: tuple[Path, ...], folder: Path | None) -> None:
    """Write report.html, report.md and charts from saved runs; nothing is measured again."""
    from benchkit.records.folder import load
    from benchkit.report.write import write

    for path in runs:
        run = load(path)
        home = (path if path.is_dir() else path.parent).resolve()
        for made in write(run, folder / home.name if folder else home):
            click.echo(str(made))
