"""`benchkit doctor`: what of this machine would spoil a measurement, and the remedy."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchkit.engine.observer import Cost, Observer


@click.command(short_help="Examine this machine.")
@click.option(
    "--observer", is_flag=True, help="Measure what stamps, checksums and the progress display cost."
)
@click.option("--rounds", type=click.IntRange(2, 1000), help="With --observer: rounds of blocks (default 9).")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON on standard output.")
def doctor(observer: bool, rounds: int | None, as_json: bool) -> None:
    """Examine this machine: cores, clock, steal, shared memory, brokers, floors.

    With --observer (about 20 seconds) instead: what benchkit itself costs what it measures.
    """
    if observer:
        _observe(rounds, as_json)
        return
    from benchkit.engine.doctor import examine

    findings = examine()
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
        return
    from rich.table import Table
    from rich.text import Text

    from benchkit.cli.console import out

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for finding in findings:
        mark = Text("ok", "green") if finding.good else Text("look", "yellow bold")
        said = finding.found if finding.good else f"{finding.found}\nremedy: {finding.remedy}"
        table.add_row(mark, finding.subject, Text(said))
    out().print(table)


def _observe(rounds: int | None, as_json: bool) -> None:
    from benchkit.cli.console import progress, unseen_progress
    from benchkit.engine.observer import ROUNDS, observe

    with progress(quiet=as_json) as show:
        found = observe(
            unseen_progress,
            rounds=rounds or ROUNDS,
            watch=show,
        )
    if as_json:
        click.echo(json.dumps(_document(found), indent=1))
    else:
        _print(found)


def _document(found: Observer) -> dict[str, Any]:
    from benchkit.engine.observer import FRAME_SHARE, STAMP_NS

    return {
        "costs": [asdict(cost) for cost in found.costs],
        "stamp_ns": found.stamp_ns,
        "bars": {
            "frame": {"share": found.frame.share, "below": FRAME_SHARE, "verdict": found.frame_verdict},
            "stamp": {"ns": found.stamp_ns, "at_most": STAMP_NS, "verdict": found.stamp_verdict},
        },
        "seconds": found.seconds,
    }


def _print(found: Observer) -> None:
    from rich.table import Table

    from benchkit.cli.console import out

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("cell", "what it costs"):
        table.add_column(name, no_wrap=True)
    for name in ("each", "share", "95%"):
        table.add_column(name, no_wrap=True, justify="right")
    for row in _rows(found.costs):
        table.add_row(*row)
    out().print(table)
    for line in _verdict(found):
        click.echo(line)


def _rows(costs: tuple[Cost, ...]) -> Iterator[tuple[str, ...]]:
    from benchkit.units import show_us

    last = ""
    for cost in costs:
        interval = cost.share_ci95 and "[{:+.1%} {:+.1%}]".format(*cost.share_ci95)
        name = "" if cost.cell == last else f"{cost.cell}, {show_us(cost.on_us)}"
        last = cost.cell
        spent_us = cost.share * cost.on_us
        yield name, cost.part, f"{spent_us:+.2f} us", f"{cost.share:+.1%}", interval or "-"


def _verdict(found: Observer) -> Iterator[str]:
    from benchkit.engine.observer import FRAME_SHARE, STAMP_NS

    frame = found.frame
    share = f"{frame.cell}: stamps and checksums, timed directly, are {frame.share:.1%} of the latency"
    yield f"{share}; at most {FRAME_SHARE:.0%}: {found.frame_verdict}"
    if found.frame_verdict == "undecided":
        yield "remedy: stop what else runs on this machine, or ask for more --rounds"
    yield f"a stamp timed alone: {found.stamp_ns:.0f} ns; at most {STAMP_NS:.0f} ns: {found.stamp_verdict}"
