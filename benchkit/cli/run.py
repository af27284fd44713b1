"""`benchkit run`: plan, measure, analyse, save, and say what was found."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchkit.cli.exits import code_of

if TYPE_CHECKING:
    from benchkit.cli.interrupts import Interrupts
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
    return code_of(measure_all(plans, out, as_json=as_json, profile=profile, quiet=quiet), len(plans))


def measure_all(
    plans: Sequence[Plan], out: Path, *, as_json: bool, profile: bool, quiet: bool
) -> list[dict[str, Any]]:
    """Run the plans one after the other, print what `--json` promises; an interrupt leaves out the rest."""
    from benchkit.cli.interrupts import installed

    _check_out(out)
    documents: list[dict[str, Any]] = []
    with installed() as interrupts:
        for plan in plans:
            made = _measure(plan, out, interrupts, as_json=as_json, profile=profile, quiet=quiet)
            documents.append(made)
            if interrupts.came:
                break
    if as_json:
        click.echo(json.dumps(documents[0] if len(plans) == 1 else documents, indent=1))
    return documents


def _measure(
    plan: Plan, out_folder: Path, interrupts: Interrupts, *, as_json: bool, profile: bool, quiet: bool
) -> dict[str, Any]:
    """Run one plan, save it, print the tables and the answer; returns the document."""
    from benchkit.analysis.document import document
    from benchkit.cli.console import out, progress
    from benchkit.engine.runner import Runner
    from benchkit.records.folder import save
    from benchkit.report import terminal

    with progress(quiet=quiet) as watch:
        runner = Runner(plan, watch, profile=profile)
        measured = runner.run()
    folder: Path | None = None
    with interrupts.held():
        made = document(measured)
        try:
            folder = save(measured, made, out_folder)
            _save_profiles(folder, runner.profiles)
        finally:
            # Also where the disk is full: a minute of measuring is worth reading.
            out(err=as_json).print(terminal.report(made, folder))
    return made


def _save_profiles(folder: Path, pages: Mapping[str, str]) -> None:
    from benchkit.errors import StorageError

    try:
        for name, page in pages.items():
            target = folder / "profiles" / name
            target.parent.mkdir(exist_ok=True)
            target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"the profiles could not be saved: {error.strerror or error}", where=str(folder), remedy="free some space"
        ) from error  # fmt: skip


def _check_out(out: Path) -> None:
    """Before anything is measured: can a run directory be made there?"""
    from benchkit.errors import StorageError, UsageError

    try:
        nearest = next(path for path in (out, *out.parents) if path.exists())
    except OSError as error:
        raise StorageError(
            f"cannot be used: {error.strerror}", where=f"--out {out}", remedy="choose another folder"
        ) from error
    if not nearest.is_dir():
        raise UsageError(f"{nearest} is a file, not a folder", where="--out", remedy="choose another folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise StorageError(
            f"{nearest} cannot be written", where="--out", remedy="choose a folder of yours, or change its rights"
        )  # fmt: skip


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
