"""Text -> located tree: YAML without anything that can run, surprise or explode.

What is accepted is the YAML 1.2 core: null, true/false, numbers, texts, lists, mappings, aliases within
bounds. So `on`, `yes`, `1:30` and `2024-01-01` are texts and `1e3` is a number. Other tags are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from benchkit.hiding import notice
from benchkit.scenario.nodes import Atom, Entry, Items, Leaf, Map, Node, Where
from benchkit.scenario.problems import Problems, nearest
from benchkit.scenario.redact import redact, show

MAX_FILE_BYTES = 256_000
"""A parser written in Python takes about a second for it."""
MAX_DEPTH = 32
MAX_NODES = 20_000
"""Values in a file, and values after its aliases are followed."""
MAX_CHARACTERS = 4096
"""Of one value: patterns that options are matched with are not all linear."""
_MAX_DIGITS = 40
_REMEDY = "write a plain finite number, or put it in quotes"
_TAG = "tag:yaml.org,2002:"


class _RefusedError(Exception):
    """YAML that is not read any further."""

    def __init__(self, mark: yaml.Mark, what: str, remedy: str) -> None:
        super().__init__(what)
        self.mark, self.what, self.remedy = mark, what, remedy


class _Loader(yaml.SafeLoader):
    """Composes nodes only, within bounds; the tags of plain values are those of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  (as PyYAML declares it)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._count = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """As inherited, but counts."""
        self._depth += 1
        self._count += 1
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it out
        _check_bounds(mark, self._depth, self._count)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), _first)


def _check_bounds(mark: yaml.Mark, depth: int, count: int) -> None:
    if depth > MAX_DEPTH:
        raise _RefusedError(
            mark, f"nested deeper than {MAX_DEPTH} levels, aliases followed", "write it flatter"
        )
    if count > MAX_NODES:
        raise _RefusedError(
            mark, f"more than {MAX_NODES} values, aliases followed", "make the scenario smaller"
        )


def read_file(path: Path, problems: Problems) -> Map | None:
    """The mapping that a scenario file holds, or None with the problems noted."""
    text = _text(path, problems)
    if text is None:
        return None
    folder = path.absolute().parent
    node = parse(text, lambda mark: Where(f"{path}:{mark.line + 1}:{mark.column + 1}", folder), problems)
    if isinstance(node, Map):
        return node
    start = f"{path}:1:1"
    if node is None and not problems:
        problems.add(start, "the file is empty", "`benchkit new PATH` writes a scenario to start from")
    elif node is not None:
        found = "a list" if isinstance(node, Items) else show(plain_atom(node))
        problems.add(node.where, f"expected a mapping such as `name: dam`, found {found}")
    return None


def plain_atom(node: Node) -> Atom:
    """The value of a leaf, else None."""
    return node.value if isinstance(node, Leaf) else None


def _text(path: Path, problems: Problems) -> str | None:
    name = str(path)
    try:
        if path.is_dir():
            problems.add(name, "is a folder, not a scenario file", _neighbours(path, ""))
        elif not path.exists():
            problems.add(name, "no such file", _neighbours(path.parent, path.name))
        elif not path.is_file():
            problems.add(name, "is not a regular file", "give the path of a YAML file")
        else:
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
            if len(data) > MAX_FILE_BYTES:
                problems.add(name, f"is larger than {MAX_FILE_BYTES // 1000} kB", "is it a scenario?")
                return None
            text = data.decode("utf-8-sig")
            notice(text)
            return text
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        column = error.start - error.object.rfind(b"\n", 0, error.start)
        problems.add(f"{name}:{line}:{column}", "is not UTF-8 text", "save the file as UTF-8")
    except (OSError, ValueError) as error:
        reason = (error.strerror or "cannot be read") if isinstance(error, OSError) else "is not a path"
        problems.add(name, reason[0].lower() + reason[1:], "give the path of a YAML file")
    return None


def _neighbours(folder: Path, name: str) -> str:
    try:
        known = sorted(entry.name for entry in folder.iterdir() if entry.suffix in (".yaml", ".yml"))
    except OSError:
        return f"there is no folder {str(folder)!r}"
    if not known:
        return "`benchkit new PATH` writes a scenario to start from"
    shown = known[:8] + (["..."] if len(known) > 8 else [])
    return nearest(name, shown).replace("known:", f"in {str(folder)!r}:")


