"""The bars against what was measured so far: which are decided, and which need more rounds."""

from __future__ import annotations

from benchkit.engine.exchanges import Timing
from benchkit.floors.bars import BARS, ENGINE, Bar, Figure
from benchkit.floors.measured import Key, Measured
from benchkit.floors.plan import FloorsPlan
from benchkit.floors.ratios import Estimate, Rounds, difference, judged, ratio, typical


def about(plan: FloorsPlan) -> list[Bar]:
    """The bars that this run is about at all."""
    names = {each.name for each in plan.entrants} | ({ENGINE} if plan.engine else set())
    return [
        bar
        for bar in BARS
        if bar.of in names and {bar.nbytes, bar.against_nbytes or bar.nbytes} <= set(plan.sizes)
    ]


def estimate(measured: Measured, bar: Bar) -> Estimate | None:
    """Of the bar's `of` against its `against`; None where nothing was measured."""
    of, against = (rounds_of(measured, *key, bar.figure) for key in keys(bar))
    if bar.figure == "cpu":
        return typical([*of.values()])
    return difference(of, against) if bar.unit == "us" else ratio(of, against)


def keys(bar: Bar) -> tuple[Key, Key]:
    """What it compares."""
    return (bar.of, bar.nbytes), (bar.against, bar.against_nbytes or bar.nbytes)


def undecided(plan: FloorsPlan, measured: Measured) -> set[Key]:
    """What must be measured again so that every bar is on one side of its limit."""
    open_ = [bar for bar in about(plan) if judged(bar, estimate(measured, bar)) == "undecided"]
    return {key for bar in open_ for key in keys(bar)}


def rounds_of(measured: Measured, name: str, nbytes: int, figure: Figure) -> Rounds:
    """A figure of each round that has one."""
    if name == ENGINE:
        return measured.engine_us
    found = {each: _figure(block, figure) for each, block in measured.timings.get((name, nbytes), {}).items()}
    return {each: value for each, value in found.items() if value is not None and value > 0}


def _figure(block: Timing, figure: Figure) -> float | None:
    return block.one_way_us if figure == "one_way" else block.exchange_us
