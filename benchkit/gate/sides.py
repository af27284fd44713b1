"""The two sides: which interpreter, which files, which scenario each runs.

The scenario is the candidate's on both sides: one question is put to both. What it names (a stage's module, a model)
is each side's own, found where the scenario says, in that side's files; a package that has no files of its own, and
`--files candidate`, take the candidate's.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import yaml

from benchkit.errors import StorageError
from benchkit.gate.bases import Origin, Place
from benchkit.gate.environments import Built

BASE: Final = "base"
CANDIDATE: Final = "candidate"
Files = Literal["own", "candidate"]
_OURS: Final = ("gate", "what_if")
"""Sections that a run of the gate does not need, and that an older benchkit may not know."""


@dataclass(frozen=True, slots=True)
class Side:
    """One build, ready to be run."""

    name: str
    """`base` or `candidate`."""
    told: str
    python: Path
    scenario: Path
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    """What its processes have beside this one's environment."""
    did: tuple[str, ...] = ()
    """How it was built."""
    content: str = ""
    """Equal for equal builds."""
    own_scenario: Path | None = None
    """The base's own, where it has one that reads differently."""


@contextmanager
def sides(
    origins: tuple[Origin, Origin], built: tuple[Built, Built], where: Place, scenario: Path, files: Files
) -> Iterator[tuple[Side, Side]]:
    """Base and candidate; what is written for them (scenarios without our own sections) goes at the end."""
    base, candidate = built
    text = _stripped(scenario)
    written: list[Path] = []
    try:
        tree = candidate.tree if base.tree is None or files == "candidate" else base.tree
        yield (
            _side(BASE, origins[0], base, tree, where, scenario, text, written),
            _side(CANDIDATE, origins[1], candidate, candidate.tree, where, scenario, text, written),
        )
    finally:
        for path in written:
            path.unlink(missing_ok=True)


def _side(
    name: str, origin: Origin, made: Built, tree: Path | None, where: Place, scenario: Path, text: str | None,
    written: list[Path],
) -> Side:  # fmt: skip
    inside = where.inside(scenario)
    path = scenario.resolve() if inside is None or tree is None else tree / inside
    if text is not None or not path.is_file():
        path = _write(path, text if text is not None else scenario.read_text("utf-8"))
        written.append(path)
    # A package has no files: neither may it find the candidate's modules by chance.
    cwd = _mapped(Path.cwd(), where, made.tree) if made.tree is not None else made.python.parent.parent
    return Side(
        name, origin.told, made.python, path, cwd if cwd.is_dir() else made.tree or path.parent,
        environment(where, made.tree), made.did, made.content, _own(made.tree, where, scenario),
    )  # fmt: skip


def _own(tree: Path | None, where: Place, scenario: Path) -> Path | None:
    inside = where.inside(scenario)
    if tree is None or inside is None or not (tree / inside).is_file():
        return None
    return None if (tree / inside).read_bytes() == scenario.read_bytes() else tree / inside


def environment(where: Place, tree: Path | None) -> dict[str, str]:
    """PYTHONPATH, pointing into the side's own files where it pointed into the project."""
    entries = [Path(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    mapped = [
        _mapped(entry, where, tree) for entry in entries if tree is not None or where.inside(entry) is None
    ]
    # What is empty counts as not set.
    return {"PYTHONPATH": os.pathsep.join(map(str, mapped)), "PYTHONHOME": ""}


def _mapped(path: Path, where: Place, tree: Path | None) -> Path:
    inside = where.inside(path)
    return path.resolve() if inside is None or tree is None else tree / inside


def _stripped(scenario: Path) -> str | None:
    """The scenario with our own sections blanked, every other line where it was; None where it has none."""
    text = scenario.read_text("utf-8")
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError:
        return None  # whoever loads it says what is wrong
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        return None
    for key, value in root.value:
        if key.value in _OURS:
            first, last = key.start_mark.index, value.end_mark.index
            text = (
                text[:first]
                + "".join("\n" if letter == "\n" else " " for letter in text[first:last])
                + text[last:]
            )
    return text if any(key.value in _OURS for key, _ in root.value) else None


def _write(beside: Path, text: str) -> Path:
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    path = beside.with_name(f".benchkit-gate-{digest}-{os.getpid()}.yaml")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise StorageError(
            f"cannot be written: {error.strerror}",
            where=str(path),
            remedy="make the scenario's folder writable",
        ) from error
    return path


def same_build(found: tuple[Side, Side]) -> bool:
    """There is no difference to find."""
    return found[0].content == found[1].content
