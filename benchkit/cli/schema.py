"""`benchkit schema`: JSON Schema of a scenario, for editors."""

from __future__ import annotations

import json

import click


@click.command(short_help="JSON Schema of a scenario, for editors.")
def schema() -> None:
    """Print the JSON Schema of a scenario, for editors."""
    from benchkit import scenario

    click.echo(json.dumps(scenario.schema(), indent=1))
