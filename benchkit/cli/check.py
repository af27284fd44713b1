"""`benchkit check`: the gate, on the scenario's own promises, on a stored baseline and against another build."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from benchkit.cli.exits import BROKEN, DONE, FAILED, INTERRUPTED, INVALID, code_of
from benchkit.cli.run import How, check_out, measure_all, scenario_options

if TYPE_CHECKING:
    from benchkit.cli.announce import Announced
    from benchkit.gate.check import Request
    from benchkit.records.baseline import Content
    from benchkit.scenario.plan import Plan

_GRAVER: Final = (DONE, INVALID, BROKEN, FAILED, INTERRUPTED)


@click.command(short_help="The CI gate: broken promises, or slower than --base or --baseline.")
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
@click.option(
    "--baseline", "stored", metavar="FILE|DIR", type=click.Path(path_type=Path),
    help="Compare with a stored baseline, or with the one in a folder that fits.",
)  # fmt: skip
@click.option(
    "--delta", default="10%", show_default=True, metavar="SHARE",
    help="Of --baseline: how much worse is still the same.",
)  # fmt: skip
@click.option(
    "--export", "exports", multiple=True, metavar="FORMAT=FILE",
    help="Also write what was found for another program (see benchkit export). Repeatable.",
)  # fmt: skip
def check(
    scenarios: tuple[Path, ...], sets: tuple[str, ...], only: tuple[str, ...], quick: bool, out: Path, as_json: bool,
    profile: bool, quiet: bool, base: str | None, blocks: int | None, missing: Any, files: Any,
    stored: Path | None, delta: str, exports: tuple[str, ...],
) -> int:  # fmt: skip
    """Measure, and fail when a promise (slo:, promises:) of the scenario is broken (exit code 1) or undecided (3).

    With --base: build that and what is here now, measure both in turns, and fail when this is slower. With
    --baseline: compare with figures that were saved earlier; what they cannot tell is exit code 3.
    """
    from benchkit.cli.announce import Announced, wanted

    said = Announced(wanted(exports), scenarios, as_json=as_json)
    if base is not None and stored is not None:
        raise click.UsageError("--base and --baseline are two ways of comparing: give one of them")
    if base is not None:
        from benchkit.gate.check import Request

        if profile:
            raise click.UsageError("--profile is of no use with --base: profiled runs are not comparable")
        asked = [Request(path, base, sets, only, quick, blocks, missing, files, out) for path in scenarios]
        return _against_base(asked, said, as_json=as_json, quiet=quiet)
    if blocks is not None:
        raise click.UsageError("--blocks goes with --base; without one, --set blocks.rounds=...")
    from benchkit import scenario

    plans = [scenario.load(path, sets=sets, only=only, quick=quick) for path in scenarios]
    how = How(out, as_json, profile, quiet)
    if stored is None:
        return _promises(scenarios, plans, how, said)
    from benchkit.cli.baseline import share

    return _against_baseline(plans, how, stored, share("--delta", delta), said)


def _promises(scenarios: tuple[Path, ...], plans: Sequence[Plan], how: How, said: Announced) -> int:
    from benchkit.errors import UsageError

    for path, plan in zip(scenarios, plans, strict=True):
        if not plan.slo and not plan.budgets:
            raise UsageError(
                "the scenario promises nothing to check",
                where=str(path),
                remedy="add, say, slo: {p99: 100ms, loss: 0} or promises: [compute share >= 60%], "
                "or compare: --base REF, --baseline FILE",
            )
    from benchkit.records import checked

    documents = measure_all(plans, how)
    for document, folder in zip(documents, how.saved, strict=True):
        checked.save(folder, code_of([document], 1), None)
    said.tell(documents)
    return code_of(documents, len(plans))


def _against_baseline(plans: Sequence[Plan], how: How, path: Path, delta: float, said: Announced) -> int:
    """Nothing is measured that could not be compared."""
    from dataclasses import replace

    from benchkit.analysis.baseline.compare import compare
    from benchkit.cli.console import out as console
    from benchkit.records import checked
    from benchkit.report.baseline import comparison

    kept = [_baseline_of(plan, path) for plan in plans]
    documents = measure_all(plans, replace(how, echo=False))
    compared = []
    for document, content, folder in zip(documents, kept, how.saved, strict=False):
        compared.append(compare(content, document, delta))
        codes = code_of([document], 1), int(compared[-1]["exit_code"])
        checked.save(folder, max(codes, key=_GRAVER.index), compared[-1])
        console(err=how.as_json).print(comparison(compared[-1]))
    said.tell(documents, compared)
    if how.as_json:
        click.echo(json.dumps(compared[0] if len(plans) == 1 else compared, indent=1))
    ends = [code_of(documents, len(plans)), *(int(each["exit_code"]) for each in compared)]
    return max(ends, key=_GRAVER.index)


def _baseline_of(plan: Plan, path: Path) -> Content:
    """The baseline that the plan is compared with; raises UsageError with the field that differs."""
    from benchkit.analysis.baseline.same import refuse_other
    from benchkit.cli.baseline import found
    from benchkit.records.baseline import read
    from benchkit.records.environment import environment
    from benchkit.records.plain import storable

    content = read(found(path, plan.name, str(environment()["fingerprint"])))
    planned = {"scenario": storable(plan.resolved), "quick": plan.quick}
    refuse_other(content, planned, ("the baseline", "this scenario"))
    return content


def _against_base(asked: list[Request], said: Announced, *, as_json: bool, quiet: bool) -> int:
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
    said.tell([], documents)
    if as_json:
        click.echo(json.dumps(documents[0] if len(asked) == 1 else documents, indent=1))
    return max((int(made["exit_code"]) for made in documents), key=(0, 3, 1, 130).index)


def _say(*, quiet: bool) -> Any:
    return (lambda _line: None) if quiet else (lambda line: click.echo(line, err=True))
