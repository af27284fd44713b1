"""`benchkit selftest --what-if`: predictions and slopes beside the truth."""

from __future__ import annotations

import json
from pathlib import Path

import click

from benchkit.cli.exits import BROKEN, DONE, INVALID


def what_if(*, quick: bool, seed: int, out: Path | None, as_json: bool, quiet: bool) -> int:
    """Run it, print it, keep it in `out`/what-if.md.

    0 where all bars hold, 1 where one is broken, 3 where nothing could be compared.
    """
    from benchkit.cli.console import out as console
    from benchkit.cli.console import progress
    from benchkit.report.text import text
    from benchkit.selftest import whatif
    from benchkit.selftest.lines import keep_page
    from benchkit.selftest.whatif_page import PAGE, page

    if not quiet:
        click.echo(f"about {whatif.expected_s(short=quick):.0f} s at most, on an idle machine", err=True)
    with progress(quiet=quiet) as show:
        found = whatif.check(show, short=quick, seed=seed)
    keep_page(out, PAGE, page(found))
    plain = found.plain()
    if as_json:
        click.echo(json.dumps(plain, indent=1))
    else:
        for line in found.lines():
            console().print(
                text(line) if not line.startswith("  ") else "  " + text(line).plain, markup=False
            )
    kept = list(plain["kept"].values())
    return BROKEN if False in kept else INVALID if None in kept else DONE