def parse(text: str, place: Callable[[yaml.Mark], Where], problems: Problems) -> Node | None:
    """The tree of one YAML document; None when it is empty or malformed, with the problems noted."""
    loader: Any = None
    try:
        loader = _Loader(text)
        composed = loader.get_single_node()
        return None if composed is None else _Converter(place, problems).convert(composed, 1)
    except _RefusedError as error:
        problems.add(place(error.mark), error.what, error.remedy)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what, remedy = _in_words(error)
        problems.add(place(mark or _mark(0, 0)), what, remedy)
    except ReaderError as error:
        before = text[: error.position]
        mark = _mark(before.count("\n"), len(before) - before.rfind("\n") - 1)
        code = error.character if isinstance(error.character, int) else ord(error.character)
        problems.add(place(mark), f"a character that text may not hold: U+{code:04X}", "remove it")
    except (ValueError, OverflowError):
        problems.add(place(_mark(0, 0)), "not YAML: a number or escape is out of range")
    finally:
        if loader is not None:
            loader.dispose()
    return None


def _mark(line: int, column: int) -> yaml.Mark:
    return yaml.Mark("", 0, line, column, None, 0)


def _in_words(error: yaml.MarkedYAMLError) -> tuple[str, str]:
    problem = error.problem or "malformed"
    if "'\\t'" in problem:
        return "a tab where YAML wants spaces", "indent with spaces"
    if "cannot start any token" in problem:
        return f"not YAML: {redact(problem)}", "put the value in quotes"
    if "single document" in (error.context or ""):
        return "a second document", "one scenario per file: remove the line `---`"
    if "undefined alias" in problem:
        return f"{redact(problem)[6:]}", "an alias `*name` needs an anchor `&name` above it"
    return f"not YAML: {redact(problem)}", ""


class _Converter:
    """Composed nodes -> tree; follows aliases within the bounds."""

    def __init__(self, place: Callable[[yaml.Mark], Where], problems: Problems) -> None:
        self._place = place
        self._problems = problems
        self._count = 0

    def convert(self, node: yaml.Node, depth: int) -> Node:
        self._count += 1
        _check_bounds(node.start_mark, depth, self._count)
        where = self._place(node.start_mark)
        kind = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return Map(where, self._entries(node, depth))
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return Items(where, tuple(self.convert(item, depth + 1) for item in node.value))
        if isinstance(node, yaml.ScalarNode) and kind in ("null", "bool", "int", "float", "str", "merge"):
            return Leaf(where, self._atom(kind, node.value, where))
        tag = show(node.tag.replace(_TAG, "!!"))
        self._problems.spoil(where, f"tag {tag} is not allowed", "a scenario is plain data: remove it")
        return Leaf(where, None)

    def _entries(self, node: yaml.MappingNode, depth: int) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in node.value:
            where = self._place(key.start_mark)
            if not isinstance(key, yaml.ScalarNode):
                self._problems.add(where, "a key must be a single text", "write `key: value`")
            elif key.tag == _TAG + "merge":
                self._merge(value, merged, depth)
            elif key.value in entries:
                first = entries[key.value].where.text.rpartition(":")[0].rpartition(":")[2]
                self._problems.add(where, f"key {show(key.value)} is written twice", f"first on line {first}")
            else:
                entries[key.value] = Entry(where, self.convert(value, depth + 1))
        return {**merged, **entries} if merged else entries

    def _merge(self, value: yaml.Node, merged: dict[str, Entry], depth: int) -> None:
        node = self.convert(value, depth + 1)
        for part in node.items if isinstance(node, Items) else (node,):
            if isinstance(part, Map):
                for key, entry in part.entries.items():
                    merged.setdefault(key, entry)
            else:
                self._problems.add(part.where, "`<<` takes a mapping or a list of mappings")

    def _atom(self, kind: str, text: str, where: Where) -> Atom:
        try:
            return _atom(kind, text)
        except ValueError as error:
            self._problems.spoil(where, *map(str, error.args))
            return None


def _atom(kind: str, text: str) -> Atom:
    """The value of a plain text; raises ValueError(what, remedy)."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"a text of {len(text)} characters", f"at most {MAX_CHARACTERS} are allowed")
    match kind:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" if len(text) <= _MAX_DIGITS:
            try:
                return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
            except ValueError:  # its tag was written, and is not what the text is
                raise ValueError(f"not a whole number: {text}", _REMEDY) from None
        case "float" if len(text) <= _MAX_DIGITS:
            try:
                number = math.inf if text[-1:].isalpha() else float(text)
            except ValueError:  # likewise
                raise ValueError(f"not a number: {text}", _REMEDY) from None
            if not math.isfinite(number):
                raise ValueError(f"not a finite number: {text}", _REMEDY)
            return number
        case "int" | "float":
            raise ValueError(f"a number of {len(text)} characters", _REMEDY)
        case _:
            return text
