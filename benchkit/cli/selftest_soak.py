"""`benchkit selftest --soak TIME`: hours under load, and what is kept that should not be."""

from __future__ import annotations

import json
from pathlib import Path

import click

from benchkit.cli.exits import BROKEN, DONE, INTERRUPTED, INVALID


def soak(*, lasting: str, out: Path | None, as_json: bool, quiet: bool) -> int:
    """Measure it, or judge the one that is in `out` already; print it, keep `out`/soak.md and soak.json.

    0 where all bars hold, 1 where one is broken, 3 where one cannot be told, 130 where it was interrupted.
    """
    from benchkit.cli.console import progress
    from benchkit.cli.interrupts import installed
    from benchkit.cli.run import seconds
    from benchkit.selftest import soak as test
    from benchkit.selftest.lines import keep_page
    from benchkit.selftest.soak_page import PAGE, SUMMARY, lines, page

    lasting_s = seconds("--soak", lasting)
    with installed(), progress(quiet=quiet) as show:
        found = test.soak(out, lasting_s, show)
    keep_page(out, PAGE, page(found))
    keep_page(out, SUMMARY, json.dumps(found.plain(), indent=1) + "\n")
    if as_json:
        click.echo(json.dumps(found.plain(), indent=1))
    else:
        for line in lines(found):
            click.echo(line)
    if found.document["interrupted"]:
        return INTERRUPTED
    return BROKEN if found.holds is False else INVALID if found.holds is None else DONE
