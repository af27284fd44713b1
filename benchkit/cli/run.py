"""`benchkit run`: plan, measure, analyse, save, and say what was found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchkit.cli.exits import code_of

if TYPE_CHECKING:
    from benchkit.scenario.plan import Plan

F = TypeVar("F", bound=Callable[..., Any])


def scenario_options(command: F) -> F:
    """Options of every command that measures a scenario."""
    for option in (
        click.option(
            "--set",
            "sets",
            multiple=True,
            metavar="PATH=VALUE",
            help="Override a scenario value; a list sweeps it. Repeatable.",
        ),
        click.option(
            "--only",
            multiple=True,
            metavar="AXIS=NAME,...",
            help="Keep only these cells, e.g. transport=shm,http. Repeatable.",
        ),
        click.option(
            "--quick", is_flag=True, help="Seconds instead of a minute; marked as such in the results."
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            default=Path("results"),
            show_default=True,
            help="Where run directories go.",
        ),
        click.option(
            "--json",
            "as_json",
            is_flag=True,
            help="run.json alone on standard output; people's text on standard error.",
        ),
        click.option(
            "--profile", is_flag=True, help="Extra blocks under pyinstrument, saved beside the results."
        ),
        click.option("-q", "--quiet", is_flag=True, help="No progress."),
    ):
        command = option(command)
    return command


@click.command(short_help="Measure scenarios.")
@click.argument("scenarios", nargs=-1, required=True, type=click.Path(path_type=Path))
@scenario_options
@click.option("--dry-run", is_flag=True, help="Print the plan and its expected duration, measure nothing.")
def run(
    scenarios: tuple[Path, ...], sets: tuple[str, ...], only: tuple[str, ...], quick: bool, out: Path, as_json: bool,
    profile: bool, quiet: bool, dry_run: bool,
) -> int:  # fmt: skip
    """Measure one or more scenarios."""
    from benchkit import scenario

    # All of them are checked before the first is measured.
    plans = [scenario.load(path, sets=sets, only=only, quick=quick) for path in scenarios]
    if dry_run:
        for plan in plans:
            _show_plan(plan)
        return 0
    documents = [measure(plan, out, as_json=as_json, profile=profile, quiet=quiet) for plan in plans]
    if as_json:
        click.echo(json.dumps(documents[0] if len(documents) == 1 else documents, indent=1))
    return code_of(documents)


def measure(plan: Plan, out_folder: Path, *, as_json: bool, profile: bool, quiet: bool) -> dict[str, Any]:
    """Run one plan, save it, print the tables and the answer; returns the document."""
    from benchkit.analysis.document import document
    from benchkit.cli.console import out, progress
    from benchkit.engine.runner import Runner
    from benchkit.records.folder import save
    from benchkit.report import terminal

    with progress(quiet=quiet) as watch:
        runner = Runner(plan, watch, profile=profile)
        measured = runner.run()
    made = document(measured)
    folder = save(measured, made, out_folder)
    for name, text in runner.profiles.items():
        target = folder / "profiles" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    out(err=as_json).print(terminal.report(made, folder))
    return made


def _show_plan(plan: Plan) -> None:
    from rich.table import Table

    from benchkit.cli.console import out
    from benchkit.scenario import describe

    console = out()
    told = describe(plan)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("transport", "codec", "source", "stage", "load"):
        table.add_column(name)
    for row in told.rows:
        table.add_row(row.transport, row.codec, row.source, row.stage, row.load)
    console.print(table, markup=False)
    console.print(f"\n{told.blocks}\nExpected to take about {told.expected_s:.0f} s.", markup=False)
