"""`benchkit analyze FOLDER`: traces of code that people already run, analysed like a run."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(short_help="Traces of code that you already run, analysed like a run.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True,
    help="Where the run directory goes.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="run.json alone on standard output.")
@click.option("--name", default="", help="What to call it; default: the folder's name.")
@click.option(
    "--carrier", default="traced", help="What carries the messages, e.g. redis; shown in the tables."
)
@click.option("--broker", is_flag=True, help="The messages pass through a broker.")
@click.option("--warmup", metavar="TIME", default="0s", help="Leave out at least so much at the beginning.")
def analyze(
    folder: Path, out: Path, as_json: bool, name: str, carrier: str, broker: bool, warmup: str
) -> int:
    """Join the trace files in FOLDER (of BENCHKIT_TRACE, or benchkit.trace.to) and analyse them like a run."""
    from benchkit.analysis.document import document
    from benchkit.cli.console import out as console
    from benchkit.cli.exits import code_of
    from benchkit.cli.run import check_out, seconds
    from benchkit.records.folder import save
    from benchkit.report import terminal
    from benchkit.trace.run import Told, run_of

    warmup_s = seconds("--warmup", warmup)
    check_out(out)
    run = run_of(folder, Told(name, carrier or "traced", broker, warmup_s))
    made = document(run)
    kept = save(run, made, out)
    console(err=as_json).print(terminal.report(made, kept))
    if as_json:
        click.echo(json.dumps(made, indent=1))
    return code_of([made], 1)
