"""Runs with trials, made from simulated pipelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from simulated_pipeline import Pipeline
from synthetic import a_block, a_cell, a_run

from benchkit.analysis.document import document
from benchkit.analysis.whatif.figures import figures
from benchkit.records.run import Block, Cell, Run, Trial
from benchkit.records.what_if import Slowed, WhatIf


def trial(
    cell: str, number: int, pipeline: Pipeline, *, change: str = "", slowed: Slowed | None = None, round_: int = 0,
    mode: Any = "saturated",
) -> Trial:  # fmt: skip
    made = pipeline if mode == "paced" else replace(pipeline, rate_per_s=None)
    block = Block(cell, number, round_, 0, 1, made.messages, made.rate_per_s, slowed=slowed)
    found = figures(made.run(number), made.usage(), step=made.workers)
    return Trial(number, mode, change, None if mode == "paced" else made.in_flight, block, found)


def a_what_if(
    pipelines: Mapping[str, Pipeline], *, changes: Mapping[str, Mapping[str, Pipeline]] | None = None,
    trials: Sequence[Trial] = (), rounds: int = 4, left_out: Mapping[str, tuple[str, ...]] | None = None,
) -> Run:  # fmt: skip
    """Cells by id with their pipelines, saturated each round; `changes` are really made, by cell and key."""
    cells = [_cell(id_, each) for id_, each in pipelines.items()]
    run = a_run(cells, rounds=0)
    run.environment["cores"] = 8
    for at, (id_, pipeline) in enumerate(pipelines.items()):
        samples = replace(pipeline, messages=1200).run(at)
        samples["block"] = at
        run.samples[id_] = samples
        used = pipeline.usage(int(np.count_nonzero(~samples["warmup"])))
        offered = pipeline.rate_per_s
        run.blocks.append(a_block(run.cells[at], at, samples, offered_per_s=offered, usage=used))
    made = {id_: dict(each) for id_, each in (changes or {}).items()}
    for round_ in range(rounds):
        for id_, pipeline in pipelines.items():
            for key, each in {"": pipeline, **made.get(id_, {})}.items():
                for mode in ("saturated", "paced") if pipeline.rate_per_s else ("saturated",):
                    run.trials.append(trial(id_, len(run.trials), each, change=key, round_=round_, mode=mode))
    run.trials += trials
    run.what_if = WhatIf(
        tuple(pipelines), {id_: tuple(each) for id_, each in made.items()}, bool(made), 1.0, left_out or {}
    )
    return run


def _cell(id_: str, pipeline: Pipeline) -> Cell:
    open_ = pipeline.rate_per_s is not None
    cell = a_cell(id_, workers=pipeline.workers, arrival="poisson" if open_ else "closed")
    load = {"kind": "poisson"} if open_ else {"kind": "closed", "in_flight": pipeline.in_flight, "think": 0.0}
    return replace(cell, parameters={**cell.parameters, "load": load, "batch": {"size": 1, "delay_s": 0.0}})


def answer(run: Run, cell: str) -> dict[str, Any]:
    """The cell's `what_if` of run.json."""
    found: dict[str, Any] = next(each["what_if"] for each in document(run)["cells"] if each["id"] == cell)
    return found


def prediction(found: Mapping[str, Any], change: str) -> dict[str, Any]:
    made: dict[str, Any] = next(each for each in found["predictions"] if each["change"] == change)
    return made
