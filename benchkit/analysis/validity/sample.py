"""Whether the sample carries the figures: settled, large enough, of one piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

import numpy as np
import scipy

from benchkit.analysis.drift import Drift, in_words
from benchkit.analysis.intervals import LEAST_BLOCKS
from benchkit.analysis.quantiles import PERCENTILES, minimum_samples
from benchkit.analysis.validity.codes import Severity
from benchkit.analysis.validity.facts import Facts, Reason, blocks_named, reason
from benchkit.units import show_us
from benchkit.words import say

_LEAST_UNSETTLED: Final = 2
_DISAGREE_P: Final = 0.01
_DISAGREE_RATIO: Final = 1.1


def warm_up(facts: Facts) -> Iterator[Reason]:
    """Throughput and latency had settled before the warm-up's bound was reached."""
    unsettled = [block for block in facts.blocks if not block.warmup_settled]
    if not unsettled:
        return
    text = say(
        "{which} ({unsettled} of {blocks})",
        which=blocks_named([block.index for block in unsettled]),
        unsettled=len(unsettled),
        blocks=len(facts.blocks),
    )
    if sum(block.latency_growing for block in unsettled) * 2 > len(unsettled):
        text += say(" had latencies that still grew when the block ended: the load is beyond the capacity")
        remedy = say("lower the rate, or find the capacity with load: {{find: capacity}}")
    else:
        text += say(" had not settled when the longest warm-up that is allowed was over")
        remedy = ""
    # One of a few blocks may be a false alarm, or one disturbance: most of them are neither.
    most = len(unsettled) >= _LEAST_UNSETTLED and 2 * len(unsettled) > len(facts.blocks)
    severity: Severity = "invalid" if most else "note"
    yield reason("warm-up-never-ended", text, severity, remedy)


def too_few(facts: Facts) -> Iterator[Reason]:
    """Each percentile has its minimum sample."""
    short = [name for name, value in facts.measure.latency.quantiles_ns.items() if value is None]
    if short:
        needs = ", ".join(
            say(
                "{name} (needs {minimum_samples})",
                name=name,
                minimum_samples=minimum_samples(PERCENTILES[name]),
            )
            for name in short
        )
        count = facts.measure.latency.count
        severity: Severity = "invalid" if "p50" in short else "note"
        yield reason(
            "too-few-samples",
            say("{count} samples are too few for {needs}", count=count, needs=needs),
            severity,
        )


def few_blocks(facts: Facts) -> Iterator[Reason]:
    """There are blocks enough to see what a fresh start changes."""
    if len(facts.measure.blocks) < LEAST_BLOCKS and facts.measure.latency.count:
        yield reason(
            "few-blocks",
            say(
                "{blocks} block(s): the interval cannot see what a fresh start would change",
                blocks=len(facts.measure.blocks),
            ),
        )


def disagree(facts: Facts) -> Iterator[Reason]:
    """Analysis of variance of log piece medians: do blocks differ more than pieces of one block do?

    Medians of contiguous pieces keep most of what neighbours depend on (the method of batch means); the
    level of 1% and the least spread of 10% keep the claim conservative.
    """
    blocks = [block for block in facts.measure.blocks if block.piece_medians_ns]
    if len(blocks) < 2:
        return
    medians = [block.p50_ns for block in blocks]
    ratio = max(medians) / max(1, min(medians))
    logs = np.log(np.maximum(1, np.array([block.piece_medians_ns for block in blocks], np.float64)))
    if ratio > _DISAGREE_RATIO and _anova_p_value(logs) < _DISAGREE_P:
        low, high = show_us(min(medians) / 1e3), show_us(max(medians) / 1e3)
        yield reason(
            "blocks-disagree",
            say("block medians range from {low} to {high}, more than chance explains", low=low, high=high),
        )


def drift(facts: Facts) -> Iterator[Reason]:
    """The cell's figures are means over something that moved: by more than a tenth, and not by chance."""
    large = {name: each for name, each in facts.drift.items() if each.clear and _is_large(each)}
    if large:
        told = "; ".join(in_words(name, asdict(each)) for name, each in large.items())
        yield reason("drift", say("over the run, {told}", told=told))


def _is_large(found: Drift) -> bool:
    return not 1 / _DISAGREE_RATIO <= 1 + found.over_run <= _DISAGREE_RATIO


def _anova_p_value(table: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """P value of one-way analysis of variance; `table` has one row per group."""
    groups, each = table.shape
    between = each * float(np.var(table.mean(axis=1), ddof=1))
    within = float(np.mean(np.var(table, axis=1, ddof=1)))
    if within == 0:
        return 1.0 if between == 0 else 0.0
    return float(scipy.special.fdtrc(groups - 1, groups * (each - 1), between / within))
