"""`benchkit floors`: each transport beside the floor beneath it and beside what people write first."""

from __future__ import annotations

import json

import click


@click.command(short_help="Transports beside their floors and ordinary recipes.")
@click.option(
    "--only",
    multiple=True,
    metavar="NAME,...",
    help="Keep only these floors, transports and recipes; a transport keeps what it is compared with. Repeatable.",
)
@click.option("--quick", is_flag=True, help="Seconds instead of a minute or two: wide intervals.")
@click.option("--rounds", type=click.IntRange(6, 1000), help="How many rounds (default 24, with --quick 6).")
@click.option(
    "--bytes",
    "lengths",
    multiple=True,
    metavar="SIZE",
    help="Lengths of the messages, e.g. 64KiB. Repeatable.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the blocks' order.")
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def floors(
    only: tuple[str, ...], quick: bool, rounds: int | None, lengths: tuple[str, ...], seed: int, as_json: bool,
    quiet: bool,
) -> None:  # fmt: skip
    """How near is each transport to the floor beneath it, and how far is an ordinary recipe from it?

    Takes about two minutes: bars on whose side of the limit the rounds leave in doubt get twice as many
    again. A report and no gate: the exit code is 0 whether or not a bar is met.
    """
    import time
    from datetime import UTC, datetime

    from benchkit.cli.console import out, progress
    from benchkit.floors.bars import SIZES
    from benchkit.floors.document import document
    from benchkit.floors.measure import Measurement
    from benchkit.floors.plan import plan
    from benchkit.floors.table import report
    from benchkit.units import show_us

    names = [name.strip() for each in only for name in each.split(",") if name.strip()]
    sizes = [_bytes(each) for each in lengths] or SIZES
    planned = plan(only=names, quick=quick, rounds=rounds, sizes=sizes, seed=seed)
    if not quiet:
        blocks = planned.rounds * len(planned.blocks)
        expected = show_us(planned.expected_s * 1e6)
        click.echo(
            f"{blocks} blocks, about {expected} on an idle machine, longer where bars are undecided", err=True
        )
    started, began = datetime.now(UTC), time.monotonic()
    with progress(quiet=quiet) as watch:
        measurement = Measurement(planned, watch)
        measurement.run()
    found = document(planned, measurement.measured, started, time.monotonic() - began)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        out().print(report(found))


def _bytes(written: str) -> int:
    from benchkit.errors import UsageError
    from benchkit.units import parse_bytes

    try:
        nbytes: int = parse_bytes(int(written) if written.isdecimal() else written)
    except ValueError as error:
        raise UsageError(f"{written!r} is {error}", where="--bytes") from None
    if nbytes < 1:
        raise UsageError("a message has one byte at least", where="--bytes")
    return nbytes
