"""A scenario file and the command line -> Plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from benchkit.errors import BenchkitError
from benchkit.load.search import Capacity
from benchkit.scenario import faulting, gating, overrides, select
from benchkit.scenario.build import build
from benchkit.scenario.cells import Cell, cells
from benchkit.scenario.model import AXES, GateOptions, Rule, Scenario
from benchkit.scenario.nodes import Map, Where
from benchkit.scenario.order import Order, quickened, quickened_trials
from benchkit.scenario.plan import GATE_RUN_S, Blocks, Gate, Plan, PlannedCell, planned_hops
from benchkit.scenario.problems import Problems
from benchkit.scenario.reader import read_file
from benchkit.scenario.redact import redact
from benchkit.scenario.refuse import refuse
from benchkit.scenario.refuse_flow import refuse_flow
from benchkit.scenario.refuse_link import refuse_link
from benchkit.scenario.refuse_load import refuse_load
from benchkit.scenario.refuse_pipeline import refuse_pipeline
from benchkit.scenario.refuse_producers import refuse_producers
from benchkit.scenario.refuse_search import refuse_search
from benchkit.scenario.refuse_what_if import refuse_what_if
from benchkit.scenario.resolved import resolved
from benchkit.scenario.seeds import Stream, seed_for


def load(path: Path, *, sets: Sequence[str], only: Sequence[str], quick: bool) -> Plan:
    """See `benchkit.scenario.load`."""
    problems = Problems()
    root = read_file(path, problems)
    if root is None:
        problems.raise_if_any()
    root = overrides.apply(faulting.opened(cast("Map", root)), sets, problems)
    scenario = build(root, problems, overridden=bool(sets))
    filters = select.only(only, root.where, problems)
    kept = [] if scenario is None else _kept(scenario, filters, _place(root, "blocks"), problems)
    if scenario is not None and scenario.what_if is not None:
        refuse_what_if(kept, scenario.what_if, _places(root, "what_if"), problems)
    if scenario is not None:
        # Who asks for seconds gets them: the record then says which promise cannot be decided.
        refuse_load(kept, scenario, {} if quick else _promised(root), problems)
    problems.raise_if_any()
    return _plan(cast("Scenario", scenario), kept, quick=quick)


def _place(root: Map, key: str) -> Where:
    return root.entries[key].where if key in root.entries else root.where


def _places(root: Map, key: str) -> dict[str, Where]:
    """Where each option of a section is written; the section itself under the empty name."""
    node = root.entries[key].node if key in root.entries else None
    within = {name: entry.node.where for name, entry in node.entries.items()} if isinstance(node, Map) else {}
    return {"": _place(root, key), **within}


def _promised(root: Map) -> dict[str, Where]:
    """Where each promise is written."""
    slo = root.entries["slo"].node if "slo" in root.entries else None
    return {name: entry.node.where for name, entry in slo.entries.items()} if isinstance(slo, Map) else {}


def _kept(scenario: Scenario, filters: Sequence[Rule], blocks_at: Where, problems: Problems) -> list[Cell]:
    """The cells to measure; what is wrong with them is noted, also where other parts have mistakes."""
    try:
        found = cells(scenario.groups)
        sound = not problems
        kept = [cell for cell in found if not any(select.matches(cell, rule) for rule in scenario.exclude)]
        if sound:
            if not scenario.overridden:
                select.unmatched(found, scenario.exclude, problems, registered=True)
            if not kept:
                problems.add(
                    scenario.exclude[0].where if scenario.exclude else blocks_at, "every cell is excluded"
                )
            select.unmatched(kept, filters, problems, registered=False)
        chosen = [cell for cell in kept if all(select.matches(cell, rule) for rule in filters)]
        if kept and not chosen and not problems:
            problems.add(
                "--only", "no cell matches all filters", "keys narrow each other down: leave one out"
            )
        refuse(chosen, scenario.blocks, blocks_at, problems)
        refuse_producers(chosen, problems)
        refuse_pipeline(chosen, problems)
        refuse_link(chosen, scenario.blocks, blocks_at, problems)
        refuse_flow(chosen, problems)
        refuse_search(chosen, scenario.blocks, problems)
    except BenchkitError as error:
        problems.add(error.where or blocks_at, redact(error.what), redact(error.remedy))
        return []
    return chosen


def _plan(scenario: Scenario, kept: Sequence[Cell], *, quick: bool) -> Plan:
    blocks = quickened(scenario.blocks) if quick else scenario.blocks
    header = scenario.header
    what_if = quickened_trials(scenario.what_if) if quick and scenario.what_if else scenario.what_if
    going_wrong = scenario.faulting
    if quick and going_wrong is not None:
        going_wrong = faulting.quickened(going_wrong)
    return Plan(
        name=header.name,
        seed=header.seed,
        quick=quick,
        cells=tuple(_planned(cell, header.seed) for cell in kept),
        order=Order(len(kept), None if blocks.soak else blocks.rounds, header.seed, _searching(kept)),
        blocks=Blocks(
            rounds=blocks.rounds,
            duration_s=blocks.duration,
            warmup_s=blocks.warmup,
            drain_s=blocks.drain,
            soak_s=blocks.soak,
            warmup_max_s=blocks.longest_warmup_s,
        ),
        checksum_every=scenario.checks.full_every,
        check_replies=scenario.checks.replies,
        on_error=header.on_error,
        slo={name: float(value) for name, value in scenario.slo if value is not None},
        resolved=resolved(replace(scenario, what_if=what_if, faulting=going_wrong), blocks),
        what_if=what_if,
        gate=_gate(scenario, kept),
        budgets=scenario.budgets,
        faulting=going_wrong,
        alerts=scenario.alerts,
    )


def _gate(scenario: Scenario, kept: Sequence[Cell]) -> Gate:
    given = scenario.gate or GateOptions()
    blocks = scenario.blocks
    duration_s = given.duration or min(GATE_RUN_S, blocks.rounds * blocks.duration)
    return Gate(given.blocks, duration_s, gating.deltas(given, scenario.gate_rules, kept))


def _searching(kept: Sequence[Cell]) -> frozenset[int]:
    """The cells whose blocks are not known beforehand."""
    return frozenset(at for at, cell in enumerate(kept) if isinstance(cell.choices["load"].value, Capacity))


def _planned(cell: Cell, seed: int) -> PlannedCell:
    value: dict[str, Any] = {name: cell.choices[name].value for name in AXES}
    hops = planned_hops(value["pipeline"], value["transport"], value["codec"])
    first = hops[0] if hops else None
    return PlannedCell(
        id=cell.id,
        group=cell.group,
        source=value["source"],
        codec=value["codec"],
        transport=value["transport"],
        stage=first.stage if first else value["stage"],
        load=value["load"],
        workers=first.workers if first else value["workers"].workers,
        batch_size=first.batch_size if first else value["batch"].size,
        batch_delay_s=first.batch_delay_s if first else value["batch"].delay,
        replies=value["replies"].replies,
        producers=value["producers"].producers,
        link=None if value["link"].absent else value["link"],
        link_seed=seed_for(seed, Stream.LINK),
        flow=None if value["flow"].absent else value["flow"],
        hops=hops,
    )
