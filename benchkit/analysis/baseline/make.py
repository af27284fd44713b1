"""Saved runs -> the content of a baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import scipy

from benchkit import __version__
from benchkit.analysis.baseline.figures import EXACT, PATH, Figure, figures, floors
from benchkit.analysis.baseline.noise import Noise, noise
from benchkit.analysis.baseline.same import refuse_other
from benchkit.analysis.intervals import exp
from benchkit.errors import UsageError
from benchkit.records.baseline import SCHEMA, Content

Entry = Mapping[str, Any]
_MACHINE: Final = ("fingerprint", "cpu", "cores", "memory_bytes", "kernel", "python", "packages")


def make(
    documents: Sequence[Entry], *, stated: float | None = None, before: Content | None = None
) -> Content:
    """The baseline of one run or several of one scenario on one machine; `before` is what it replaces.

    A cell that is not valid in one of the runs is left out. Where these runs are too few to learn the noise from
    run to run and `before`, of the same machine, had learned it, that stays. Raises UsageError.
    """
    first = documents[0]
    for number, each in enumerate(documents, 1):
        if each.get("interrupted"):
            raise UsageError(f"run {number} was interrupted", remedy="leave it out")
        refuse_other(first, each, ("the first run", f"run {number}"))
        if each["environment"].get("fingerprint") != first["environment"].get("fingerprint"):
            raise UsageError(
                f"run {number} is of another machine: its fingerprint differs from the first run's",
                remedy="save one baseline for each machine",
            )
    known = noise([str(each["started_utc"]) for each in documents], stated)
    kept = _kept(known, before, first) if before else {}
    known = kept.get("noise", known)
    cells = _cells(documents, known, kept.get("log_sd", {}))
    if not cells:
        raise UsageError(
            "no cell is valid in all of these runs", remedy="measure longer, or on a quieter machine"
        )
    return {
        "schema": SCHEMA,
        "benchkit": __version__,
        "scenario": first["scenario"],
        "quick": bool(first["quick"]),
        "environment": {name: first["environment"].get(name) for name in _MACHINE},
        "runs": [
            {"started_utc": each["started_utc"], "git": each["environment"].get("git")} for each in documents
        ],
        "noise": known.plain(),
        "floors": {
            name: _stored(
                [Figure(run[name], 0.0) for run in map(floors, documents)], known, None, exact=False
            )
            for name in floors(first)
            if all(name in floors(each) for each in documents)
        },
        "cells": cells,
        "replaces": before["digest"] if before else None,
    }


def _cells(
    documents: Sequence[Entry], known: Noise, learned: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    by_id = [{cell["id"]: cell for cell in each["cells"]} for each in documents]
    for name in by_id[0]:
        own = [cells[name] for cells in by_id if name in cells and cells[name]["validity"]["valid"]]
        if len(own) < len(documents):
            continue
        each = [figures(cell) for cell in own]
        found[name] = {
            metric: _stored(
                [run[metric] for run in each], known, learned.get(name, {}).get(metric), exact=metric in EXACT
            )
            for metric in each[0]
            if all(metric in run for run in each)
        }
    return found


def _stored(values: Sequence[Figure], known: Noise, learned: float | None, *, exact: bool) -> dict[str, Any]:
    """Geometric mean, its 95% interval, and how the logarithm varies from run to run and within a run."""
    logs = np.log([each.value for each in values])
    center = float(np.mean(logs))
    if exact:
        return {"value": values[0].value}
    own = float(np.std(logs, ddof=1)) if len(logs) > 1 else None
    spread = learned if learned is not None and (own is None or learned > own) else own
    half = (
        float(scipy.special.stdtrit(min(known.freedom, 1e9), 0.975)) * known.of(spread) / math.sqrt(len(logs))
    )
    return {
        "value": exp(center),
        "ci95": [exp(center - half), exp(center + half)],
        "log_sd": spread,
        "log_se": max(each.log_se for each in values),
    }


def _kept(known: Noise, before: Content, first: Entry) -> dict[str, Any]:
    """The noise that the replaced baseline had learned on this machine, where these runs teach none."""
    earlier = Noise.read(before["noise"])
    same = before["environment"].get("fingerprint") == first["environment"].get("fingerprint")
    if not same or known.source != "assumed" or earlier.source == "assumed":
        return {}
    spreads = {
        cell: {metric: kept["log_sd"] for metric, kept in own.items() if kept.get("log_sd") is not None}
        for cell, own in before["cells"].items()
        if own.keys() - {PATH}
    }
    return {"noise": earlier, "log_sd": spreads}
