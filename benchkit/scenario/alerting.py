"""The `alerts:` section: `default`, or rules and sinks, each of them named with its options.

::

    alerts: default

    alerts:
      heartbeat: 1s
      rules: [default, {rule: threshold, metric: benchkit_queue_depth, above: 1000, lasting: 5s}]
      sinks: [terminal, {sink: alertmanager, url: "http://127.0.0.1:9093"}]
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from benchkit.alerts.options import AlertOptions, with_default
from benchkit.alerts.rules.base import Rule
from benchkit.alerts.sinks.base import SinkOptions
from benchkit.scenario import options
from benchkit.scenario.nodes import Entry, Items, Leaf, Map, Node, plain
from benchkit.scenario.problems import Problems
from benchkit.scenario.redact import recorded, show

M = TypeVar("M", bound=BaseModel)


def alerts(root: Map, problems: Problems) -> AlertOptions | None:
    """What the section asks for; None where there is none, or it has mistakes."""
    entry = root.entries.get("alerts")
    if entry is None or (isinstance(entry.node, Leaf) and entry.node.value is None):
        return None
    if isinstance(entry.node, Leaf) and entry.node.value == "default":
        return AlertOptions()
    if not isinstance(entry.node, Map):
        keys = ", ".join(AlertOptions.model_fields)
        what = f"alerts: expected `default` or a mapping, found {show(plain(entry.node))}"
        problems.add(entry.node.where, what, f"its keys: {keys}")
        return None
    return _section(entry.node, problems)


def _section(node: Map, problems: Problems) -> AlertOptions | None:
    before = len(problems)
    own = {key: each for key, each in node.entries.items() if key not in AlertOptions.sections}
    given = options.validate(AlertOptions, own, options.Place("alerts", node.where), problems)
    rules: list[Rule | None] = _listed(node, "rules", problems)
    sinks: list[SinkOptions | None] = _listed(node, "sinks", problems)
    if given is None or len(problems) > before:
        return None
    lists: dict[str, Any] = {}
    if "rules" in node.entries:
        lists["rules"] = with_default(rules)
    if "sinks" in node.entries:
        lists["sinks"] = tuple(sinks)
    try:
        return AlertOptions(heartbeat=given.heartbeat, **lists)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        problems.add(node.where, f"alerts: {first['msg'].removeprefix('Value error, ')}")
        return None


def _listed(node: Map, name: str, problems: Problems) -> list[Any]:
    """The items of `rules` or `sinks`, a single one in place of a list; None stands for `default`."""
    if name not in node.entries:
        return []
    inner = node.entries[name].node
    items = inner.items if isinstance(inner, Items) else (inner,)
    if not items:
        problems.add(inner.where, f"alerts.{name}: an empty list", "give at least one, or leave it out")
    return [_one(item, name, at, problems) for at, item in enumerate(items)]


def _one(node: Node, name: str, at: int, problems: Problems) -> BaseModel | None:
    """One rule or sink; None for `default`, and where it has mistakes."""
    key, table = AlertOptions.sections[name]
    entries: Mapping[str, Entry] = (
        node.entries
        if isinstance(node, Map)
        else {key: Entry(node.where, node)}
        if isinstance(node, Leaf)
        else {}
    )
    known = [*table, "default"] if name == "rules" else list(table)
    named = entries.get(key)
    kind = plain(named.node) if named else None
    if named is None or not isinstance(kind, str):
        example = "{rule: dead, intervals: 3}" if name == "rules" else "{sink: webhook, url: https://...}"
        problems.add(node.where, f"alerts.{name}.{at}: expected a {key}", f"write for example {example}")
        return None
    if kind == "default" and name == "rules" and len(entries) == 1:
        return None
    if kind not in table:
        problems.unknown(named.node.where, key, kind, known)
        return None
    rest = {each: entry for each, entry in entries.items() if each != key}
    made = options.validate(table[kind], rest, options.Place(f"{key} {kind}", node.where), problems)
    if isinstance(made, SinkOptions):
        for module in made.requires:
            if find_spec(module) is None:
                problems.add(named.node.where, f"the sink {kind!r} needs {module}", made.install)
    return made


def given(found: AlertOptions, folder: Path) -> Any:
    """The section for the record, secrets as `***`."""
    return recorded(found.model_dump(), folder)
