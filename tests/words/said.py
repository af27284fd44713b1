"""Every template that the package says: found in its source and its page templates, without running any of it.

    python tests/words/said.py

names what a catalogue lacks and what it holds for nobody.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, nodes

import benchkit

PACKAGE = Path(benchkit.__file__).parent
LOCALE = PACKAGE / "locale"


def said() -> dict[str, str]:
    """The first place of each template, by template."""
    found: dict[str, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for template in of_python(path.read_text("utf-8")):
            found.setdefault(template, path.relative_to(PACKAGE).as_posix())
    for path in sorted(PACKAGE.rglob("*.jinja")):
        for template in of_jinja(path.read_text("utf-8")):
            found.setdefault(template, path.relative_to(PACKAGE).as_posix())
    return found


def of_python(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("say", "word"):
            yield from _constants(node.args[0])


def _constants(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _constants(node.body)
        yield from _constants(node.orelse)


def of_jinja(source: str) -> Iterator[str]:
    for call in Environment(autoescape=True).parse(source).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "say":
            template = call.args[0]
            assert isinstance(template, nodes.Const)
            yield template.value


if __name__ == "__main__":
    import polib

    for catalogue in sorted(LOCALE.rglob("*.po")):
        known = {each.msgid for each in polib.pofile(str(catalogue)) if not each.obsolete}
        wanted = said()
        for template in sorted(wanted.keys() - known):
            print(f"{catalogue.parts[-3]}: missing ({wanted[template]}): {template}")  # noqa: T201  (a command)
        for template in sorted(known - wanted.keys()):
            print(f"{catalogue.parts[-3]}: nobody says: {template}")  # noqa: T201  (a command)
