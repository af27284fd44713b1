"""Trials of half a second for tests of injectors."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from benchkit.engine.faulted.nursery import Nursery, nursery
from benchkit.engine.faulted.terms import Loaded, Terms
from benchkit.engine.faulted.trial import run_trial
from benchkit.engine.site import Site
from benchkit.faults.base import Fault, registry
from benchkit.load.constant import Constant
from benchkit.records.faults import Trial
from benchkit.records.operations import Operations
from benchkit.runtime.folders import run_folder
from benchkit.scenario.plan import PlannedCell
from benchkit.sources.sensors import Sensors
from benchkit.stages.null import Null
from benchkit.tensors.codecs.raw import Raw
from benchkit.testing.leaving import Traces
from benchkit.transports.base import registry as transports

TERMS = Terms(
    warmup_s=0.1, before_s=0.2, after_s=0.4, spread_s=0.05, window_s=0.1, patience_s=8.0, slack_s=20.0
)
RATE_PER_S = 200.0
MESSAGE = {"kind": "sensors", "samples": 4, "channels": 4, "distinct": 4}


def planned(transport: dict[str, Any], **changes: Any) -> PlannedCell:
    options = {
        "id": "x", "group": "x", "source": Sensors(samples=4, channels=4, distinct=4), "codec": Raw(),
        "transport": transports.build(transport), "stage": Null(), "load": Constant(rate=RATE_PER_S), "workers": 1,
        "batch_size": 1, "batch_delay_s": 0.0, "replies": True,
    }  # fmt: skip
    return PlannedCell(**{**options, **changes})


class Lane:
    """A site and a nursery for any number of trials."""

    def __init__(self, site: Site, parties: Nursery) -> None:
        self._site, self._nursery = site, parties
        self._number = 0

    def trial(
        self, transport: dict[str, Any], fault: Fault | dict[str, Any] | None, **changes: Any
    ) -> tuple[Trial, Operations]:
        cell = planned(transport, **changes)
        load = cell.load.config()
        sizes = self._nursery.size(
            source=cell.source.config(), codec=cell.codec.config(), transport=cell.transport.config(),
            stage=cell.stage.config(), seed=0, replies=cell.replies, batch_size=cell.batch_size, stage_seed=0,
        )  # fmt: skip
        made = registry.build(fault) if isinstance(fault, dict) else fault
        self._number += 1
        loaded = Loaded(cell, load, RATE_PER_S, sizes)
        return run_trial(
            self._nursery, self._site, loaded, made, TERMS, number=self._number, seed=self._number
        )  # fmt: skip


@contextmanager
def lane() -> Iterator[Lane]:
    with run_folder() as (name, folder):
        # What must not be left behind: processes, a mount, shared memory.
        before = Traces.now()
        with ExitStack() as services:
            parties = services.enter_context(nursery(folder))
            yield Lane(Site(name, folder, services), parties)
        # Journals are mapped for as long as somebody has a view of one.
        gc.collect()
        Traces.now().compare(before, first_use=True)
