"""A gate from the words of a command line to its document, saved as it goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from benchkit import scenario
from benchkit.errors import BenchkitError, StorageError, UsageError
from benchkit.gate.bases import candidate, place, resolve
from benchkit.gate.document import OnMissing, document
from benchkit.gate.environments import Built, build
from benchkit.gate.measure import Measurement, Wanted, Watch, run_s
from benchkit.gate.pairs import Missing
from benchkit.gate.runs import Asked, SideRun
from benchkit.gate.sequence import fewest_blocks
from benchkit.gate.sides import BASE, CANDIDATE, Files, Side, sides
from benchkit.gate.statistics import looks
from benchkit.load.search import Capacity
from benchkit.records.names import run_name
from benchkit.scenario.order import QUICK_DURATION_S, QUICK_WARMUP_S
from benchkit.scenario.plan import Plan

_QUICK_BLOCKS: Final = 8

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What `benchkit check SCENARIO --base REF` asks for."""

    scenario: Path
    base: str
    sets: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    quick: bool = False
    blocks: int | None = None
    """Instead of the scenario's."""
    missing: OnMissing = "fail"
    files: Files = "own"
    out: Path = Path("results")


def check(asked: Request, plan: Plan, say: Say, watch: Watch) -> tuple[dict[str, Any], Path]:
    """Build both sides, compare them, save; `say` is told what is done and how long it takes, before it is.

    Raises UsageError for a base that is none, BuildError for a side that does not build.
    """
    where = place(asked.scenario, Path.cwd())
    origins = resolve(asked.base, where, Path.cwd()), candidate(where)
    wanted = _wanted(asked, plan)
    own_s, most_s = wanted.expected_s
    halfway = ", about half where that decides it" if len(looks(wanted.blocks)) > 1 else ""
    say(
        f"{plan.name}: {origins[1].told} against {origins[0].told}, {wanted.blocks} blocks of "
        f"{2 * len(wanted.cells)} measurements: about {_minutes(own_s)} on an idle machine{halfway}, "
        f"at most {_minutes(most_s)} where something looks worse and is measured again"
    )
    built = tuple(
        _built(side, build(origin, where, side), say)
        for side, origin in zip((BASE, CANDIDATE), origins, strict=True)
    )
    with sides(origins, (built[0], built[1]), where, asked.scenario, asked.files) as found:
        return _measured(asked, plan, found, wanted, watch)


def _built(side: str, made: Built, say: Say) -> Built:
    say(f"{side}: {'; '.join(made.did)}")
    return made


def _wanted(asked: Request, plan: Plan) -> Wanted:
    gate = plan.gate
    if gate is None:
        raise UsageError("the plan says nothing of a gate", where=str(asked.scenario))
    cells = tuple(cell.id for cell in plan.cells if not isinstance(cell.load, Capacity))
    if not cells:
        raise UsageError(
            "every cell searches for its rate, and a gate needs one that is given",
            where=str(asked.scenario), remedy="gate a cell with a rate, or a closed loop",
        )  # fmt: skip
    duration_s, warmup_s = gate.duration_s, plan.blocks.warmup_s
    if asked.quick:
        duration_s, warmup_s = min(duration_s, QUICK_DURATION_S), min(warmup_s, QUICK_WARMUP_S)
    expected_s = run_s(len(cells), duration_s, warmup_s)
    claims = sum(gate.deltas[cell][metric] is not None for cell in cells for metric in gate.deltas[cell])
    fewest = fewest_blocks(claims)
    blocks = asked.blocks or (max(fewest, _QUICK_BLOCKS) if asked.quick else gate.blocks)
    if blocks < fewest:
        raise UsageError(
            f"{claims} comparisons cannot be decided with {blocks} blocks, however large a difference is",
            where=str(asked.scenario), remedy=f"take {fewest} blocks or more, or choose cells with --only",
        )  # fmt: skip
    run = Asked(duration_s, warmup_s, expected_s, asked.sets, asked.only, cells, floors=False)
    return Wanted(run, cells, gate.deltas, blocks, plan.seed)


def _measured(
    asked: Request, plan: Plan, found: tuple[Side, Side], wanted: Wanted, watch: Watch
) -> tuple[dict[str, Any], Path]:
    started = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    folder = asked.out / run_name(f"{plan.name}-gate", started)
    with _lines(folder) as lines:
        measurement = Measurement(found, wanted, watch, lambda run: _keep(lines, run))
        outcome = measurement.run()
    outcome.missing += _gone(asked, plan, found[0])
    made = document(plan.name, started, found, wanted, outcome, asked.missing)
    save(folder, made)
    return made, folder


def _gone(asked: Request, plan: Plan, base: Side) -> list[Missing]:
    """Cells of the base's own scenario that the candidate's has no more: nothing holds them to anything now."""
    if base.own_scenario is None:
        return []
    try:
        before = scenario.load(base.own_scenario, sets=asked.sets, only=asked.only, quick=asked.quick)
    except BenchkitError:
        return []  # written for another benchkit, or for other options
    here = {cell.id for cell in plan.cells}
    why = "candidate: its scenario has it no more"
    return [Missing(cell.id, "candidate", why) for cell in before.cells if cell.id not in here]


def _lines(folder: Path) -> IO[str]:
    try:
        folder.mkdir(parents=True)
        return (folder / "runs.jsonl").open("w", encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"cannot be written: {error.strerror}", where=str(folder), remedy="choose another --out"
        ) from error


def _keep(lines: IO[str], run: SideRun) -> None:
    try:
        lines.write(json.dumps(run.plain()) + "\n")
        lines.flush()
    except OSError as error:
        raise StorageError(
            f"a run could not be kept: {error.strerror}", where=lines.name, remedy="free some space"
        ) from error


def save(folder: Path, made: dict[str, Any]) -> None:
    """gate.json, whole or not at all."""
    part = folder / ".gate.json.part"
    try:
        part.write_text(json.dumps(made, indent=1), "utf-8")
        part.replace(folder / "gate.json")
    except OSError as error:
        raise StorageError(
            f"the gate could not be saved: {error.strerror}", where=str(folder), remedy="free some space"
        ) from error


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
