"""`benchkit compare RUN RUN...`: saved runs side by side."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(short_help="Saved runs side by side, with intervals.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The differences as JSON on standard output.")
def compare(runs: tuple[Path, ...], as_json: bool) -> None:
    """Compare runs (directories or run.json) with intervals; the first is the base."""
    from dataclasses import asdict

    from benchkit.analysis.compare import compare as differences
    from benchkit.analysis.summary import summary
    from benchkit.cli.console import out
    from benchkit.errors import UsageError
    from benchkit.records.folder import read_document
    from benchkit.report.compare import compare as render

    if len(runs) < 2:
        raise UsageError(
            "nothing to compare with", remedy="name two runs or more: benchkit compare RUN RUN..."
        )
    documents = [summary(read_document(path), str(path)) for path in runs]
    if as_json:
        click.echo(json.dumps([asdict(each) for each in differences(documents)], indent=1))
        return
    out().print(render(documents))
