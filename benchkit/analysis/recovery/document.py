"""`faults` of run.json: every trial with its account, its way back and what speaks against it, and the matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchkit.analysis.recovery.account import Accounted, accounted
from benchkit.analysis.recovery.band import Band, band_of
from benchkit.analysis.recovery.declared import judged
from benchkit.analysis.recovery.ends import attempted, due_ns
from benchkit.analysis.recovery.matrix import classes, matrix
from benchkit.analysis.recovery.names import declared_of, key_of, labels_of, moment_of
from benchkit.analysis.recovery.recover import STEADY, Recovery, recovered
from benchkit.analysis.recovery.series import Series, series
from benchkit.analysis.recovery.validity import clean, reasons
from benchkit.analysis.validity import is_valid
from benchkit.records.faults import Trial
from benchkit.records.operations import Operations
from benchkit.words import say

Read = Callable[[Trial], Operations]
"""The operations of a trial; one trial's are in memory at a time."""


def as_document(trials: Sequence[Trial], read: Read) -> dict[str, Any] | None:
    """`trials`, `matrix`, `alike` (what is declared, by number) and `notes`; None where there is no trial."""
    if not trials:
        return None
    controls = [each for each in trials if each.control]
    cleans: dict[str, list[bool]] = {}
    parts: dict[str, list[Series]] = {}
    behind_s: dict[str, float] = {}
    for each in controls:
        rows = read(each)
        account = accounted(each, rows)
        cleans.setdefault(each.cell, []).append(clean(account, judged(each, account)))
        parts.setdefault(each.cell, []).append(series(each, rows))
        behind_s[each.cell] = max(behind_s.get(each.cell, 0.0), _behind_s(rows))
    bands = {cell: band_of(own) for cell, own in parts.items()}
    names = labels_of(each.fault for each in trials)
    told = [
        _entry(
            each,
            read(each),
            bands.get(each.cell),
            cleans.get(each.cell, []),
            names[key_of(each.fault)],
            behind_s.get(each.cell, 0.0),
        )
        for each in trials
    ]
    return {"trials": told, "matrix": matrix(told), "alike": classes(told), "notes": notes(told)}


def band_for(trials: Iterable[Trial], read: Read, cell: str) -> Band | None:
    """What is normal for a cell, from its trials without a fault."""
    return band_of(series(each, read(each)) for each in trials if each.control and each.cell == cell)


def _behind_s(rows: Operations) -> float:
    """How late the last message was turned to."""
    tried = rows[attempted(rows)]
    if not len(tried):
        return 0.0
    last = int(tried["taken"].argmax())
    return float(tried["taken"][last] - due_ns(tried)[last]) * 1e-9


def _entry(
    trial: Trial,
    rows: Operations,
    band: Band | None,
    controls: Sequence[bool],
    label: str,
    behind_s: float,
) -> dict[str, Any]:
    way = None if trial.control else recovered(trial, rows, band)
    normal = way.band if way else band
    account = accounted(trial, rows, normal.latency_ns if normal else None)
    verdict = judged(trial, account)
    why = reasons(trial, account, way, controls, behind_s)
    valid = is_valid(why)
    return {
        "number": trial.number,
        "cell": trial.cell,
        "transport": trial.transport,
        "control": trial.control,
        "fault": trial.fault,
        "label": label,
        "moment": moment_of(trial),
        "found": trial.moment,
        "seed": trial.seed,
        "valid": valid,
        "reasons": [asdict(each) for each in why],
        "declared": declared_of(trial),
        "held": verdict.held if valid else None,
        "breaches": list(verdict.breaches),
        "allowed": verdict.allowed,
        "proof": trial.proof,
        "in_flight_at_injection": trial.in_flight_at_injection,
        "offered_per_s": trial.offered_per_s,
        "account": asdict(account),
        "recovery": _way(way),
        **_moments(trial),
        "errors": trial.errors,
        "notes": trial.notes,
        "wall_s": trial.wall_s,
    }


def _way(way: Recovery | None) -> dict[str, Any] | None:
    if way is None:
        return None
    band = {**asdict(way.band), "latency_ns": way.band.latency_ns, "steady": STEADY} if way.band else None
    return {**asdict(way), "band": band}


def _moments(trial: Trial) -> dict[str, Any]:
    """Seconds from the injection; of a control, from where its band begins."""
    origin = trial.injected_ns or trial.before_from_ns

    def since(at_ns: int) -> float | None:
        return (at_ns - origin) / 1e9 if at_ns else None

    return {
        "began_s": since(trial.from_ns),
        "healed_s": since(trial.healed_ns),
        "ended_s": since(trial.ended_ns),
        "detections": [_at(each, since) for each in trial.detections],
        "deaths": [_at(each, since) for each in trial.deaths],
        "restarts": [_at(each, since) for each in trial.restarts],
    }


def _at(each: Mapping[str, Any], since: Callable[[int], float | None]) -> dict[str, Any]:
    return {
        f"{name.removesuffix('_ns')}_s" if name.endswith("_ns") else name: since(int(value))
        if name.endswith("_ns")
        else value
        for name, value in each.items()
    }


def notes(trials: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader of the matrix must know, in the order of what it changes."""
    told = [
        say(
            "Killing a process does not prove durability: what it had written is in the kernel's memory and stays. "
            "Only a power cut, or a test that cuts off what was not flushed, shows what a disk would have kept."
        ),
        say(
            "Lost: acknowledged and never delivered. An at-least-once transport may lose nothing, an at-most-once one "
            "what was under way while the fault was on."
        ),
        say(
            "Steady again: {steady} windows in a row with p99 and throughput in the control's band and the backlog "
            "drained; times count from the injection.",
            steady=STEADY,
        ),
    ]
    if len(classes(trials)) > 1:
        told.append(
            say(
                "Transports that declare different guarantees or durability levels stand apart and are not ranked: "
                "what one of them gives up, the other pays for."
            )
        )
    return told


__all__ = ["Accounted", "Read", "as_document", "band_for", "notes"]
