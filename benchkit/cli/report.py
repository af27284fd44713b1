"""`benchkit report RUN...`: charts, HTML and Markdown from saved records."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Charts, HTML and Markdown from saved runs.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", "folder", type=click.Path(path_type=Path), help="Where to write; default: each run directory."
)
@click.option(
    "--lang", "language", default="en", show_default=True, envvar="BENCHKIT_LANG",
    help="Language of the pages and charts, as en or ko; also BENCHKIT_LANG.",
)  # fmt: skip
def report(runs: tuple[Path, ...], folder: Path | None, language: str) -> None:
    """Write report.html, report.md and charts from saved runs; nothing is measured again."""
    from benchkit.records.folder import load
    from benchkit.report.write import write
    from benchkit.words import speaking

    with speaking(language):
        for path in runs:
            run = load(path)
            home = (path if path.is_dir() else path.parent).resolve()
            for made in write(run, folder / home.name if folder else home):
                click.echo(str(made))
