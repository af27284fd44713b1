"""`benchkit check`: the gate, on the scenario's own promises and against another build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchkit.cli.exits import code_of
from benchkit.cli.run import How, check_out, measure_all, scenario_options

if TYPE_CHECKING:
    from benchkit.gate.check import Request


@click.command(short_help="The CI gate: fail on a broken promise (slo:), or when slower than --base.")
@click.argument("scenarios", nargs=-1, required=True, type=click.Path(path_type=Path))
@scenario_options
@click.option(
    "--base", metavar="REF", help="Compare with this build: a git ref, a wheel, a directory, or a version."
)
@click.option("--blocks", type=click.IntRange(5, 200), help="Of --base: runs of each side, at most.")
@click.option(
    "--missing", type=click.Choice(["fail", "ignore"]), default="fail", show_default=True,
    help="Of --base: what cells that one side lacks do to the verdict.",
)  # fmt: skip
@click.option(
    "--files", type=click.Choice(["own", "candidate"]), default="own", show_default=True,
    help="Of --base: whose models and modules the scenario names.",
)  # fmt: skip
def check(
    scenarios: tuple[Path, ...], sets: tuple[str, ...], only: tuple[str, ...], quick: bool, out: Path, as_json: bool,
    profile: bool, quiet: bool, base: str | None, blocks: int | None, missing: Any, files: Any,
) -> int:  # fmt: skip
    """Measure, and fail when a promise (slo:) of the scenario is broken (exit code 1) or undecided (3).

    With --base: build that and what is here now, measure both in turns, and fail when this is slower.
    """
    from benchkit.gate.check import Request

    if base is not None:
        if profile:
            raise click.UsageError("--profile is of no use with --base: profiled runs are not comparable")
        asked = [Request(path, base, sets, only, quick, blocks, missing, files, out) for path in scenarios]
        return _against_base(asked, as_json=as_json, quiet=quiet)
    if blocks is not None:
        raise click.UsageError("--blocks goes with --base; without one, --set blocks.rounds=...")
    return _promises(scenarios, sets, only, quick, How(out, as_json, profile, quiet))


def _promises(
    scenarios: tuple[Path, ...], sets: tuple[str, ...], only: tuple[str, ...], quick: bool, how: How
) -> int:
    from benchkit import scenario
    from benchkit.errors import UsageError

    plans = [scenario.load(path, sets=sets, only=only, quick=quick) for path in scenarios]
    for path, plan in zip(scenarios, plans, strict=True):
        if not plan.slo:
            raise UsageError(
                "the scenario promises nothing to check",
                where=str(path),
                remedy="add, say, slo: {p99: 100ms, loss: 0}, or compare with another build: --base REF",
            )
    documents = measure_all(plans, how)
    return code_of(documents, len(plans))


def _against_base(asked: list[Request], *, as_json: bool, quiet: bool) -> int:
    """One gate after the other; the exit code is the gravest."""
    from benchkit import scenario
    from benchkit.cli.console import out as console
    from benchkit.cli.console import progress
    from benchkit.cli.interrupts import installed
    from benchkit.gate.check import check as gate
    from benchkit.report.gate import gate as report

    plans = [scenario.load(each.scenario, sets=each.sets, only=each.only, quick=each.quick) for each in asked]
    check_out(asked[0].out)
    documents = []
    with installed() as interrupts:
        for each, plan in zip(asked, plans, strict=True):
            with progress(quiet=quiet) as watch:
                made, folder = gate(each, plan, _say(quiet=quiet), watch)
            documents.append(made)
            console(err=as_json).print(report(made, folder))
            if interrupts.came:
                break
    if as_json:
        click.echo(json.dumps(documents[0] if len(asked) == 1 else documents, indent=1))
    return max((int(made["exit_code"]) for made in documents), key=(0, 3, 1, 130).index)


def _say(*, quiet: bool) -> Any:
    return (lambda _line: None) if quiet else (lambda line: click.echo(line, err=True))
