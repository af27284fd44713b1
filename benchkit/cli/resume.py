"""`benchkit run --resume`: how a run was asked for, and whether it is still the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchkit.errors import RecordError, UsageError

if TYPE_CHECKING:
    from benchkit.records.recording import Recording
    from benchkit.records.run import Run
    from benchkit.scenario.plan import Plan


@dataclass(frozen=True, slots=True)
class Asked:
    """The part of a command line that decides what is measured."""

    scenario: str
    sets: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    quick: bool = False

    def plan(self) -> Plan:
        """Raises ScenarioError with every mistake."""
        from benchkit import scenario

        return scenario.load(Path(self.scenario), sets=self.sets, only=self.only, quick=self.quick)

    def plain(self) -> dict[str, Any]:
        """For the partial folder; a value that may be a secret is left out, its key kept under `hidden`."""
        from benchkit import scenario

        public = [text for text in self.sets if scenario.is_public(text)]
        hidden = [text.partition("=")[0] for text in self.sets if text not in public]
        path = str(Path(self.scenario).absolute())
        return {**asdict(self), "scenario": path, "sets": public, "hidden": hidden}


def find(name: str, out: Path) -> Path:
    """The partial folder that `--resume` means; raises UsageError."""
    from benchkit.records.names import PARTIAL
    from benchkit.records.unfinished import unfinished

    if name == "last":
        found = unfinished(out)
        if not found:
            raise UsageError(
                f"no unfinished run under {out}", where="--resume last", remedy="name its folder"
            )
        return found[-1]
    path = Path(name)
    if not path.is_dir():
        raise UsageError("no such folder", where=f"--resume {name}", remedy="name it, or say --resume last")
    path = path.resolve()
    if not path.name.endswith(PARTIAL):
        raise UsageError(
            f"only a run that never ended can be resumed; its folder ends in {PARTIAL}",
            where=f"--resume {name}",
            remedy="start a new run",
        )
    return path


def asked(path: Path, given: Asked) -> Asked:
    """How the run was asked for; what was `given` on this command line, if anything was, counts instead."""
    from benchkit.records.opening import MOST_BYTES, content

    file = path / "asked.json"
    try:
        kept = json.loads(content(file, MOST_BYTES))
        before = Asked(str(kept["scenario"]), tuple(kept["sets"]), tuple(kept["only"]), bool(kept["quick"]))
        hidden = set(kept["hidden"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        if given.scenario:
            return given
        raise RecordError(
            "nobody knows how this run was asked for", where=str(file), remedy="name the scenario again"
        ) from error
    missing = hidden - {text.partition("=")[0] for text in given.sets}
    if missing:
        raise UsageError(
            f"a value that may be a secret was not written down: {', '.join(sorted(missing))}",
            where="--resume",
            remedy=f"give it again: --set {min(missing)}=...",
        )
    return Asked(
        given.scenario or before.scenario,
        (*before.sets, *given.sets) if not given.scenario else given.sets,
        given.only or before.only,
        given.quick or before.quick,
    )


def taken_up(path: Path, plan: Plan, checkpoint_s: float) -> tuple[Recording, Run]:
    """The recording to go on with; raises UsageError where the plan is not the one that was measured."""
    from benchkit.records.plain import storable
    from benchkit.records.recording import Recording

    recording, header = Recording.resume(path, checkpoint_s=checkpoint_s)
    wanted = {**storable(plan.resolved), "cells": sorted(cell.id for cell in plan.cells)}
    measured = {**header.scenario, "cells": sorted(cell.id for cell in header.cells)}
    difference = next(_differences("", measured, wanted), None)
    if difference:
        recording.close()
        raise UsageError(
            f"the scenario is not the one that was measured: {difference}",
            where=f"--resume {path.name}",
            remedy="put the scenario back as it was, or start a new run",
        )
    return recording, header


def _differences(place: str, was: Any, is_now: Any) -> Iterator[str]:
    if isinstance(was, Mapping) and isinstance(is_now, Mapping):
        for key in [*was, *(key for key in is_now if key not in was)]:
            yield from _differences(f"{place}.{key}".strip("."), was.get(key), is_now.get(key))
    elif isinstance(was, list) and isinstance(is_now, list) and len(was) == len(is_now):
        for at, (old, new) in enumerate(zip(was, is_now, strict=True)):
            yield from _differences(f"{place}.{at}", old, new)
    elif was != is_now:
        yield f"{place} was {_short(was)} and is {_short(is_now)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
