"""YAML -> Scenario -> Plan.

::

    file --reader--> tree, every value with its place --overrides--> tree --build--> Scenario (validated)
         --cells, select, refuse, order--> Plan, which the engine runs

Every mistake on the way goes into one list and is raised at once as ScenarioError.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchkit.scenario.description import Description
    from benchkit.scenario.plan import Plan

__all__ = ["describe", "is_public", "load", "new", "schema"]


def load(path: Path, *, sets: Sequence[str] = (), only: Sequence[str] = (), quick: bool = False) -> Plan:
    """The plan of a scenario file.

    `sets` are `path.to.key=value`, `only` are `key=value,value`, `quick` cuts the blocks to seconds in all.
    Raises ScenarioError with every mistake.
    """
    from benchkit.scenario.planning import load as planned

    return planned(path, sets=sets, only=only, quick=quick)


def is_public(text: str) -> bool:
    """Whether a `--set` may be written down: its value is no secret."""
    from benchkit.scenario.overrides import is_public as public

    return public(text)


def describe(plan: Plan) -> Description:
    """A plan as rows of text for `--dry-run`."""
    from benchkit.scenario.description import describe as described

    return described(plan)


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a scenario with the options of every installed plug-in, for editors."""
    from benchkit.scenario.json_schema import schema as made

    return made()


def new(path: Path) -> None:
    """Write a commented scenario to start from; raises UsageError or StorageError."""
    from benchkit.scenario.starter import write

    write(path)
