"""Commands; the only room that prints, colours and exits.

Each command imports what it needs when it is called, so that `benchkit --help` answers at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import TextIO, cast

import click

from benchkit import __version__
from benchkit.cli.analyze import analyze
from benchkit.cli.baseline import baseline
from benchkit.cli.check import check
from benchkit.cli.compare import compare
from benchkit.cli.console import printable
from benchkit.cli.doctor import doctor
from benchkit.cli.exits import FAILED, INTERRUPTED, READER_GONE
from benchkit.cli.export import export
from benchkit.cli.floors import floors
from benchkit.cli.kpi import kpi
from benchkit.cli.list import list_plugins
from benchkit.cli.new import new
from benchkit.cli.report import report
from benchkit.cli.run import run
from benchkit.cli.schema import schema
from benchkit.cli.selftest import selftest
from benchkit.cli.watch import watch
from benchkit.errors import BenchkitError
from benchkit.hiding import Hiding, notice, notice_environment


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="benchkit")
def cli() -> None:
    """Where does the time go between a producer and an AI stage?

    Start with: benchkit run scenarios/dam.yaml

    Exit codes: 0 done; 1 a promise was broken or a regression found; 2 wrong use or a bad scenario;
    3 measured, but not valid enough to decide; 4 something that the run needs failed; 130 interrupted.
    """


for command in (
    run, analyze, watch, compare, check, baseline, report, kpi, export, list_plugins, doctor, floors, selftest,
    schema, new,
):  # fmt: skip
    cli.add_command(command)


def main() -> None:
    """The console script: every outcome ends here with its exit code."""
    notice_environment(os.environ)
    for argument in sys.argv[1:]:
        notice(argument)
    sys.stdout, sys.stderr = cast("TextIO", Hiding(sys.stdout)), cast("TextIO", Hiding(sys.stderr))
    stdout = sys.stdout
    try:
        code = cli(standalone_mode=False)
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        code = INTERRUPTED
    except BenchkitError as error:
        click.echo(f"benchkit: {printable(str(error))}", err=True)
        code = error.exit_code
    except SystemExit:
        # Whoever read the output has had enough: click then mutes it and exits with 1, which is the gate's.
        code = READER_GONE if sys.stdout is not stdout else FAILED
    except Exception:  # noqa: BLE001  (a mistake of ours must not look like a broken promise: exit code 1)
        traceback.print_exc()
        click.echo(
            "benchkit: this is a mistake in benchkit, not in your use of it; please report it", err=True
        )
        code = FAILED
    sys.exit(code if isinstance(code, int) else 0)
