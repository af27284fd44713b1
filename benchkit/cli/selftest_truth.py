"""`benchkit selftest --truth`: bottlenecks are planted, and the verdicts counted."""

from __future__ import annotations

import json
from pathlib import Path

import click

from benchkit.cli.exits import BROKEN, DONE, INVALID


def truth(
    *, seeds: int | None, first_seed: int | None, levels: str | None, only: tuple[str, ...],
    quick: bool, out: Path | None, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Run it, print it, keep it in `out`/verdict.md.

    0 where all bars hold, 1 where one is broken, 3 where too few trials were valid.
    """
    from benchkit.cli.console import out as console
    from benchkit.cli.console import progress
    from benchkit.selftest.log import Log
    from benchkit.selftest.page import page
    from benchkit.selftest.run import FIRST_SEED, SEEDS, SHARES, Asked, expected_s, run
    from benchkit.selftest.table import report

    first = FIRST_SEED if first_seed is None else first_seed
    asked = Asked(seeds or SEEDS, first, _shares(levels) or SHARES, only, quick)
    log = Log(out)
    left = log.left(asked.trials())
    if not asked.trials():
        raise click.BadParameter("no kind has such a name", param_hint="--only")
    if not quiet:
        click.echo(f"{len(left)} trials, about {expected_s(left):.0f} s on an idle machine", err=True)
    with progress(quiet=quiet) as show:
        found = run(asked, log, show)
    log.keep_page(page(found))
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        console().print(report(found))
    return INVALID if found["holds"] is None else DONE if found["holds"] else BROKEN


def _shares(levels: str | None) -> tuple[float, ...]:
    if levels is None:
        return ()
    try:
        shares = tuple(float(each) for each in levels.split(","))
    except ValueError:
        raise click.BadParameter(f"{levels!r} are no numbers", param_hint="--levels") from None
    if not all(0.3 <= share <= 0.9 for share in shares):
        raise click.BadParameter("shares between 0.3 and 0.9, for example 0.35,0.8", param_hint="--levels")
    return shares
