"""`benchkit run`: plan, measure, analyse, save, and say what was found."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchkit.cli.exits import code_of

if TYPE_CHECKING:
    from rich.console import Console

    from benchkit.cli.interrupts import Interrupts
    from benchkit.cli.resume import Asked
    from benchkit.records.recording import Recording
    from benchkit.records.run import Run
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
@click.argument("scenarios", nargs=-1, type=click.Path(path_type=Path))
@scenario_options
@click.option("--dry-run", is_flag=True, help="Print the plan and its expected duration, measure nothing.")
@click.option(
    "--what-if",
    is_flag=True,
    help="Then say what a change would buy: predictions, and trials with phases slowed.",
)
@click.option("--confirm", is_flag=True, help="Of --what-if: make the changes that can be made, and compare.")
@click.option(
    "--faults", is_flag=True, help="Then make things go wrong: the scenario's faults, or kill and stop all."
)
@click.option("--no-floors", is_flag=True, help="Do not measure what this machine can do at best.")
@click.option("--soak", metavar="TIME", help="Measure for so long, e.g. 2h, in as many rounds as fit.")
@click.option(
    "--resume",
    metavar="DIR|last",
    help="Go on with a run whose runner died: its .partial folder, or the last one under --out.",
)
@click.option(
    "--checkpoint",
    metavar="TIME",
    default="1min",
    show_default=True,
    help="How often what was measured is made safe.",
)
def run(
    scenarios: tuple[Path, ...], sets: tuple[str, ...], only: tuple[str, ...], quick: bool, out: Path, as_json: bool,
    profile: bool, quiet: bool, dry_run: bool, what_if: bool, confirm: bool, faults: bool, no_floors: bool,
    soak: str | None, resume: str | None, checkpoint: str,
) -> int:  # fmt: skip
    """Measure one or more scenarios."""
    from benchkit.cli.resume import Asked, asked, find

    checkpoint_s = seconds("--checkpoint", checkpoint)
    if soak is not None:
        sets = (*sets, f"blocks.soak={soak}")
    if what_if:
        sets = (*sets, "what_if.run=true")
    if faults:
        sets = (*sets, "faults.run=true")
    if confirm:
        sets = (*sets, "what_if.confirm=true")
    if resume is not None:
        if len(scenarios) > 1:
            raise click.UsageError("--resume goes on with one run: name one scenario, or none")
        path = find(resume, out)
        given = Asked(str(scenarios[0]) if scenarios else "", sets, only, quick)
        wanted, out = [asked(path, given)], path.parent
    elif scenarios:
        path = None
        wanted = [Asked(str(scenario), sets, only, quick) for scenario in scenarios]
    else:
        raise click.UsageError("Missing argument 'SCENARIOS...'.")
    # All of them are checked before the first is measured.
    plans = [each.plan() for each in wanted]
    if dry_run:
        for plan in plans:
            _show_plan(plan)
        return 0
    how = How(out, as_json, profile, quiet, checkpoint_s, path, tuple(wanted), not no_floors)
    return code_of(measure_all(plans, how), len(plans))


@dataclass(frozen=True, slots=True)
class How:
    """What the command line says about measuring and telling."""

    out: Path
    as_json: bool
    profile: bool
    quiet: bool
    checkpoint_s: float = 60.0
    resume: Path | None = None
    """The partial folder to go on with."""
    asked: tuple[Asked, ...] = ()
    """How each plan was asked for; what was not written down cannot be resumed."""
    floors: bool = True
    """Measure the machine's."""
    echo: bool = True
    """Print the documents where `--json` asks for them."""
    saved: list[Path] = field(default_factory=list)
    """The run directories, in the order of the documents, as they are written."""


def seconds(option: str, text: str) -> float:
    """A duration of the command line."""
    from benchkit.units import parse_seconds

    try:
        return float(parse_seconds(text))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def measure_all(plans: Sequence[Plan], how: How) -> list[dict[str, Any]]:
    """Run the plans one after the other, print what `--json` promises; an interrupt leaves out the rest."""
    from benchkit.cli.interrupts import installed

    check_out(how.out)
    documents: list[dict[str, Any]] = []
    with installed() as interrupts:
        for at, plan in enumerate(plans):
            recording, before = _recording(plan, how, at)
            try:
                documents.append(_measure(plan, how, interrupts, recording, before))
            finally:
                recording.close()
            if interrupts.came:
                break
    if how.as_json and how.echo:
        click.echo(json.dumps(documents[0] if len(plans) == 1 else documents, indent=1))
    return documents


def _recording(plan: Plan, how: How, at: int) -> tuple[Recording, Run | None]:
    """Where the blocks of a plan go, and what was measured before where it is resumed."""
    from benchkit.cli.resume import taken_up
    from benchkit.records.recording import Recording

    if how.resume is not None:
        return taken_up(how.resume, plan, how.checkpoint_s)
    recording = Recording(how.out, checkpoint_s=how.checkpoint_s)
    if at < len(how.asked):
        recording.asked = how.asked[at].plain()
    return recording, None


def _measure(
    plan: Plan, how: How, interrupts: Interrupts, recording: Recording, before: Run | None
) -> dict[str, Any]:
    """Run one plan, save it, print the tables and the answer; returns the document."""
    from benchkit.cli.alerting import alerted
    from benchkit.cli.console import out, progress
    from benchkit.engine.runner import Runner

    screen = out(err=True)
    with progress(quiet=how.quiet, console=screen) as watch:
        with alerted(plan.alerts, screen) as alerts:
            runner = Runner(
                plan, watch, profile=how.profile, recording=recording, before=before, floors=how.floors,
                meanwhile=_import_what_tells, alerts=alerts,
            )  # fmt: skip
            measured = runner.run()
        # With what became of the last notices.
        measured.alerts = runner.alerts()
    from benchkit.analysis.document import document
    from benchkit.report import terminal

    folder: Path | None = None
    with interrupts.held():
        made = document(measured)
        try:
            folder = recording.finish(measured, made)
            how.saved.append(folder)
        finally:
            # Also where the disk is full: a minute of measuring is worth reading.
            console = out(err=how.as_json)
            console.print(terminal.report(made, folder))
            _mention_unfinished(console, how.out)
    return made


def _import_what_tells() -> None:
    """What is needed once everything is measured; most of half a second."""
    import scipy.special  # noqa: F401  (left to itself, scipy loads it when the first block has been measured)

    import benchkit.analysis.document
    import benchkit.report.terminal  # noqa: F401


def _mention_unfinished(console: Console, out_folder: Path) -> None:
    """Nobody else says that they are there, and nobody removes them."""
    from benchkit.records.unfinished import unfinished

    left = unfinished(out_folder)
    if left:
        runs = "1 run" if len(left) == 1 else f"{len(left)} runs"
        console.print(
            f"{runs} under {out_folder} never ended, the last in {left[-1].name}: "
            "go on with `benchkit run --resume last`, read it with `benchkit report`, or remove the folder",
            markup=False,
        )


def check_out(out: Path) -> None:
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
