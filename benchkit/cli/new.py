"""`benchkit new PATH`: a commented scenario to start from."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
def new(path: Path) -> None:
    """Write a commented scenario to start from."""
    from benchkit import scenario

    scenario.new(path)
    click.echo(f"wrote {path}; run it with: benchkit run {path}")
