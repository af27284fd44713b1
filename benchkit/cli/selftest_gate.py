"""`benchkit selftest --gate`: false alarms and power of the gate on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchkit.cli.exits import BROKEN, DONE, INTERRUPTED, INVALID

if TYPE_CHECKING:
    from rich.table import Table

Entry = Mapping[str, Any]


def gate(
    *, quick: bool, trials: tuple[int, int, int] | None, out: Path | None, as_json: bool, quiet: bool
) -> int:
    """Run it, print it; 0 where all bars hold, 1 where one is broken, 3 where something could not be told."""
    from benchkit.cli.console import progress
    from benchkit.cli.interrupts import installed
    from benchkit.selftest.gate import quick as short

    if quick:
        if not quiet:
            click.echo(f"about {short.expected_s():.0f} s on an idle machine", err=True)
        with installed(), progress(quiet=quiet) as show:
            found = short.run(show)
        _print(found, as_json=as_json, lines=_quick_lines(found))
    else:
        found = _long(trials, out, as_json=as_json, quiet=quiet)
    if found["interrupted"]:
        return INTERRUPTED
    return INVALID if found["holds"] is None else DONE if found["holds"] else BROKEN


def _long(
    trials: tuple[int, int, int] | None, out: Path | None, *, as_json: bool, quiet: bool
) -> dict[str, Any]:
    from benchkit.cli.console import out as console
    from benchkit.cli.console import progress
    from benchkit.cli.interrupts import installed
    from benchkit.selftest.gate.log import Log
    from benchkit.selftest.gate.page import PAGE, page
    from benchkit.selftest.gate.run import Asked, expected_s, run
    from benchkit.selftest.lines import keep_page

    asked = Asked(*trials) if trials else Asked()
    log = Log(out)
    left = log.left(asked.trials())
    least, most = expected_s(len(left))
    if not quiet:
        kept = f"; kept in {out}, and taken up again from there" if out else "; nothing is kept without --out"
        click.echo(
            f"{len(left)} gates, about {least / 60:.0f} to {most / 60:.0f} min on an idle machine{kept}",
            err=True,
        )
    with installed(), progress(quiet=quiet) as show:
        found = run(asked, log, show)
    keep_page(out, PAGE, page(found))
    _print(found, as_json=as_json, lines=_lines(found))
    if not as_json:
        console().print(_table(found["rates"]))
    return found


def _print(found: Entry, *, as_json: bool, lines: Iterator[str]) -> None:
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for line in lines:
        click.echo(line)


def _quick_lines(found: Entry) -> Iterator[str]:
    verdicts = found["verdicts"]
    yield f"alike: {verdicts.get('alike', 'not measured')}; a fifth slower: {verdicts.get('slower', 'not measured')}"
    word = {True: "right", False: "WRONG", None: "undecided: the machine is too restless for six blocks"}
    yield f"{word[found['holds']]} ({found['seconds']:.0f} s)"


def _lines(found: Entry) -> Iterator[str]:
    from benchkit.selftest.gate.told import bar_line

    if found["interrupted"]:
        yield "interrupted: the trials that were done count"
    yield from map(bar_line, found["bars"])
    for each in found["simulated"]:
        power = ", ".join(
            f"{100 * float(effect):g}%: {100 * share:.0f}%" for effect, share in each["power"].items()
        )
        smallest = each["smallest_effect"]
        told = "more than 40%" if smallest is None else f"{100 * smallest:g}%"
        yield (
            f"simulated, {each['condition']}: {each['gates']} gates over {each['recorded_blocks']} recorded blocks: "
            f"false alarms {100 * each['false_alarms']:.2f}%; found {power}; nine in ten of {told}"
        )
    if found["minutes_per_gate"] is not None:
        yield f"a gate took {found['minutes_per_gate']:.1f} min"


def _table(rates: list[Entry]) -> Table:
    """How often each rule said FAIL."""
    from rich import box
    from rich.table import Table

    from benchkit.selftest.gate.told import name

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("says FAIL")
    table.add_column("trials", justify="right")
    for rule in rates[0]["rules"] if rates else ():
        table.add_column(rule, justify="right")
    for each in rates:
        shares = ["-" if share is None else f"{100 * share:.0f}%" for share in each["rules"].values()]
        table.add_row(name(each), str(each["trials"]), *shares)
    return table
