"""`benchkit baseline save|list|show|promote`: stored baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from benchkit.records.baseline import Content

FOLDER: Final = Path("results/baselines")


@click.group(short_help="Stored baselines: save, list, show, promote.")
def baseline() -> None:
    """Keep the figures of runs for later comparison: benchkit check SCENARIO --baseline FILE."""


_runs = click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
_noise = click.option(
    "--noise", metavar="SHARE",
    help="What runs differ by, if you know better than what these show: 5%.",
)  # fmt: skip


@baseline.command(short_help="Make a baseline of one run or several.")
@_runs
@_noise
@click.option(
    "--to", type=click.Path(path_type=Path), default=FOLDER, show_default=True, help="Folder or file."
)
@click.option(
    "--force", is_flag=True, help="Replace a file that is there; `promote` keeps what it had learned."
)
def save(runs: tuple[Path, ...], noise: str | None, to: Path, force: bool) -> None:
    """Save a baseline. Four runs or more, spread over an hour or more, teach it what runs differ by."""
    from benchkit.analysis.baseline.make import make
    from benchkit.errors import UsageError
    from benchkit.records.reading import coherent

    documents = _documents(runs)
    with coherent(runs[0]):
        made = make(documents, stated=_share(noise))
    path = to if to.suffix == ".json" else to / _name(made)
    if path.exists() and not force:
        raise UsageError(
            "is there already",
            where=str(path),
            remedy="benchkit baseline promote RUN..., --force, or another --to",
        )
    _write(path, made)
    _told(path)


@baseline.command(short_help="Let runs become the baseline in place of the one there.")
@_runs
@_noise
@click.option(
    "--baseline", "path", type=click.Path(path_type=Path), default=FOLDER, show_default=True,
    help="The file, or the folder that holds the one of this scenario and machine.",
)  # fmt: skip
def promote(runs: tuple[Path, ...], noise: str | None, path: Path) -> None:
    """Replace a baseline by newer runs and show what changes; noise that it had learned stays, if it must."""
    from benchkit.analysis.baseline.compare import compare
    from benchkit.analysis.baseline.make import make
    from benchkit.cli.console import out
    from benchkit.records.baseline import read
    from benchkit.records.reading import coherent
    from benchkit.report.baseline import comparison

    documents = _documents(runs)
    with coherent(runs[0]):
        first = documents[0]
        file = found(path, str(first["scenario"].get("name")), str(first["environment"].get("fingerprint")))
        before = read(file)
        out().print(comparison(compare(before, documents[-1])))
        made = make(documents, stated=_share(noise), before=before)
    _write(file, made)
    _told(file)


@baseline.command("list", short_help="The baselines of a folder.")
@click.argument("folder", type=click.Path(path_type=Path), default=FOLDER)
def list_(folder: Path) -> None:
    """List baselines; one that is damaged or changed by hand is named."""
    from benchkit.cli.console import out
    from benchkit.errors import RecordError, UsageError
    from benchkit.records.baseline import read
    from benchkit.report.baseline import shelf

    if not folder.is_dir():
        raise UsageError(
            "no such folder", where=str(folder), remedy="make one: benchkit baseline save RUN RUN..."
        )
    rows: list[tuple[str, Content | None, str]] = []
    for path in sorted(folder.glob("*.json")):
        try:
            rows.append((path.name, read(path), ""))
        except RecordError as error:
            rows.append((path.name, None, error.what))
    if not rows:
        click.echo(f"no baselines in {folder}; make one: benchkit baseline save RUN RUN...")
        return
    out().print(shelf(rows))


@baseline.command(short_help="What a baseline holds.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The content, checked, on standard output.")
def show(file: Path, as_json: bool) -> None:
    """Show the figures of a baseline."""
    from benchkit.cli.console import out
    from benchkit.records.baseline import read, text_of
    from benchkit.report.baseline import content

    kept = read(file)
    if as_json:
        click.echo(text_of(kept), nl=False)
    else:
        out().print(content(kept))


def found(path: Path, scenario: str, fingerprint: str) -> Path:
    """The file itself; of a folder that of this scenario, and of this machine where there is one."""
    from benchkit.errors import UsageError

    if not path.is_dir():
        return path
    own = path / f"{scenario}-{fingerprint}.json"
    others = sorted(path.glob(f"{scenario}-*.json"))
    if own.exists():
        return own
    if not others:
        raise UsageError(
            f"no baseline of scenario {scenario!r}", where=str(path),
            remedy="make one: benchkit baseline save RUN RUN...",
        )  # fmt: skip
    if len(others) > 1:
        names = ", ".join(each.name for each in others[:4])
        raise UsageError(
            "none of this machine, and several of others", where=str(path), remedy=f"name one of {names}"
        )
    return others[0]


def _name(made: Content) -> str:
    return f"{made['scenario'].get('name', 'baseline')}-{made['environment'].get('fingerprint')}.json"


def _documents(runs: tuple[Path, ...]) -> list[dict[str, Any]]:
    from benchkit.records.folder import read_document

    return [read_document(path) for path in runs]


def share(option: str, text: str) -> float:
    """`5%` or `0.05` of the command line."""
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise click.BadParameter("write a share between 0 and 1, for example 5%", param_hint=option)
    return value


def _share(noise: str | None) -> float | None:
    return None if noise is None else share("--noise", noise)


def _write(path: Path, made: Content) -> None:
    from benchkit.errors import StorageError
    from benchkit.records.baseline import write

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, made)
    except OSError as error:
        raise StorageError(
            f"cannot be written: {error.strerror}", where=str(path), remedy="choose another place with --to"
        ) from error


def _told(path: Path) -> None:
    from benchkit.records.baseline import read

    kept = read(path)
    noise = kept["noise"]
    click.echo(str(path))
    if noise["source"] == "assumed":
        click.echo(
            f"noise from run to run: assumed, {noise['log_sd']:.0%}, which few answers survive; save 4 runs or more "
            "that were spread over an hour or more, or state it: --noise 5%",
            err=True,
        )
