"""`benchkit selftest`: is what benchkit says true? Bottlenecks are planted, and its verdicts counted."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Plant bottlenecks and count how often they are found.")
@click.option("--truth", is_flag=True, help="The verdicts: phase, resource and kind of planted bottlenecks.")
@click.option(
    "--what-if", is_flag=True, help="What-if: predictions beside the changes really made, known slopes."
)
@click.option(
    "--soak", metavar="TIME", help="So long at 80% of capacity (1h): memory flat, nothing lost or left open."
)
@click.option("--gate", is_flag=True, help="The gate: false alarms, and slow-downs of known size found.")
@click.option(
    "--kills",
    is_flag=True,
    help="Parties killed and stopped under every transport: what its guarantee keeps.",
)
@click.option(
    "--shard", metavar="I/N", help="Of --kills: run this part of it; files of all parts count together."
)
@click.option(
    "--merge", multiple=True, type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Of --kills: count the trials kept in DIR too. Repeatable.",
)  # fmt: skip
@click.option(
    "--trials", type=(click.IntRange(0), click.IntRange(0), click.IntRange(0)), metavar="ALIKE HOGS SLOWER",
    help="Of --gate: gates of equal builds, the same beside CPU hogs, and of each slow-down (100 50 20).",
)  # fmt: skip
@click.option("--quick", is_flag=True, help="The short form, half a minute at most.")
@click.option(
    "--seeds", type=click.IntRange(1, 1000), help="How often each kind and share (5), each kill (10)."
)
@click.option("--first-seed", type=click.IntRange(0), help="Thresholds were tuned below 100, the default.")
@click.option("--levels", metavar="SHARE,...", help="Shares of the latency to plant (default 0.35,0.55,0.8).")
@click.option("--only", multiple=True, metavar="NAME", help="Kinds whose name contains this. Repeatable.")
@click.option(
    "--out", type=click.Path(path_type=Path),
    help="Keep trials in DIR, go on with those there; the result is verdict.md (what-if.md, gate.md, kills.md)."
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def selftest(
    truth: bool, what_if: bool, soak: str | None, gate: bool, kills: bool, shard: str | None,
    merge: tuple[Path, ...], trials: tuple[int, int, int] | None,
    quick: bool, seeds: int | None, first_seed: int | None, levels: str | None,
    only: tuple[str, ...], out: Path | None, as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Check the tool itself against truth, on a machine that is left alone.

    Exit codes: 0 all bars hold; 1 one is broken; 3 too many trials were not valid.
    """
    if truth + what_if + gate + kills + (soak is not None) != 1:
        raise click.UsageError("say what to check: --truth, --what-if, --soak, --gate or --kills")
    if soak is not None:
        from benchkit.cli import selftest_soak

        return selftest_soak.soak(lasting=soak, out=out, as_json=as_json, quiet=quiet)
    if kills:
        from benchkit.cli import selftest_kills

        return selftest_kills.kills(
            seeds=seeds,
            only=only,
            shard=shard,
            merge=merge,
            out=out,
            as_json=as_json,
            quiet=quiet,
            quick=quick,
        )
    if gate:
        from benchkit.cli import selftest_gate

        return selftest_gate.gate(quick=quick, trials=trials, out=out, as_json=as_json, quiet=quiet)
    if what_if:
        from benchkit.cli import selftest_whatif

        return selftest_whatif.what_if(
            quick=quick, seed=first_seed or 0, out=out, as_json=as_json, quiet=quiet
        )
    from benchkit.cli import selftest_truth

    return selftest_truth.truth(
        seeds=seeds,
        first_seed=first_seed,
        levels=levels,
        only=only,
        quick=quick,
        out=out,
        as_json=as_json,
        quiet=quiet,
    )
