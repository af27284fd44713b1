"""What a stage tells of a block reaches run.json and people, and what it tells wrong costs nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_block import plan_of, planned

from benchkit.analysis.document import document
from benchkit.engine.runner import Runner
from benchkit.engine.slowing import slowed_stage
from benchkit.engine.telling import with_told
from benchkit.load.constant import Constant
from benchkit.records.folder import load, save
from benchkit.records.run import Run
from benchkit.report.told_words import in_words, told_lines
from benchkit.scenario.plan import Blocks
from benchkit.sources.drone import Drone
from benchkit.stages.base import OpenStage
from benchkit.stages.null import Null
from benchkit.stages.video import Video
from benchkit.tensors.codecs.klv import Klv
from benchkit.transports.base import registry

TINY = {"size": "320x180", "gop": 10, "distinct": 20, "bitrate": "600kbit/s"}
CELLS = {
    "late": {"klv_offset": "200ms"},
    "late and lost": {"klv_offset": "200ms", "klv_jitter": "2ms", "klv_loss": 0.3},
}


@pytest.fixture(scope="module")
def run() -> Run:
    cells = [
        planned(
            id=name,
            group="drone",
            source=Drone(**TINY, **options),
            codec=Klv(),
            transport=registry.build({"kind": kind}),
            stage=Video(),
            load=Constant(rate=60),
        )
        for (name, options), kind in zip(CELLS.items(), ("unix", "redis-stream"), strict=True)
    ]
    plan = plan_of(*cells, planned(id="silent", group="silent", stage=Null()), rounds=2)
    return Runner(replace_blocks(plan), lambda _: None).run()


def replace_blocks(plan: Any) -> Any:
    import dataclasses

    return dataclasses.replace(plan, blocks=Blocks(2, 0.4, 0.05, 2.0))


def entries(run: Run) -> dict[str, Mapping[str, Any]]:
    return {cell["id"]: cell for cell in document(run)["cells"]}


@pytest.mark.parametrize("name", CELLS)
def test_an_injected_skew_is_recovered_through_the_whole_pipeline(run: Run, name: str) -> None:
    told = entries(run)[name]["told"]
    assert told["skew_us"]["p50"] == pytest.approx(200_000, abs=5_000)
    assert told["frames_undecodable"] == told["klv_bad"] == 0
    assert told["frames_decoded"] == entries(run)[name]["account"]["scheduled"]


def test_lost_packets_are_counted_to_the_last(run: Run) -> None:
    found = entries(run)
    assert found["late"]["told"]["klv_lost"] == 0
    told = found["late and lost"]["told"]
    assert told["klv_lost"] > 0
    assert told["klv_lost"] + told["skew_us"]["count"] == told["frames_decoded"]


def test_blocks_keep_it_by_party_and_records_bring_it_back(run: Run, tmp_path: Path) -> None:
    block = next(block for block in run.blocks if block.cell == "late")
    assert set(block.told) == {"stage-0"}
    again = load(save(run, document(run), tmp_path))
    assert [each.told for each in again.blocks] == [each.told for each in run.blocks]


def test_a_stage_that_tells_nothing_has_no_entry(run: Run) -> None:
    silent = entries(run)["silent"]
    assert "told" not in silent
    assert [row for row, _ in told_lines([silent])] == []


def test_it_is_said_in_words(run: Run) -> None:
    ((row, words),) = told_lines([entries(run)["late"]])
    assert "klv" in row
    assert words.startswith("frame-to-KLV skew 200 ms (of ")
    assert words.endswith(f"; frames decoded: {entries(run)['late']['told']['frames_decoded']}")
    assert list(in_words({"lost": 0, "held_bytes": 0})) == ["lost: 0", "held: 0 B"]
    said = list(
        in_words(
            {"depth": 3, "held_bytes": 2_000_000, "lag_ms": {"count": 2, "min": -4, "p50": 1.5, "max": 9}}
        )
    )
    assert said == ["lag min -4.0 ms, p50 1.5 ms, max 9.0 ms (of 2)", "depth: 3", "held: 2.0 MB"]


class Telling(OpenStage):
    def __init__(self, told: Any) -> None:
        self._told = told

    def run(self, batch: Any) -> Any:
        return [{} for _ in batch]

    def told(self) -> Any:
        if isinstance(self._told, Exception):
            raise self._told
        return self._told


@pytest.mark.parametrize(
    ("told", "named"),
    [
        (ValueError("no such thing"), "no such thing"),
        ({"x": "many"}, "'x'"),
        ({"x": math.nan}, "finite"),
        ({"x": True}, "'x'"),
        ({3: 3}, "no name"),
        ({"x": {"p50": 1.0}}, "count"),
        ({"x": {"count": 1, "p50": None}}, "x.p50"),
        ({f"x{n}": n for n in range(100)}, "100 things"),
        ([1, 2], "list"),
    ],
)
def test_a_stage_that_tells_nonsense_loses_that_alone(told: Any, named: str) -> None:
    result = with_told({"columns": "kept", "failures": [["StageError", "earlier", {}]]}, Telling(told))
    assert (result["columns"], result["told"]) == ("kept", {})
    (_, what, known) = result["failures"][1]
    assert named in what
    assert known["count"] == 1


def test_numbers_of_numpy_are_numbers_and_a_slowed_stage_tells_what_it_wraps() -> None:
    stage = Telling({"n": np.int64(3), "us": {"count": np.int32(1), "p50": np.float64(2)}})
    wanted = {"n": 3, "us": {"count": 1, "p50": 2.0}}
    assert with_told({"failures": []}, stage)["told"] == wanted
    assert with_told({"failures": []}, slowed_stage(stage, {"compute": 0}))["told"] == wanted
