"""Real runs for the truth tests: cells built by hand, measured by the engine's own processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchkit.analysis.document import document
from benchkit.engine.runner import Runner
from benchkit.load.base import Arrival
from benchkit.records.run import Run
from benchkit.records.samples import Samples, Status
from benchkit.scenario.plan import Blocks, Plan, PlannedCell
from benchkit.sources.sensors import Sensors
from benchkit.stages.base import Stage
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports.shm import Shm

SEED = 11


def cell(name: str, stage: Stage, load: Arrival, **changes: Any) -> PlannedCell:
    """Small messages through shared memory with room for everything, unless `changes` say otherwise."""
    options: dict[str, Any] = {
        "id": name, "group": name, "source": Sensors(samples=4, channels=4, distinct=2), "codec": Raw(),
        "transport": Shm(depth=4096), "stage": stage, "load": load, "workers": 1,
        "batch_size": 1, "batch_delay_s": 0.0, "replies": True,
    }  # fmt: skip
    return PlannedCell(**{**options, **changes})


def measured(cells: Sequence[PlannedCell], blocks: Blocks) -> tuple[Run, dict[str, dict[str, Any]]]:
    """The run, and each cell's entry of run.json by its id."""
    rounds = tuple(range(len(cells))) * blocks.rounds
    plan = Plan(
        name="truth", seed=SEED, quick=True, cells=tuple(cells), order=rounds, blocks=blocks, checksum_every=1,
        check_replies=True, on_error="continue", slo={}, resolved={"name": "truth", "checks": {"replies": True}},
    )  # fmt: skip
    run = Runner(plan, lambda _: None).run()
    assert not run.failures
    return run, {entry["id"]: entry for entry in document(run)["cells"]}


def delivered(samples: Samples) -> Samples:
    """All of them, warm-up included: nothing may be missing where every wait is to be explained."""
    assert (samples["status"] == Status.DELIVERED).all()
    return samples
