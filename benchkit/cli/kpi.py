"""`benchkit kpi results/`: the team's figures over many runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click


@click.command(short_help="Figures for the team: runs, pass rate, MTTR, lead time, regressions caught.")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--by", type=click.Choice(["release", "month"]), default="release", show_default=True,
    help="Put together runs of one commit (of the folder in which they ran), or of one month.",
)  # fmt: skip
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Write every figure to this file.")
@click.option(
    "--chart",
    "chart_file",
    type=click.Path(path_type=Path),
    help="Draw them: a file that ends in .svg or .png.",
)
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
@click.option("--lang", "language", default="en", show_default=True, envvar="BENCHKIT_LANG", help="en or ko.")
def kpi(
    folders: tuple[Path, ...],
    by: Any,
    csv_file: Path | None,
    chart_file: Path | None,
    as_json: bool,
    language: str,
) -> None:
    """Count what lies in folders of runs: performance and stability runs, pass rate, MTTR, lead time, regressions.

    Only run.json, gate.json and check.json are read; what cannot be read is named and left out.
    """
    from benchkit.analysis.kpi.figures import kpi as figures
    from benchkit.analysis.kpi.gather import gather
    from benchkit.cli.console import out
    from benchkit.errors import RecordError, UsageError
    from benchkit.report.kpi.terminal import kpi as render
    from benchkit.report.text import clean
    from benchkit.words import speaking

    if chart_file is not None and chart_file.suffix not in (".svg", ".png"):
        raise UsageError("a chart is .svg or .png", where=f"--chart {chart_file}", remedy="name it kpi.svg")
    found = gather(folders)
    with speaking(language):
        told = figures(found.entries, by, left=found.left, never_ended=found.never_ended)
        if not found.entries:
            for each in found.left:
                click.echo(f"left out: {clean(each.name)}: {clean(each.why)}", err=True)
            raise RecordError("no run here that can be read", remedy="name a folder of runs, such as results")
        if as_json:
            click.echo(json.dumps(told, indent=1))
        else:
            out().print(render(told))
        for file in _written(told, csv_file, chart_file):
            click.echo(str(file), err=as_json)


def _written(told: Mapping[str, Any], csv_file: Path | None, chart_file: Path | None) -> Iterator[Path]:
    from functools import partial

    from benchkit.report.charts import team
    from benchkit.report.charts.gallery import Chart
    from benchkit.report.kpi.table import as_csv
    from benchkit.report.write import drawing, written_to

    for file, content in ((csv_file, as_csv), (chart_file, None)):
        if file is None:
            continue
        with drawing(file.absolute().parent):
            if content is not None:
                yield written_to(file, content(told))
            elif (found := team.team(told)) is not None:
                chart = Chart("team", found.words, partial(team.draw, found))
                yield written_to(file, chart.svg("kpi").alone if file.suffix == ".svg" else chart.png())
