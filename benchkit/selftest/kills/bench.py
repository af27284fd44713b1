"""Runs one trial after the other: parties and transport are fresh each time, a broker stays while it lives."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from benchkit.analysis.recovery import accounted, judged
from benchkit.engine.faulted.nursery import Nursery, nursery
from benchkit.engine.faulted.terms import Loaded, Terms
from benchkit.engine.faulted.trial import run_trial
from benchkit.engine.site import Site
from benchkit.errors import BenchkitError
from benchkit.faults.base import Fault, registry
from benchkit.load.constant import Constant
from benchkit.records.faults import Trial
from benchkit.records.operations import Operations
from benchkit.runtime.folders import run_folder
from benchkit.scenario.plan import PlannedCell
from benchkit.scenario.seeds import Stream, seed_for
from benchkit.selftest.kills.plan import Column, Planned
from benchkit.sources import base as sources
from benchkit.stages import base as stages
from benchkit.tensors.codecs import base as codecs

Entry = dict[str, Any]

RATE_PER_S: Final = 500.0
SERVICE_S: Final = 0.002
WORKERS: Final = 2
TERMS: Final = Terms(
    warmup_s=0.04,
    before_s=0.08,
    after_s=0.15,
    window_s=0.05,
    spread_s=0.02,
    patience_s=8.0,
    open_s=30.0,
    slack_s=8.0,
)
LASTING_S: Final = {"kill": 0.06, "stop": 0.25}
"""Dead for so long before the next is started; stopped for longer than it takes to be noticed as hung."""
REPEATS: Final = 2
"""How often a trial is run again whose fault did not come at its moment."""


class Bench:
    """Everything that trials share. One thread."""

    def __init__(self, site: Site, starter: Nursery) -> None:
        self._site = site
        self._nursery = starter
        self._loaded: dict[str, Loaded] = {}

    def run(self, planned: Planned) -> Entry:
        """The trial's line; one that cannot be run at all is invalid with the reason."""
        reasons: list[str] = []
        for repeated in range(REPEATS + 1):  # noqa: B007  (told at the end)
            try:
                line = self._once(planned)
            except BenchkitError as error:
                if self._nursery.gone:
                    raise
                line = {"valid": False, "reasons": [f"{error.where}: {error.what}".removeprefix(": ")]}
            if line["valid"]:
                break
            reasons += line["reasons"]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return {
            **_of(planned),
            **line,
            "repeated": repeated,
            "before": reasons,
            "load": _load(),
            "measured_utc": now,
        }

    def _once(self, planned: Planned) -> Entry:
        fault = _fault(planned)
        seed = random.Random(planned.key).getrandbits(62)  # noqa: S311  (a draw that must be repeatable)
        trial, rows = run_trial(
            self._nursery, self._site, self._cell(planned.column), fault, TERMS, number=0, seed=seed
        )
        return outcome(trial, rows)

    def _cell(self, column: Column) -> Loaded:
        if column.name not in self._loaded:
            load = Constant(rate=RATE_PER_S)
            cell = PlannedCell(
                id=column.name, group="kills", source=sources.registry.build({"kind": "sensors", "samples": 16}),
                codec=codecs.registry.build({"kind": "raw"}), transport=column.build(),
                stage=stages.registry.build({"kind": "synthetic", "service": SERVICE_S, "busy": "sleep"}),
                load=load, workers=WORKERS, batch_size=1, batch_delay_s=0.0, replies=True,
            )  # fmt: skip
            sizes = self._nursery.size(
                source=cell.source.config(), codec=cell.codec.config(), stage=cell.stage.config(),
                transport=cell.transport.config(), seed=seed_for(0, Stream.PAYLOAD), stage_seed=0,
            )  # fmt: skip
            self._loaded[column.name] = Loaded(cell, load.config(), RATE_PER_S, sizes)
        return self._loaded[column.name]


@contextmanager
def bench() -> Iterator[Bench]:
    """One whose processes, folders and brokers are gone when this ends."""
    with run_folder() as (name, folder), nursery(folder) as starter, ExitStack() as services:
        yield Bench(Site(name, folder, services), starter)


def _fault(planned: Planned) -> Fault | None:
    if planned.party is None:
        return None
    return registry.build(
        {
            "kind": planned.fault, "party": planned.party, "moment": planned.moment,
            "lasting": LASTING_S[planned.fault],
        }
    )  # fmt: skip


def outcome(trial: Trial, rows: Operations) -> Entry:
    """What a trial's line says: valid or why not, and whether what is declared was kept."""
    account = accounted(trial, rows)
    verdict = judged(trial, account)
    reasons = list(trial.errors)
    if not trial.control:
        if not trial.proof:
            reasons.append("there is no evidence that the fault was done")
        if not trial.moment.get("reached"):
            reasons.append(f"asked for {trial.moment.get('asked')}, found {trial.moment.get('found')}")
    if not account.attempted:
        reasons.append("no message was attempted")
    noticed = [each for each in trial.detections if each["at_ns"] >= trial.injected_ns]
    return {
        "valid": not reasons,
        "reasons": reasons,
        "declared": dict(trial.capabilities),
        "held": verdict.held,
        "breaches": list(verdict.breaches),
        "allowed": verdict.allowed,
        "drained": trial.drained,
        "in_flight": trial.in_flight_at_injection,
        "found": dict(trial.moment),
        "account": {name: value for name, value in asdict(account).items() if not name.startswith("delayed")},
        "proof": trial.proof,
        "noticed": [
            {"by": each["by"], "how": each["how"], "after_ms": round((each["at_ns"] - trial.injected_ns) / 1e6, 2)}
            for each in noticed
        ] if not trial.control else [],
        "seconds": round(trial.wall_s, 3),
    }  # fmt: skip


def _of(planned: Planned) -> Entry:
    return {
        "trial": planned.key, "transport": planned.column.name, "fault": planned.fault, "party": planned.party,
        "moment": planned.moment, "seed": planned.seed,
    }  # fmt: skip


def _load() -> float | None:
    """Programs that ran or wanted to in the last minute; None where the system does not say."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
