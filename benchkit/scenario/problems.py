"""Collects every mistake of a scenario, each once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from benchkit.errors import Problem, ScenarioError
from benchkit.scenario.nodes import Entry, Items, Leaf, Map, Node, Where
from benchkit.scenario.redact import show

_MOST = 100


class Problems:
    """The mistakes found so far, in the order in which they were found."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, where: Where | str, what: str, remedy: str = "") -> None:
        """Note one mistake; the same one again is ignored."""
        self._found.setdefault(Problem(where if isinstance(where, str) else where.text, what, remedy))

    def unknown(self, where: Where | str, noun: str, name: str, known: Iterable[str]) -> None:
        """Note a name that does not exist, with the nearest one and all that exist."""
        self.add(where, f"unknown {noun} {show(name)}", nearest(name, known))

    def raise_if_any(self) -> None:
        """Raise ScenarioError with all of them."""
        if self._found:
            found = list(self._found)
            if len(found) > _MOST:
                found[_MOST:] = [
                    Problem(found[0].where, f"and {len(found) - _MOST} more mistakes like these")
                ]
            raise ScenarioError(found)


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean 'http'? known: http, shm`."""
    names = list(dict.fromkeys(known))
    near = difflib.get_close_matches(name[:100], names, n=1, cutoff=0.5)
    return (f"did you mean {near[0]!r}? " if near else "") + f"known: {', '.join(names) or 'none'}"


def listed(entry: Entry | None, name: str, problems: Problems) -> tuple[Node, ...]:
    """The items of a list; a single mapping counts as one, nothing as none."""
    match entry.node if entry else None:
        case None | Leaf(value=None):
            return ()
        case Items(items=items):
            return items
        case Map() as node:
            return (node,)
        case node:
            problems.add(node.where, f"{name}: expected a list of mappings")
            return ()
