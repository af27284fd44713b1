"""The `faults:` section: what goes wrong, one after the other, in each cell; `benchkit run --faults` does it.

::

    faults:
      - {kind: kill, party: [producer, stage], moment: [idle, mid-message]}   # lists are swept, as everywhere
      - {kind: stop, party: broker, at: 1s, lasting: 5s}

or, with how long the parts of a trial last::

    faults:
      before: 2s
      after: 10s
      inject: [{kind: kill, party: stage}]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from benchkit.faults.base import PARTIES, Fault, registry
from benchkit.scenario import options, sections
from benchkit.scenario.model import Axis, Faulting, FaultOptions
from benchkit.scenario.nodes import Entry, Items, Leaf, Map, Node
from benchkit.scenario.problems import Problems, listed
from benchkit.scenario.redact import show

KEY: Final = "faults"
INJECT: Final = "inject"
AXIS: Final = Axis(KEY, "fault", "kind", registry)
MOST: Final = 200
"""Faults of a scenario, lists followed."""
_EXAMPLE: Final = "write for example - {kind: kill, party: stage}"


def opened(root: Map) -> Map:
    """The section's short form, a list of faults, as the mapping that it stands for."""
    entry = root.entries.get(KEY)
    if entry is None or not isinstance(entry.node, Items):
        return root
    within = Map(entry.node.where, {INJECT: Entry(entry.where, entry.node)})
    return replace(root, entries={**root.entries, KEY: replace(entry, node=within)})


def faulting(root: Map, problems: Problems) -> Faulting | None:
    """The section with its faults; None where there is none, or nothing can be made of it."""
    entry = root.entries.get(KEY)
    if entry is None:
        return None
    node = entry.node
    if isinstance(node, Leaf) and node.value is None:
        node = Map(node.where, {})
    if not isinstance(node, Map):
        problems.add(node.where, f"{KEY}: expected a list of faults", _EXAMPLE)
        return None
    given = {key: each for key, each in node.entries.items() if key != INJECT}
    asked = options.validate(FaultOptions, given, options.Place(KEY, node.where), problems)
    found = [
        fault for one in listed(node.entries.get(INJECT), KEY, problems) for fault in _faults(one, problems)
    ]
    if len(found) > MOST:
        problems.add(node.where, f"{KEY}: {len(found)} faults", f"at most {MOST} are allowed")
        return None
    return None if asked is None else Faulting(asked, tuple(found))


def _faults(node: Node, problems: Problems) -> Iterator[Fault]:
    """Every combination of one entry."""
    if not isinstance(node, Map) or "kind" not in node.entries:
        problems.add(node.where, f"{KEY}: expected a mapping with `kind`", _EXAMPLE)
        return
    named = node.entries["kind"].node
    rest = {key: each for key, each in node.entries.items() if key != "kind"}
    for one in named.items if isinstance(named, Items) else (named,):
        kind = one.value if isinstance(one, Leaf) else None
        if not isinstance(kind, str):
            problems.add(one.where, f"{KEY}: expected the name of a fault, found {show(kind)}", _known())
            continue
        model: Any = sections.load(AXIS, kind, one.where, problems)
        if model is not None:
            for value, _ in options.expand(model, rest, options.Place(f"fault {kind}", node.where), problems):
                yield value


def _known() -> str:
    return f"known: {', '.join(registry.entries())}"


def standard() -> tuple[Fault, ...]:
    """Where a scenario lists none: each party killed, and stopped."""
    return tuple(
        registry.build({"kind": kind, "party": party}) for kind in ("kill", "stop") for party in PARTIES
    )


def plain(given: Faulting) -> dict[str, Any]:
    """The section for the record."""
    return {**given.options.model_dump(exclude_none=True), INJECT: [fault.config() for fault in given.faults]}


def quickened(given: Faulting) -> Faulting:
    """The same, each part at most as long as `--quick` allows."""
    asked = given.options
    return replace(
        given,
        options=asked.model_copy(
            update={
                "warmup": min(asked.warmup, 0.1), "before": min(asked.before, 0.4), "after": min(asked.after, 0.6),
                "times": 1, "patience": min(asked.patience, 3.0),
            }
        ),
    )  # fmt: skip
