"""`benchkit list`: what is installed, where it comes from, what is missing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from benchkit.plugins import Registry

SEAMS = ("transports", "stages", "sources", "codecs", "arrivals", "faults")
LINKS = "links"


def _registries() -> dict[str, Registry[Any]]:
    from benchkit.faults.base import registry as faults
    from benchkit.load.base import registry as arrivals
    from benchkit.sources.base import registry as sources
    from benchkit.stages.base import registry as stages
    from benchkit.tensors.codecs.base import registry as codecs
    from benchkit.transports.base import registry as transports

    return {
        "transports": transports,
        "stages": stages,
        "sources": sources,
        "codecs": codecs,
        "arrivals": arrivals,
        "faults": faults,
    }


def _capabilities(plugin: Any) -> str:
    """What a transport promises with its default options."""
    from pydantic import ValidationError

    try:
        promises = plugin().capabilities()
    except (AttributeError, ValidationError):
        return ""
    level = f" ({promises.level})" if promises.level else ""
    facts = [promises.delivery, f"held by {promises.durability}{level}", f"order {promises.ordering}"]
    facts += [name for name in ("zero_copy", "same_host", "same_process") if getattr(promises, name)]
    if promises.max_message_bytes is not None:
        from benchkit.units import show_bytes

        name = f" ({promises.limit_name})" if promises.limit_name else ""
        facts.append(f"at most {show_bytes(promises.max_message_bytes)} a message{name}")
    return ", ".join(facts).replace("_", " ")


def _rows(registry: Registry[Any]) -> list[dict[str, Any]]:
    from benchkit.errors import BenchkitError

    rows = []
    for kind, entry in registry.entries().items():
        row: dict[str, Any] = {
            "kind": kind,
            "from": entry.distribution,
            "what": "",
            "capabilities": "",
            "missing": "",
            "remedy": "",
        }
        try:
            plugin = registry.load(kind)
            row["what"] = (plugin.__doc__ or "").strip().splitlines()[0] if plugin.__doc__ else ""
            row["options"] = list(plugin.model_fields)
            row["capabilities"] = _capabilities(plugin) if registry.noun == "transport" else ""
            registry.require(kind)
            if lacking := plugin.lacks():
                row["missing"], row["remedy"] = lacking.what, lacking.remedy
        except BenchkitError as error:
            row["missing"], row["remedy"] = error.what, error.remedy
        rows.append(row)
    return rows


def _links() -> list[dict[str, Any]]:
    """Every profile with its numbers and where each comes from."""
    from benchkit.link.options import LinkOptions
    from benchkit.link.profiles import PROFILES

    rows = []
    for name, profile in PROFILES.items():
        options = LinkOptions(profile=name)
        rows.append(
            {
                "kind": name,
                "from": "benchkit",
                "what": profile.what,
                "capabilities": "",
                "missing": "",
                "remedy": "",
                "options": [],
                **{
                    way: {
                        option: {"value": value, "source": options.sources(way)[option]}
                        for option, (value, _) in getattr(profile, way).items()
                    }
                    for way in ("up", "down")
                },
            }
        )
    return rows


def _sources(row: dict[str, Any]) -> list[str]:
    return [
        f"{way} {option}: {said['value']} - {said['source']}"
        for way in ("up", "down")
        for option, said in row.get(way, {}).items()
    ]


@click.command("list", short_help="What is installed, and what is missing.")
@click.argument("seam", required=False, type=click.Choice((*SEAMS, LINKS)))
@click.option("--json", "as_json", is_flag=True, help="The same as JSON on standard output.")
def list_plugins(seam: str | None, as_json: bool) -> None:
    """What is installed: transports, stages, sources, codecs, arrivals, faults; and the links that have a name."""
    registries = _registries()
    found = {name: _rows(registries[name]) for name in ([seam] if seam else SEAMS) if name != LINKS}
    if seam in (None, LINKS):
        found[LINKS] = _links()
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    from rich.table import Table

    from benchkit.cli.console import out

    console = out()
    for name, rows in found.items():
        table = Table(
            title=name,
            title_justify="left",
            title_style="bold",
            box=None,
            pad_edge=False,
            padding=(0, 2, 0, 0),
        )
        table.add_column("name", style="bold", no_wrap=True)
        table.add_column("what it is, what it promises", ratio=1)
        table.add_column("from", no_wrap=True)
        for row in rows:
            lines = [row["what"], *(_sources(row) if seam == LINKS else ())]
            if row["capabilities"]:
                lines.append(row["capabilities"])
            if row["missing"]:
                lines.append(f"MISSING: {row['missing']}. Remedy: {row['remedy']}")
            table.add_row(row["kind"], "\n".join(lines), row["from"])
        console.print(table, markup=False)
        console.print()
