"""`benchkit check`: the gate on the scenario's own promises."""

from __future__ import annotations

from pathlib import Path

import click

from benchkit.cli.exits import code_of
from benchkit.cli.run import How, measure_all, scenario_options


@click.command(short_help="The CI gate: fail when a promise (slo:) is broken.")
@click.argument("scenarios", nargs=-1, required=True, type=click.Path(path_type=Path))
@scenario_options
def check(
    scenarios: tuple[Path, ...], sets: tuple[str, ...], only: tuple[str, ...], quick: bool, out: Path, as_json: bool,
    profile: bool, quiet: bool,
) -> int:  # fmt: skip
    """Measure, and fail when a promise (slo:) of the scenario is broken (exit code 1) or undecided (3)."""
    from benchkit import scenario
    from benchkit.errors import UsageError

    plans = [scenario.load(path, sets=sets, only=only, quick=quick) for path in scenarios]
    for path, plan in zip(scenarios, plans, strict=True):
        if not plan.slo and not plan.budgets:
            raise UsageError(
                "the scenario promises nothing to check",
                where=str(path),
                remedy="add, say, slo: {p99: 100ms, loss: 0}, or promises: [compute share >= 60%]",
            )
    documents = measure_all(plans, How(out, as_json, profile, quiet))
    return code_of(documents, len(plans))
