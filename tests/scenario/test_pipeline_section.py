"""`pipeline:` in a scenario: what it makes, how it names cells, and what is refused with which words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from benchkit.errors import ScenarioError
from benchkit.scenario import describe, load
from benchkit.scenario.json_schema import schema
from benchkit.scenario.overrides import is_public
from benchkit.scenario.plan import Plan, PlannedCell

Planner = Callable[..., Plan]

BASE = "name: dam\nsource: camera\ntransport: [http, redis-list]\nload: {arrival: constant, rate: 5/s}\n"
CHAIN = """pipeline:
  - {name: decode, stage: odd}
  - {name: detect, stage: {kind: odd, high: 20}, workers: 2, batch: {size: 2, delay: 1ms}}
  - {name: track, transport: redis-stream, codec: json-base64}
  - {name: store, after: detect}
"""


def shape(cell: PlannedCell) -> list[tuple[object, ...]]:
    return [
        (hop.name, hop.after, hop.stage.kind, hop.workers, hop.batch_size, hop.transport.kind, hop.codec.kind)
        for hop in cell.hops
    ]


def test_a_tree_of_stages(plan: Planner) -> None:
    first, second = plan(BASE + CHAIN).cells
    assert shape(first) == [
        ("decode", -1, "odd", 1, 1, "http", "raw"),
        ("detect", 0, "odd", 2, 2, "http", "raw"),
        ("track", 1, "null", 1, 1, "redis-stream", "json-base64"),
        ("store", 1, "null", 1, 1, "http", "raw"),
    ]
    # The transport's axis sweeps every hop that has none of its own.
    assert [hop.transport.kind for hop in second.hops] == [
        "redis-list",
        "redis-list",
        "redis-stream",
        "redis-list",
    ]
    assert (first.replies, first.stage.kind, first.workers) == (False, "odd", 1)
    assert first.group == "camera-1920x1080/5-per-s"
    assert describe(plan(BASE + CHAIN)).rows[0].stage == "decode > detect > track > store"


def test_one_stage_stays_the_simple_case(plan: Planner) -> None:
    (cell, _) = plan(BASE + "stage: odd\n").cells
    assert cell.hops == () and cell.replies
    (cell, _) = plan(BASE + "stage: odd\npipeline: null\n").cells
    assert cell.hops == () and cell.replies


def test_what_is_written_down_makes_the_same_cells(plan: Planner, folder: Path) -> None:
    include = (
        "include:\n- {pipeline: null, stage: odd}\n- {pipeline: [{name: only, stage: odd}], transport: shm}\n"
    )
    made = plan(BASE + CHAIN + include)
    assert len(made.cells) == 2 + 2 + 1
    assert [len(cell.hops) for cell in made.cells] == [4, 4, 0, 0, 1]
    assert made.cells[2].replies is False  # the base's, and there it is because of the base's pipeline
    (folder / "again.yaml").write_text(yaml.safe_dump(made.resolved))
    assert load(Path("again.yaml")).cells == made.cells
    assert json.dumps(made.resolved)


def test_an_include_may_have_another_pipeline_than_the_one_stage(plan: Planner) -> None:
    made = plan(
        BASE + "stage: odd\nworkers: [1, 2]\ninclude:\n- pipeline: [{name: a, stage: odd}, {name: b}]\n"
    )
    assert [(len(cell.hops), cell.workers, cell.replies) for cell in made.cells] == [
        *[(0, 1, True), (0, 2, True)] * 2, *[(2, 1, False)] * 2,
    ]  # fmt: skip
    assert made.cells[-1].group.endswith("pipeline=a-b")
    assert len({cell.id for cell in made.cells}) == len(made.cells)
    only = plan(BASE + "stage: odd\ninclude:\n- pipeline: [{name: a}, {name: b}]\n", only=["pipeline=a-b"])
    assert [len(cell.hops) for cell in only.cells] == [2, 2]


def test_options_of_an_entry_are_overridden_by_number_or_in_all(plan: Planner) -> None:
    sets = ["pipeline.1.stage.high=30", "pipeline.3.workers=4", "pipeline.2.transport=http"]
    (cell, _) = plan(BASE + CHAIN, sets=sets).cells
    assert (cell.hops[1].stage.high, cell.hops[3].workers, cell.hops[2].transport.kind) == (30, 4, "http")
    (cell, _) = plan(BASE + CHAIN, sets=["pipeline.workers=3"]).cells
    assert [hop.workers for hop in cell.hops] == [3, 3, 3, 3]


@pytest.mark.parametrize(
    ("written", "public"),
    [
        ("pipeline.1.stage.high=3", True),
        ("pipeline.1.workers=3", True),
        ("pipeline.2.transport.depth=3", True),
        ("pipeline.2.transport.url=redis://:hunter2@there", False),
        ("pipeline.2.nonsense=hunter2", False),
    ],
)
def test_only_what_is_no_secret_may_be_written_down(written: str, public: bool) -> None:
    assert is_public(written) is public


def test_a_password_of_a_hop_is_in_no_record(plan: Planner) -> None:
    made = plan(BASE + CHAIN, sets=["pipeline.2.transport.url=redis://:hunter2@there"])
    assert "hunter2" not in json.dumps(made.resolved, default=str)
    assert "hunter2" not in "".join(cell.id + cell.group for cell in made.cells)


def test_the_schema_knows_it() -> None:
    found = schema()
    assert found["properties"]["pipeline"]["anyOf"][0]["items"] == {"$ref": "#/$defs/hop"}
    assert set(found["$defs"]["hop"]["properties"]) == {
        "name", "workers", "after", "batch", "stage", "transport", "codec",
    }  # fmt: skip
    assert found["$defs"]["hop"]["required"] == ["name"]


ONE = "name: dam\nsource: camera\ntransport: http\nload: {arrival: constant, rate: 5/s}\n"
REFUSED = {
    "not a list": (
        ONE + "pipeline: {name: a}\n",
        (
            "s.yaml:5:11: pipeline: expected a list of 1 to 16 stages\n"
            "    write for example [{name: decode, stage: {...}}, {name: detect, stage: {...}}]"
        ),
    ),
    "an entry that is a text": (
        ONE + "pipeline: [decode]\n",
        "s.yaml:5:12: pipeline.0: expected a mapping\n    write for example {name: detect, ...}",
    ),
    "no name": (
        ONE + "pipeline: [{stage: odd}]\n",
        "s.yaml:5:12: pipeline.0 needs `name`\n    small letters, digits and _; the verdict calls the stage so",
    ),
    "a name that everybody has": (
        ONE + "pipeline: [{name: broker}]\n",
        "s.yaml:5:19: pipeline.0: every cell has something of this name: broker\n    give it another one",
    ),
    "one name twice": (
        ONE + "pipeline: [{name: a}, {name: a}]\n",
        "s.yaml:5:30: pipeline.1: another entry has this name: a\n    give it another one",
    ),
    "after one that comes later": (
        ONE + "pipeline: [{name: a}, {name: b, after: c}, {name: c}]\n",
        "s.yaml:5:40: pipeline.1: no entry above is called 'c'\n    entries above: a",
    ),
    "an unknown option": (
        ONE + "pipeline: [{name: a, worker: 2}]\n",
        (
            "s.yaml:5:22: unknown option of pipeline.0 'worker'\n"
            "    did you mean 'workers'? known: name, workers, after, batch, stage, transport, codec"
        ),
    ),
    "an unknown option of its stage": (
        ONE + "pipeline: [{name: a, stage: {kind: odd, hihg: 2}}]\n",
        "s.yaml:5:41: unknown option 'hihg' of stage odd\n    did you mean 'high'? known: low, high, enabled",
    ),
    "a sweep": (
        ONE + "pipeline: [{name: a, stage: {kind: odd, high: [1, 2]}}]\n",
        (
            "s.yaml:5:29: pipeline.0.stage: 2 values where a pipeline takes one\n"
            "    write one; another pipeline may stand in an entry of `include`"
        ),
    ),
    "a model that is not there": (
        ONE + "pipeline: [{name: a, stage: {kind: onnx, model: levl.onnx}}]\n",
        (
            "s.yaml:5:49: stage onnx: no such file 'levl.onnx'\n"
            "    did you mean 'level.onnx'? paths are relative to the scenario's folder"
        ),
    ),
    "the first hop's transport": (
        ONE + "pipeline: [{name: a, transport: shm}]\n",
        (
            "s.yaml:5:22: pipeline.0: the producer's way to the first stage is the cell's own transport\n"
            "    write `transport` at the top of the scenario"
        ),
    ),
    "beside one stage": (
        ONE + "workers: 2\npipeline: [{name: a}]\n",
        (
            "s.yaml:5:1: `workers` is the one stage's, and here is a pipeline of several\n"
            "    write it in the pipeline's entries: pipeline.0.workers"
        ),
    ),
    "replies": (
        ONE + "replies: true\npipeline: [{name: a}]\n",
        (
            "s.yaml:5:10: a pipeline is one-way: latency runs until its last stage has finished\n"
            "    replies: false, or leave `replies` out"
        ),
    ),
    "a closed loop": (
        ONE.replace("constant, rate: 5/s", "closed, in_flight: 2") + "pipeline: [{name: a}]\n",
        (
            "s.yaml:4:7: a closed loop needs replies, and a pipeline gives none\n"
            "    an open arrival such as constant or poisson"
        ),
    ),
    "a search that does not know where to begin": (
        ONE.replace("arrival: constant, rate: 5/s", "find: capacity, arrival: constant, slo: {p50: 1s}")
        + "pipeline: [{name: a}]\n",
        (
            "s.yaml:4:7: without replies no closed loop can tell where the search should begin\n"
            "    give load.start, for example start: 10/s"
        ),
    ),
    "a backlog": (
        ONE.replace("arrival: constant, rate: 5/s", "find: backlog, messages: 4") + "pipeline: [{name: a}]\n",
        (
            "s.yaml:4:7: a pipeline's first stage alone could be held back\n"
            "    a load with a rate, or find: capacity"
        ),
    ),
    "what if": (
        ONE + "pipeline: [{name: a}]\nwhat_if: {}\n",
        (
            "s.yaml:6:1: what_if: without replies nothing tells how many messages are under way, so no cell can be "
            "saturated\n    what_if.run: false: a pipeline gives no replies"
        ),
    ),
    "one process": (
        ONE + "pipeline: [{name: a}, {name: b, transport: inproc}]\n",
        (
            "s.yaml:5:44: pipeline: transport inproc lives within one process, and each stage is one of its own\n"
            "    transport: shm, or another one between processes"
        ),
    ),
    "more senders than there is room for": (
        ONE + "pipeline: [{name: a, workers: 2}, {name: b, transport: shm}]\n",
        (
            "s.yaml:5:56: pipeline: 2 workers of a send to b, and transport shm takes messages from one only\n"
            "    workers: 1 for a, or a transport with many producers for b, such as redis-list"
        ),
    ),
    "a batch that never fills": (
        ONE + "pipeline: [{name: a}, {name: b, batch: 9}]\n",
        (
            "s.yaml:5:40: pipeline: a batch of 9 can never fill: transport http holds 8 messages\n"
            "    transport.depth: 9, or batch.size: 8"
        ),
    ),
}


@pytest.mark.parametrize("title", REFUSED)
def test_says(title: str, plan: Planner) -> None:
    text, said = REFUSED[title]
    with pytest.raises(ScenarioError) as caught:
        plan(text)
    assert str(caught.value) == said
