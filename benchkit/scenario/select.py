"""Which cells are meant: entries of `exclude` and `--only key=value,value` match in the same way.

A cell matches when every key matches; a key matches when any of its values does. Values are names, labels
or shell patterns: `transport`, `codec` and `stage` by name, `source` and `load` by name or label,
`workers`, `producers`, `batch` and `replies` by value, `pipeline` by the names of its stages
(`decode-detect-track`; `none`), `id` and `group` by the text that `--dry-run` shows.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from benchkit.scenario.cells import Cell
from benchkit.scenario.hops import shown
from benchkit.scenario.model import AXES, Pattern, Rule
from benchkit.scenario.nodes import Entry, Items, Leaf, Map, Node, Where
from benchkit.scenario.problems import Problems, listed
from benchkit.scenario.redact import redact, show

KEYS: tuple[str, ...] = (*AXES, "id", "group")


def rules(entry: Entry | None, problems: Problems, name: str = "exclude") -> tuple[Rule, ...]:
    """The entries of `exclude`, or of another list of cells."""
    found = []
    for node in listed(entry, name, problems):
        if not isinstance(node, Map):
            problems.add(
                node.where, f"{name}: expected a mapping", "write for example - {transport: shm, codec: raw}"
            )
        elif not node.entries:
            problems.add(node.where, f"{name}: an empty entry would match every cell", "remove it")
        else:
            terms = {key: _patterns(key, value, problems, name) for key, value in node.entries.items()}
            if all(terms.values()):
                found.append(Rule(node.where, terms))
    return tuple(found)


def _patterns(key: str, entry: Entry, problems: Problems, name: str) -> tuple[Pattern, ...]:
    if key not in KEYS:
        problems.unknown(entry.where, "key", key, KEYS)
        return ()
    node = entry.node
    nodes: Sequence[Node] = node.items if isinstance(node, Items) else (node,)
    if not nodes:
        problems.add(node.where, f"{name}: {key}: an empty list", "give at least one value")
    found = []
    for item in nodes:
        if isinstance(item, Leaf):
            found.append(Pattern(item.where, _text(item)))
        else:
            problems.add(item.where, f"{name}: {key}: expected a name or a list of names")
    return tuple(found)


def _text(leaf: Leaf) -> str:
    match leaf.value:
        case bool():
            return "true" if leaf.value else "false"
        case None:
            return "null"
        case value:
            return str(value)


def only(texts: Sequence[str], where: Where, problems: Problems) -> tuple[Rule, ...]:
    """The `--only` filters: one rule, keys given twice add up."""
    terms: dict[str, tuple[Pattern, ...]] = {}
    for text in texts:
        place = Where(f"--only {redact(text)}", where.folder, True)
        key, equals, values = text.partition("=")
        names = [value.strip() for value in values.split(",") if value.strip()]
        if not equals or not names:
            problems.add(place, "expected key=value,value", "write for example --only transport=shm,http")
        elif key.strip() not in KEYS:
            problems.unknown(place, "key", key.strip(), KEYS)
        else:
            terms[key.strip()] = terms.get(key.strip(), ()) + tuple(Pattern(place, name) for name in names)
    return (Rule(where, terms),) if terms else ()


def texts(cell: Cell, key: str) -> tuple[str, ...]:
    """What a value of `key` is matched with."""
    if key == "id":
        return (cell.id,)
    if key == "group":
        return (cell.group,)
    choice = cell.choices[key]
    axis = AXES[key]
    if axis.field:
        value = getattr(choice.value, axis.field)
        if isinstance(value, tuple):
            return (shown(value),)
        return ("true" if value else "false",) if isinstance(value, bool) else (str(value),)
    label = cell.labels.get(key)
    return (choice.kind, label) if label and label != choice.kind else (choice.kind,)


def matches(cell: Cell, rule: Rule) -> bool:
    """Every key of the rule matches the cell."""
    return all(
        any(fnmatchcase(text, pattern.text) for text in texts(cell, key) for pattern in patterns)
        for key, patterns in rule.terms.items()
    )


def unmatched(cells: Sequence[Cell], found: Iterable[Rule], problems: Problems, *, registered: bool) -> None:
    """Note each value that matches no cell; `registered`: names of installed plug-ins are let pass."""
    for rule in found:
        for key, patterns in rule.terms.items():
            known = list(dict.fromkeys(text for cell in cells for text in texts(cell, key)))
            registry = AXES[key].registry if key in AXES else None
            for pattern in patterns:
                if any(fnmatchcase(text, pattern.text) for text in known):
                    continue
                if registered and registry and pattern.text in registry.entries():
                    continue
                problems.add(
                    pattern.where, f"no cell has {key} {show(pattern.text)}", _existing(pattern.text, known)
                )


def _existing(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name[:100], known, n=1, cutoff=0.5)
    shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
    return (f"did you mean {near[0]!r}? " if near else "") + f"there are: {shown or 'none'}"
