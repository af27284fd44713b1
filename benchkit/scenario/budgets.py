"""The `promises:` section: budgets of phases and costs, one sentence each.

::

    promises:
      - compute share >= 60%
      - total cpu <= 2ms
"""

from __future__ import annotations

from benchkit.budgets import budget
from benchkit.scenario.nodes import Entry, Items, Leaf, Node
from benchkit.scenario.problems import Problems
from benchkit.scenario.redact import show


def budgets(entry: Entry | None, problems: Problems) -> tuple[str, ...]:
    """The sentences, each read once; what is wrong with one is noted where it stands."""
    found: dict[str, str] = {}
    for node in _sentences(entry, problems):
        if not isinstance(node, Leaf) or not isinstance(node.value, str):
            problems.add(
                node.where, "promises: expected a sentence", "write for example - compute share >= 60%"
            )
            continue
        text = " ".join(node.value.split())
        try:
            asked = budget(text)
        except ValueError as error:
            what, _, remedy = str(error).partition("; ")
            problems.add(node.where, f"promises: {show(text)}: {what}", remedy)
            continue
        key = f"{asked.name} {asked.at_least}"
        if key in found:
            problems.add(node.where, f"promises: {asked.name} is promised twice", f"remove {found[key]!r}")
        found.setdefault(key, text)
    return tuple(found.values())


def _sentences(entry: Entry | None, problems: Problems) -> tuple[Node, ...]:
    match entry.node if entry else None:
        case None | Leaf(value=None):
            return ()
        case Items(items=items):
            return items
        case Leaf() as leaf:
            return (leaf,)
        case node:
            problems.add(node.where, "promises: expected a list", "write for example - compute share >= 60%")
            return ()
