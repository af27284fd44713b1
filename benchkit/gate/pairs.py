"""Runs -> claims: the paired differences of every cell and metric, and what could not be paired."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from benchkit.gate.rows import HIGHER_IS_BETTER, Claim
from benchkit.gate.runs import P99_FROM, CellFigures, SideRun
from benchkit.gate.sides import BASE, CANDIDATE

_FIELDS: Final = {"p50": "p50_us", "p99": "p99_us", "throughput": "messages_per_s"}
_LEAST_VALID: Final = 0.75
"""A side whose runs are valid less often has the cell not at all: its valid ones would be a flattering choice."""

Deltas = Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True, slots=True)
class Missing:
    """A cell that cannot be compared."""

    cell: str
    side: Literal["base", "candidate", "both"]
    """Which one does not have it, or not a valid one."""
    why: str


@dataclass(frozen=True, slots=True)
class Paired:
    """Everything that can be claimed of some runs."""

    claims: list[Claim]
    missing: list[Missing]
    notes: list[str]


def paired(runs: Sequence[SideRun], cells: Iterable[str], deltas: Deltas) -> Paired:
    """Differences within blocks, of the cells that both sides have."""
    by_block: dict[int, dict[str, SideRun]] = {}
    for each in runs:
        by_block.setdefault(each.block, {})[each.side] = each
    whole = [block for _, block in sorted(by_block.items()) if BASE in block and CANDIDATE in block]
    found = Paired([], [], [])
    for cell in cells:
        missing = _missing(cell, runs)
        if missing is not None:
            found.missing.append(missing)
            continue
        pairs = [
            (block[BASE].cells[cell], block[CANDIDATE].cells[cell])
            for block in whole
            if all(_valid(block[side], cell) for side in (BASE, CANDIDATE))
        ]
        found.claims.extend(_claims(cell, pairs, deltas.get(cell, {}), found.notes))
        if len(pairs) < len(whole):
            why = "; ".join(f"{side}: {_why(cell, side, runs)}" for side in _with_invalid(cell, runs))
            found.notes.append(
                f"{cell}: {len(whole) - len(pairs)} of {len(whole)} blocks are left out: {why}"
            )
    return found


def _claims(
    cell: str,
    pairs: Sequence[tuple[CellFigures, CellFigures]],
    deltas: Mapping[str, float | None],
    notes: list[str],
) -> list[Claim]:
    found = []
    for metric, delta in deltas.items():
        if delta is None:
            continue
        values = [(getattr(base, _FIELDS[metric]), getattr(own, _FIELDS[metric])) for base, own in pairs]
        # A metric that some runs have no sample for is not gated: those that have it would be a choice.
        if any(one is None for pair in values for one in pair):
            fewest = min(figures.count for pair in pairs for figures in pair)
            needed = f", {P99_FROM} are needed: raise gate.duration" if metric == "p99" else ""
            notes.append(f"{cell}: {metric} is not gated: a run has {fewest} messages{needed}")
            continue
        sign = -1.0 if metric in HIGHER_IS_BETTER else 1.0
        logs = [sign * math.log(own / base) for base, own in values]
        found.append(Claim(cell, metric, delta, np.array(logs, np.float64)))
    return found


def _with_invalid(cell: str, runs: Sequence[SideRun]) -> list[str]:
    return [side for side in (BASE, CANDIDATE) if _share_valid(cell, side, runs) < 1]


def _valid(run: SideRun, cell: str) -> bool:
    return cell in run.cells and not run.cells[cell].invalid


def _missing(cell: str, runs: Sequence[SideRun]) -> Missing | None:
    bad = [side for side in (BASE, CANDIDATE) if _share_valid(cell, side, runs) < _LEAST_VALID]
    if not bad:
        return None
    return Missing(cell, lacking(bad), "; ".join(f"{side}: {_why(cell, side, runs)}" for side in bad))


def lacking(bad: Collection[str]) -> Literal["base", "candidate", "both"]:
    """Which of the sides it is."""
    return "both" if len(bad) == 2 else "base" if BASE in bad else "candidate"


def _share_valid(cell: str, side: str, runs: Sequence[SideRun]) -> float:
    own = [_valid(run, cell) for run in runs if run.side == side]
    return sum(own) / len(own) if own else 0.0


def _why(cell: str, side: str, runs: Sequence[SideRun]) -> str:
    """The commonest reason, and how often any was there."""
    own = [run for run in runs if run.side == side]
    said: Counter[str] = Counter()
    for run in own:
        if cell in run.cells:
            said.update(run.cells[cell].invalid)
        else:
            said[run.error or "no such cell"] += 1
    bad = sum(not _valid(run, cell) for run in own)
    (first, _), *_ = said.most_common(1) or [("it was not run", 0)]
    return f"not valid in {bad} of {len(own)} runs: {first}"
