"""A plan as rows of text, for `--dry-run`; nothing is printed here."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from benchkit.load.search import Capacity
from benchkit.scenario.plan import Plan
from benchkit.units import show_seconds

_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One cell, as people read it."""

    id: str
    group: str
    transport: str
    codec: str
    source: str
    stage: str
    load: str
    workers: int
    producers: int
    batch: str
    """`4`, or `4 or 2 ms`."""
    replies: str
    """`yes` or `no`."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a run would do."""

    rows: tuple[Row, ...]
    groups: tuple[str, ...]
    blocks: str
    """One sentence."""
    order: tuple[tuple[str, ...], ...]
    """Ids in the order of measurement, one tuple a round; the first hundred rounds."""
    expected_s: float


def describe(plan: Plan) -> Description:
    """Cells, groups, blocks, order and expected duration of a plan."""
    rows = tuple(
        Row(
            id=cell.id,
            group=cell.group,
            transport=cell.transport.kind,
            codec=cell.codec.kind,
            source=cell.source.label(),
            stage=" > ".join(hop.name for hop in cell.hops) or cell.stage.kind,
            load=cell.load.label(),
            workers=cell.workers,
            producers=cell.producers,
            batch=str(cell.batch_size)
            + (f" or {cell.batch_delay_s * 1e3:.6g} ms" if cell.batch_delay_s else ""),
            replies="yes" if cell.replies else "no",
        )
        for cell in plan.cells
    )
    size = max(1, plan.interleaved)
    ids = [plan.cells[index].id for index in islice(plan.order, _ROUNDS * size)]
    return Description(
        rows=rows,
        groups=tuple(dict.fromkeys(row.group for row in rows)),
        blocks=_sentence(plan),
        order=tuple(tuple(ids[start : start + size]) for start in range(0, len(ids), size)),
        expected_s=plan.expected_s,
    )


def _sentence(plan: Plan) -> str:
    blocks = plan.blocks
    each = f"{blocks.duration_s:g} s after {blocks.warmup_s:g} s warm-up{', quick' if plan.quick else ''}"
    if blocks.soak_s is not None:
        return (
            f"{_count(len(plan.cells), 'cell')}, a soak of {show_seconds(blocks.soak_s)}: "
            f"rounds until then, blocks of {each}"
        )
    return (
        f"{_count(len(plan.cells), 'cell')}, {_count(blocks.rounds, 'round')}: "
        f"{_count(plan.total or 0, 'block')} of {each}{_searches(plan)}{_trials(plan)}{_faults(plan)}"
    )


def _trials(plan: Plan) -> str:
    asked = plan.what_if
    return "" if asked is None else f"; then what-if trials, {asked.longest:.0f} s at most"


def _faults(plan: Plan) -> str:
    given = plan.faulting
    if given is None:
        return ""
    faults = _count(len(given.faults), "fault") if given.faults else "each party killed and stopped"
    return f"; then {faults} in each cell, about {given.expected_s(len(plan.cells)):.0f} s"


def _searches(plan: Plan) -> str:
    searching = sum(isinstance(cell.load, Capacity) for cell in plan.cells)
    if not searching:
        return ""
    whose = "its" if searching == 1 else "their"
    return f"; {_count(searching, 'cell')} searched for {whose} capacity, {plan.searching_s:.0f} s at most"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
