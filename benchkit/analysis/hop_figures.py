"""What each hop of a pipeline did: its own ledger, its account, how long its workers work for a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchkit.analysis.account import PLACES, fates
from benchkit.analysis.hops import afters, messages_of, of_hop
from benchkit.analysis.ledger import Column, select
from benchkit.analysis.measure import Distribution, Measure, measure
from benchkit.analysis.resources import Resource
from benchkit.records.run import Cell, Hop
from benchkit.records.samples import PHASES, Samples


@dataclass(frozen=True, slots=True)
class HopFigures:
    """One hop's."""

    number: int
    hop: Hop
    after: int
    """Number of the hop that feeds it; -1: the producer."""
    measure: Measure
    """Of its own rows: `lateness` is the wait for the worker before it to hand the message on."""
    account: Mapping[str, int]
    """Messages that were on their way to it, by what became of them there; warm-up included."""
    onward_ns: float
    """What its worker takes to encode a message for the next stages and to acknowledge it; without `send`, in which
    it may be waiting for them."""

    @property
    def work_ns(self) -> float:
        """What its worker works for a message: decoding, computing, encoding it for the next stages."""
        return self.measure.stage_busy_ns / max(1, self.measure.latency.count) + self.onward_ns


def hop_figures(cell: Cell, samples: Samples) -> tuple[HopFigures, ...]:
    """Of a pipeline's cell and its rows, shape (n,), dtype SAMPLE; none for a cell with one stage."""
    after = afters(cell)
    rows = [of_hop(samples, number) for number in range(len(after))]
    return tuple(
        _figures(number, cell, rows, [at for at, before in enumerate(after) if before == number])
        for number in range(len(after))
    )


def measured(cell: Cell, samples: Samples, hops: Sequence[HopFigures] | None = None) -> Measure:
    """The figures of a cell's messages; `samples` are its rows. `hops`: of the same rows, where they are known.

    Of a pipeline `stage_busy_ns` is the busiest stage's, and what single workers did is the hops' to tell.
    """
    whole = measure(messages_of(cell, samples))
    if not cell.hops:
        return whole
    known = hop_figures(cell, samples) if hops is None else hops
    each_ns = max(each.work_ns * each.measure.latency.count / each.hop.workers for each in known)
    return replace(
        whole, stage_busy_ns=round(each_ns * cell.workers), worked={}, fetch_ns=None, leaving=leaving(known[0])
    )  # fmt: skip


def leaving(found: HopFigures) -> dict[str, Distribution]:
    """What who sends does of the way to a hop."""
    return {name: found.measure.phases[name] for name in ("encode", "send")}


def _figures(number: int, cell: Cell, rows: Sequence[Samples], onward: Sequence[int]) -> HopFigures:
    own = rows[number].copy()
    counted = fates(own).by_status
    spent = _handing_on(own, [rows[at] for at in onward]) if onward else None
    if onward:
        own["replied"] = np.minimum(own["replied"], own["finished"])
    return HopFigures(
        number, cell.hops[number], afters(cell)[number], measure(own),
        {name: counted.get(place, 0) for name, place in PLACES.items()},
        float(spent.mean()) if spent is not None and len(spent) else 0.0,
    )  # fmt: skip


def _handing_on(own: Samples, onward: Sequence[Samples]) -> Column:
    """Of each message: encoding for the next stages, and from the last `sent` to the acknowledgement."""
    chosen = select(own)
    seq, begun = chosen.column("seq"), chosen.column("finished")
    spent, last_sent = np.zeros(len(seq), np.int64), begun
    # Numbers are given once in a cell, whatever the block.
    for rows in filter(len, onward):
        order = np.argsort(rows["seq"], kind="stable")
        at = order[np.minimum(np.searchsorted(rows["seq"], seq, sorter=order), len(rows) - 1)]
        sent = (rows["seq"][at] == seq) & (rows["sent"][at] != 0)
        spent = spent + np.where(sent, rows["encoded"][at] - rows["taken"][at], 0)
        last_sent = np.where(sent, np.maximum(last_sent, rows["sent"][at]), last_sent)
    return np.asarray(spent + np.maximum(chosen.column("replied") - last_sent, 0))


def utilisation(found: HopFigures, resources: Sequence[Resource]) -> float | None:
    """Of the hop's workers, the mean; None where it is not known of one that got messages."""
    known = [each.utilisation for each in resources if each.role == found.hop.name and each.rate_per_s]
    shares = [share for share in known if share is not None]
    return sum(shares) / found.hop.workers if shares and len(shares) == len(known) else None


def as_document(
    found: Sequence[HopFigures], whole: Measure, resources: Sequence[Resource]
) -> list[dict[str, Any]]:
    """`hops` of a cell in run.json, microseconds.

    `share` is of the cell's mean latency: along a chain they add up to 1, side by side (after a fan-out) to more.
    """
    latency_ns = whole.latency.mean_ns if whole.latency.count else 0.0
    return [
        {
            "name": each.hop.name,
            "stage": each.hop.stage,
            "after": each.hop.after or None,
            "workers": each.hop.workers,
            "transport": each.hop.transport,
            "codec": each.hop.codec,
            "wire_bytes": each.hop.wire_bytes,
            "guarantee": each.hop.delivery or None,
            "account": dict(each.account),
            "latency_us": _mean_us(each.measure),
            "share": each.measure.latency.mean_ns / latency_ns if latency_ns and each.measure.latency.count else 0.0,
            "phases_us": _phases(each, latency_ns),
            "utilisation": utilisation(each, resources),
            "demand_us_per_message": each.work_ns / 1e3 if each.measure.latency.count else None,
            "onward_us": each.onward_ns / 1e3,
        }
        for each in found
    ]  # fmt: skip


def _mean_us(found: Measure) -> float | None:
    return found.latency.mean_ns / 1e3 if found.latency.count else None


def _phases(found: HopFigures, latency_ns: float) -> dict[str, dict[str, float | None]]:
    phases = {}
    for name in PHASES:
        each = found.measure.phases[name]
        p50 = each.quantiles_ns["p50"]
        phases[name] = {
            "mean": each.mean_ns / 1e3 if each.count else None,
            "p50": None if p50 is None else p50 / 1e3,
            "share": each.mean_ns / latency_ns if latency_ns and each.count else 0.0,
        }
    return phases
