"""`benchkit selftest --kills`: what each transport's guarantee keeps when its parties are killed and stopped."""

from __future__ import annotations

import json
from pathlib import Path

import click

from benchkit.cli.exits import BROKEN, DONE, INTERRUPTED, INVALID


def kills(
    *, seeds: int | None, only: tuple[str, ...], shard: str | None, merge: tuple[Path, ...], out: Path | None,
    as_json: bool, quiet: bool, quick: bool,
) -> int:  # fmt: skip
    """Run what is left of it, print the table; 0 where all was kept, 1 where not, 3 where something stays open."""
    from benchkit.cli.console import progress
    from benchkit.cli.interrupts import installed
    from benchkit.selftest.kills.log import Log
    from benchkit.selftest.kills.page import page
    from benchkit.selftest.kills.plan import SEEDS
    from benchkit.selftest.kills.run import TRIAL_S, Asked, run

    asked = Asked(seeds or (1 if quick else SEEDS), only, _shard(shard))
    trials = asked.trials()
    if not trials:
        raise click.BadParameter("no transport has such a name", param_hint="--only")
    log = Log(out, asked.shard, merge)
    left = log.left(trials)
    if not quiet:
        click.echo(f"{len(left)} of {len(trials)} trials, about {len(left) * TRIAL_S / 60:.0f} min", err=True)
    with installed(), progress(quiet=quiet) as show:
        found = run(asked, log, show)
    text = page(found)
    log.keep_page(text)
    click.echo(json.dumps(found, indent=1) if as_json else text)
    if found["interrupted"]:
        return INTERRUPTED
    return INVALID if found["holds"] is None else DONE if found["holds"] else BROKEN


def _shard(text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    try:
        number, of = (int(part) for part in text.split("/"))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no part of a whole; write 1/4", param_hint="--shard") from None
    if not 1 <= number <= of <= 1000:
        raise click.BadParameter("write I/N with I from 1 to N", param_hint="--shard")
    return number, of
