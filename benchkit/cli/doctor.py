"""`benchkit doctor`: what of this machine would spoil a measurement, and the remedy."""

from __future__ import annotations

import json
from dataclasses import asdict

import click


@click.command(short_help="Examine this machine.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON on standard output.")
def doctor(as_json: bool) -> None:
    """Examine this machine: cores, clock, steal, shared memory, brokers, floors."""
    from benchkit.engine.doctor import examine

    findings = examine()
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
        return
    from rich.table import Table
    from rich.text import Text

    from benchkit.cli.console import out

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for finding in findings:
        mark = Text("ok", "green") if finding.good else Text("look", "yellow bold")
        said = finding.found if finding.good else f"{finding.found}\nremedy: {finding.remedy}"
        table.add_row(mark, finding.subject, Text(said))
    out().print(table)
