"""One cell of a run, analysed: its account, its figures, what speaks against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchkit.analysis.account import account, fates, open_blocks
from benchkit.analysis.backlog import Drained, drained
from benchkit.analysis.bulk import Bulk
from benchkit.analysis.detail import Detail, detail
from benchkit.analysis.drift import Drift, drifts
from benchkit.analysis.found import Found, of_blocks
from benchkit.analysis.found import found as find
from benchkit.analysis.freshness import Freshness, deadline_of
from benchkit.analysis.hop_figures import HopFigures, hop_figures, measured
from benchkit.analysis.hops import messages_of
from benchkit.analysis.live import live
from benchkit.analysis.measure import Measure
from benchkit.analysis.promises import promises
from benchkit.analysis.search_reasons import no_level, search_reasons
from benchkit.analysis.validity import Facts, Reason, is_valid, reasons
from benchkit.analysis.verdict.arrivals import UNKNOWN, Unevenness, unevenness
from benchkit.records.run import Block, Cell, Failure, Run
from benchkit.records.samples import SAMPLE


@dataclass(frozen=True, slots=True)
class Analysed:
    """One cell with everything found about it."""

    cell: Cell
    blocks: list[Block]
    warmup: int
    account: dict[str, int]
    measure: Measure
    drift: Mapping[str, Drift]
    reasons: list[Reason]
    failures: tuple[Failure, ...] = ()
    """Of all its blocks; a search shows the figures of some of them only."""
    found: Found | None = None
    drained: Drained | None = None
    detail: Detail | None = None
    uneven: Unevenness = UNKNOWN
    fresh: Freshness | None = None
    work: Bulk | None = None
    hops: tuple[HopFigures, ...] = ()
    """Of a pipeline."""

    @property
    def valid(self) -> bool:
        """It may be ranked and carries a verdict."""
        return is_valid(self.reasons)


def analyse(run: Run, cell: Cell, upset: Mapping[int, str]) -> Analysed:
    """A cell of the run; `upset` names the run's disturbed blocks and what disturbed them."""
    own = [block for block in run.blocks if block.cell == cell.id]
    blocks = [block for block in own if block.slowed is None]
    samples = run.samples.get(cell.id)
    if samples is None:
        samples = np.zeros(0, SAMPLE)
    if len(blocks) < len(own):
        # What was slowed on purpose is no measurement of the cell.
        samples = of_blocks(samples, blocks)
    failures = tuple(failure for block in blocks for failure in block.failures)
    capacity = find(cell, blocks, samples)
    if capacity is not None and capacity.shown is not None:
        # The figures of a search are those of the level that it found.
        blocks = list(capacity.shown.blocks)
        samples = of_blocks(samples, blocks)
    hops = hop_figures(cell, samples)
    figures = measured(cell, samples, hops)
    # From here on a message is one row, whatever the hops.
    samples = messages_of(cell, samples)
    counted = fates(samples)
    kept = account(counted, blocks)
    cores = run.environment.get("cores")
    trend = drifts(blocks, figures.blocks, [each.block for each in run.resumed])
    beneath = detail(cell, blocks, samples, figures, cores if isinstance(cores, int) else 0, hops)
    facts = Facts(
        cell=cell,
        blocks=blocks,
        account=kept,
        open_blocks=open_blocks(counted, blocks),
        measure=figures,
        cores=cores if isinstance(cores, int) else 0,
        floor_us=run.floor.null_us.get("p50") if run.floor else None,
        replies_to_check=_replies_to_check(run.scenario),
        stops_on_error=run.scenario.get("on_error") == "stop",
        disturbed=upset,
        placement=run.placement,
        drift=trend,
        little=beneath.little,
    )
    why = reasons(facts)
    if capacity is not None:
        why = search_reasons(capacity, why)
    fresh, work = live(samples, deadline_of(cell, cell.search.slo if cell.search else run.slo))
    return Analysed(
        cell,
        blocks,
        counted.warmup,
        kept,
        figures,
        trend,
        why,
        failures,
        capacity,
        drained(cell, blocks, samples),
        beneath,
        unevenness(samples),
        fresh=fresh,
        work=work,
        hops=hops,
    )


def _replies_to_check(scenario: Mapping[str, Any]) -> bool:
    checks = scenario.get("checks")
    return isinstance(checks, Mapping) and bool(checks.get("replies"))


def promises_of(run: Run, done: Analysed) -> list[dict[str, Any]]:
    """The scenario's promises of this cell, and those that a search found no rate for."""
    kept = promises(done.cell.id, run.slo, done.measure, done.account, decidable=done.valid)
    return kept + (no_level(done.cell.id, done.found, done.measure) if done.found and done.valid else [])
