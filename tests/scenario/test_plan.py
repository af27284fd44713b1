"""What a plan holds: the product, the exclusions, the includes, the names, the order."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from benchkit.errors import ScenarioError
from benchkit.plugins import Entry
from benchkit.scenario import describe, load
from benchkit.scenario.order import QUICK_DURATION_S, QUICK_ROUNDS, Order
from benchkit.scenario.plan import Plan
from benchkit.scenario.seeds import Stream, seed_for
from benchkit.sources import base as source_base
from benchkit.sources.site import Site
from benchkit.stages import base as stage_base
from benchkit.stages.models import Models

Planner = Callable[..., Plan]

BASE = "name: dam\nsource: camera\ntransport: http\nload: {arrival: constant, rate: 5/s}\n"
DAM = Path(__file__).parents[2] / "scenarios" / "dam.yaml"
SAME = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)


def ids(plan: Plan) -> list[str]:
    return [cell.id for cell in plan.cells]


def test_defaults(plan: Planner) -> None:
    made = plan(BASE)
    (cell,) = made.cells
    assert (cell.id, cell.group) == ("http/raw/camera-1920x1080/5-per-s", "camera-1920x1080/5-per-s")
    assert (cell.codec.kind, cell.stage.kind, cell.workers, cell.batch_size) == ("raw", "null", 1, 1)
    assert (cell.batch_delay_s, cell.replies, made.on_error, made.slo) == (0.0, True, "continue", {})
    assert (made.blocks.rounds, made.blocks.duration_s, made.blocks.warmup_s) == (3, 1.0, 0.2)
    assert (made.checksum_every, made.check_replies, made.quick, tuple(made.order)) == (
        128,
        True,
        False,
        (0, 0, 0),
    )


@SAME
@given(
    transports=st.lists(st.sampled_from(["http", "shm", "redis-list"]), min_size=1, max_size=3),
    workers=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    rates=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    depths=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    excluded=st.sampled_from(["http", "shm", "redis-list"]),
    rounds=st.integers(1, 5),
    seed=st.integers(0, 2**63 - 1),
)
def test_product(
    plan: Planner,
    transports: list[str],
    workers: list[int],
    rates: list[int],
    depths: list[int],
    excluded: str,
    rounds: int,
    seed: int,
) -> None:
    """The plan is the set product, less what matches the rule; each round is a permutation of it."""
    text = (
        f"name: x\nseed: {seed}\nsource: camera\nload: {{arrival: constant, rate: {rates}}}\n"
        f"transport: {[{'kind': kind, 'depth': depths} for kind in transports]}\nworkers: {workers}\n"
        f"exclude: [{{transport: {excluded}, workers: 1}}]\nblocks: {{rounds: {rounds}}}\n"
    )
    wanted = {
        combination
        for combination in product(transports, depths, rates, workers)
        if not (combination[0] == excluded and combination[3] == 1)
    }
    if not wanted:
        return
    made = plan(text, sets=["seed=" + str(seed)])
    got = [(cell.transport.kind, cell.transport.depth, cell.load.rate, cell.workers) for cell in made.cells]
    assert len(got) == len(set(got))
    assert set(got) == wanted
    assert len(set(ids(made))) == len(made.cells)
    drawn = tuple(made.order)
    assert len(drawn) == made.total == rounds * len(made.cells)
    for start in range(0, len(drawn), len(made.cells)):
        assert sorted(drawn[start : start + len(made.cells)]) == list(range(len(made.cells)))
    assert drawn == tuple(plan(text, sets=["seed=" + str(seed)]).order)


def test_document_order_is_cell_order(plan: Planner) -> None:
    text = (
        "name: x\ntransport: [shm, http]\nworkers: [2, 1]\nsource: camera\n"
        "load: {arrival: closed, in_flight: 1}"
    )
    assert ids(plan(text)) == [
        "shm/raw/camera-1920x1080/closed-1/workers=2",
        "shm/raw/camera-1920x1080/closed-1/workers=1",
        "http/raw/camera-1920x1080/closed-1/workers=2",
        "http/raw/camera-1920x1080/closed-1/workers=1",
    ]


def test_names_tell_apart_what_is_swept(plan: Planner) -> None:
    made = plan(
        BASE + "stage: [odd, 'null', {kind: onnx, model: [level.onnx, sensors.onnx]}]\n",
        sets=["transport={kind: shm, depth: [1, 8]}", "batch=[{size: 1}, {size: 1, delay: 2ms}]"],
    )
    assert len(set(ids(made))) == len(made.cells) == 16
    assert ids(made)[0] == "shm/raw/camera-1920x1080/5-per-s/stage=odd/batch-delay=0/depth=1"
    assert "shm/raw/camera-1920x1080/5-per-s/stage=onnx/model=sensors/batch-delay=0.002/depth=8" in ids(made)
    assert len({cell.group for cell in made.cells}) == 8


def test_groups_ignore_transport_and_codec(plan: Planner) -> None:
    """An include that changes more for one source only adds nothing to the names of the others."""
    made = plan(
        BASE
        + "include: [{source: sensors, stage: {kind: onnx, model: sensors.onnx}, codec: [raw, json-base64]}]"
    )
    assert ids(made) == [
        "http/raw/camera-1920x1080/5-per-s",
        "http/raw/sensors-144x12/5-per-s",
        "http/json-base64/sensors-144x12/5-per-s",
    ]
    assert len({cell.group for cell in made.cells}) == 2


def test_values_that_read_alike_are_numbered(plan: Planner, folder: Path) -> None:
    (folder / "b").mkdir()
    (folder / "b" / "level.onnx").touch()
    made = plan(BASE + "stage: {kind: onnx, model: [level.onnx, b/level.onnx]}\n")
    assert [cell.id.rpartition("/")[2] for cell in made.cells] == ["variant=1", "variant=2"]
    assert len({cell.group for cell in made.cells}) == 2


def test_two_secrets_are_two_cells_and_neither_is_named(plan: Planner) -> None:
    made = plan(BASE, sets=["transport={kind: redis-list, url: ['redis://:one@h', 'redis://:two@h']}"])
    assert len(made.cells) == 2
    assert "one" not in str(ids(made)) + json.dumps(made.resolved)
    assert [cell.transport.url for cell in made.cells] == [
        SecretStr("redis://:one@h"),
        SecretStr("redis://:two@h"),
    ]


@pytest.mark.parametrize(
    ("include", "sizes"),
    [
        ("{source: {size: 640x360}}", [(1920, 1080), (640, 360)]),
        ("{source: {size: [640x360, 320x180]}}", [(1920, 1080), (640, 360), (320, 180)]),
        ("{source: {size: [640, 360]}}", [(1920, 1080), (640, 360)]),
        ("{source: {size: [[640, 360], [320, 180]]}}", [(1920, 1080), (640, 360), (320, 180)]),
        ("{source: {kind: camera, size: 640x360}}", [(1920, 1080), (640, 360)]),
        ("{source: {size: 1920x1080}}", [(1920, 1080)]),
        ("{source: camera}", [(1920, 1080)]),
    ],
)
def test_includes_merge_and_duplicates_vanish(
    plan: Planner, include: str, sizes: list[tuple[int, int]]
) -> None:
    made = plan(BASE + f"include: [{include}]\n", sets=["source.noise=0.25"])
    assert [cell.source.size for cell in made.cells] == sizes
    assert {cell.source.noise for cell in made.cells} == {0.25}


def test_a_list_that_is_a_value_is_not_swept(plan: Planner) -> None:
    made = plan(BASE + "stage: {kind: onnx, model: level.onnx, providers: [CUDA, CPU], extra: [film.avi]}\n")
    (cell,) = made.cells
    assert cell.stage.providers == ["CUDA", "CPU"]
    assert cell.stage.extra == [Path.cwd() / "film.avi"]
    swept = plan(BASE + "stage: {kind: onnx, model: level.onnx, providers: [[CUDA], [CPU]]}\n")
    assert [cell.stage.providers for cell in swept.cells] == [["CUDA"], ["CPU"]]


def test_a_name_may_be_swept_within_its_mapping(plan: Planner) -> None:
    made = plan(BASE, sets=["transport={kind: [http, shm], depth: 3}"])
    assert [(cell.transport.kind, cell.transport.depth) for cell in made.cells] == [("http", 3), ("shm", 3)]


@pytest.mark.parametrize(
    ("written", "meant"), [("on", True), ("no", False), ("true", True), ("'off'", False)]
)
def test_words_for_booleans(plan: Planner, written: str, meant: bool) -> None:
    assert plan(BASE + f"replies: {written}\n").cells[0].replies is meant


def test_numbers_as_people_write_them(plan: Planner) -> None:
    made = plan(
        BASE + "seed: 1e3\nbatch: 4\nslo: {p50: 100ms, loss: 0}\nblocks: {duration: 2, drain: 1min}\n"
    )
    assert (made.seed, made.cells[0].batch_size, made.slo) == (1000, 4, {"p50": 0.1, "loss": 0.0})
    assert (made.blocks.duration_s, made.blocks.drain_s) == (2.0, 60.0)


def test_anchors_and_merges(plan: Planner) -> None:
    text = BASE + "x: 1\n"
    made = plan(
        text.replace(
            "x: 1\n", "include: [{load: &l {arrival: poisson, rate: 5/s}}, {load: {<<: *l, rate: 6/s}}]\n"
        )
    )
    assert [cell.load.label() for cell in made.cells] == ["5-per-s", "poisson-5-per-s", "poisson-6-per-s"]


class TestSet:
    def test_lists_sweep(self, plan: Planner) -> None:
        assert [cell.workers for cell in plan(BASE, sets=["workers=[1, 2]"]).cells] == [1, 2]

    def test_a_section_by_name(self, plan: Planner) -> None:
        assert ids(plan(BASE, sets=["transport=shm"])) == ["shm/raw/camera-1920x1080/5-per-s"]

    def test_each_of_a_list(self, plan: Planner) -> None:
        made = plan(BASE, sets=["transport=[http, shm]", "transport.depth=3"])
        assert [cell.transport.depth for cell in made.cells] == [3, 3]

    def test_an_option_goes_to_those_that_know_it(self, plan: Planner) -> None:
        made = plan(BASE, sets=["transport.url=redis://h", "transport=[http, redis-list, redis-stream]"])
        assert [getattr(cell.transport, "url", None) for cell in made.cells] == [
            None, SecretStr("redis://h"), SecretStr("redis://h"),
        ]  # fmt: skip

    def test_another_kind_keeps_what_it_knows(self, plan: Planner, folder: Path) -> None:
        text = BASE.replace(
            "source: camera", "source: {kind: video, path: film.avi, size: 640x360, noise: 0.1}"
        )
        (cell,) = plan(text, sets=["source.kind=camera"]).cells
        assert (cell.source.kind, cell.source.size, cell.source.noise) == ("camera", (640, 360), 0.1)
        assert plan(text, sets=["source.kind=sensors"]).cells[0].source.kind == "sensors"

    def test_includes_follow_the_base_or_keep_their_own(self, plan: Planner, folder: Path) -> None:
        text = BASE + "include: [{source: {size: 640x360}}, {source: sensors}]\n"
        made = plan(text, sets=["source.path=film.avi", "source.kind=video"])
        assert [cell.source.kind for cell in made.cells] == ["video", "video", "sensors"]
        assert made.cells[1].source.size == (640, 360)
        assert [cell.source.kind for cell in plan(text, sets=["source.kind=sensors"]).cells] == ["sensors"]

    def test_paths_are_relative_to_where_they_are_written(self, folder: Path) -> None:
        inner = folder / "inner"
        inner.mkdir()
        (inner / "net.onnx").touch()
        (inner / "s.yaml").write_text(BASE + "stage: {kind: onnx, model: net.onnx}\n")
        (cell,) = load(Path("inner/s.yaml")).cells
        assert cell.stage.model == inner / "net.onnx"
        (cell,) = load(Path("inner/s.yaml"), sets=["stage.model=level.onnx"]).cells
        assert cell.stage.model == folder / "level.onnx"

    def test_in_an_include(self, plan: Planner) -> None:
        made = plan(BASE + "include: [{load: {rate: 6/s}}]\n", sets=["include.0.load.rate=7/s"])
        assert [cell.load.label() for cell in made.cells] == ["5-per-s", "7-per-s"]


class TestOnly:
    TEXT = BASE.replace("http", "[http, shm]") + "codec: [raw, json-base64]\nworkers: [1, 2]\n"

    @pytest.mark.parametrize(
        ("only", "count"),
        [
            (["transport=shm"], 4),
            (["transport=shm,http"], 8),
            (["transport=shm", "transport=http"], 8),
            (["transport=shm", "codec=raw"], 2),
            (["workers=2"], 4),
            (["load=constant"], 8),
            (["load=5-per-s", "source=camera", "stage=null", "replies=true", "batch=1"], 8),
            (["id=shm/raw/*"], 2),
            (["group=*/workers=2"], 4),
        ],
    )
    def test_keeps(self, plan: Planner, only: list[str], count: int) -> None:
        kept = plan(self.TEXT, only=only)
        assert len(kept.cells) == count
        assert set(ids(kept)) <= set(ids(plan(self.TEXT)))

    def test_what_is_filtered_out_may_be_impossible(self, plan: Planner) -> None:
        text = BASE.replace("http", "[inproc, http]") + "workers: 2\n"
        assert ids(plan(text, only=["transport=http"])) == ["http/raw/camera-1920x1080/5-per-s"]


class TestQuick:
    def test_keeps_every_cell_and_cuts_the_time(self, plan: Planner) -> None:
        text = BASE.replace("http", "[http, shm]") + "blocks: {rounds: 9, duration: 60s, warmup: 10s}\n"
        quick, slow = plan(text, quick=True), plan(text)
        assert ids(quick) == ids(slow)
        assert (quick.quick, quick.blocks.rounds, quick.blocks.duration_s) == (
            True,
            QUICK_ROUNDS,
            QUICK_DURATION_S,
        )
        assert quick.expected_s < slow.expected_s / 100

    def test_never_lengthens(self, plan: Planner) -> None:
        made = plan(BASE + "blocks: {rounds: 1, duration: 100ms, warmup: 90ms}\n", quick=True)
        assert (made.blocks.rounds, made.blocks.duration_s) == (1, 0.1)
        assert made.blocks.warmup_s < made.blocks.duration_s


class TestResolved:
    def test_is_a_scenario_again(self, plan: Planner, folder: Path) -> None:
        text = (
            "name: dam\nsource: [camera, {kind: sensors, samples: [3, 4]}]\n"
            "transport: [http, {kind: shm, spin: 3}]\nbatch: {size: [1, 4]}\n"
            "stage: {kind: onnx, model: level.onnx, inputs: {a: b}, threads: [auto, 2]}\n"
            "load: [{arrival: poisson, rate: 90/min}, {arrival: closed, in_flight: 4}]\nslo: {mean: 1ms}\n"
            "exclude: {transport: shm, load: closed*}\n"
            "include: {workers: 2, load: {arrival: constant, rate: 3}}\n"
        )
        made = plan(text)
        again = plan(json.dumps(made.resolved))
        assert again.cells == made.cells
        assert again.resolved == made.resolved
        assert str(folder) not in json.dumps(made.resolved)

    def test_hides_secrets_everywhere(self, plan: Planner) -> None:
        text = BASE + "description: see redis://u:hunter2@h and redis%3A%2F%2F%3Ahunter2%40h\n"
        made = plan(text, sets=["transport={kind: redis-list, url: 'redis://:hunter2@h'}"])
        assert "hunter2" not in json.dumps(made.resolved)
        assert "hunter2" not in repr(made)


def test_seeds_are_streams_of_their_own() -> None:
    seeds = {seed_for(seed, stream, index) for seed in (0, 1) for stream in Stream for index in range(5)}
    assert len(seeds) == 2 * len(Stream) * 5
    assert all(0 <= seed < 1 << 63 for seed in seeds)
    assert seed_for(2024, Stream.SCHEDULE, 0) == 6180118221210629035
    assert tuple(Order(50, 1, 1)) != tuple(Order(50, 1, 2))


def test_describe(plan: Planner) -> None:
    described = describe(
        plan(BASE.replace("http", "[http, shm]") + "batch: {size: 4, delay: 2ms}\nreplies: no\n")
    )
    assert [row.transport for row in described.rows] == ["http", "shm"]
    assert (described.rows[0].batch, described.rows[0].replies) == ("4 or 2 ms", "no")
    assert described.groups == ("camera-1920x1080/5-per-s",)
    assert described.blocks == "2 cells, 3 rounds: 6 blocks of 1 s after 0.2 s warm-up"
    assert [len(cells) for cells in described.order] == [2, 2, 2]
    assert described.expected_s > 6 * 1.2


@pytest.fixture
def dam(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """dam.yaml beside empty models, with the real plug-ins of its whole site."""
    for registry, cls in ((source_base.registry, Site), (stage_base.registry, Models)):
        entries = {**registry.entries(), cls.kind: Entry(cls.kind, f"tests:{cls.__name__}", "tests")}
        monkeypatch.setattr(registry, "entries", lambda entries=entries: entries)
        monkeypatch.setattr(
            registry,
            "load",
            lambda kind, cls=cls, load=registry.load: cls if kind == cls.kind else load(kind),
        )
    (folder / "models" / "dam").mkdir(parents=True)
    for name in ("dam-level.onnx", "dam-sensors.onnx", "dam-sensors-40.onnx"):
        (folder / "models" / "dam" / name).touch()
    (folder / "dam.yaml").write_text(DAM.read_text(encoding="utf-8"), encoding="utf-8")
    return Path("dam.yaml")


def test_dam(dam: Path) -> None:
    made = load(dam)
    assert made.name == "dam"
    groups = {cell.group for cell in made.cells}
    assert len(groups) >= 3
    for group in groups:
        assert {cell.transport.kind for cell in made.cells if cell.group == group} == {
            "http", "redis-list", "redis-stream", "shm",
        }  # fmt: skip
    assert {cell.codec.kind for cell in made.cells if cell.transport.kind == "http"} == {"raw", "json-base64"}


def test_dam_on_footage(dam: Path) -> None:
    made = load(dam, sets=["source.kind=video", "source.path=film.avi"])
    assert {cell.source.kind for cell in made.cells} == {"video", "sensors", "site"}
    assert {cell.source.path for cell in made.cells if cell.source.kind == "video"} == {
        Path.cwd() / "film.avi"
    }


def test_producers_are_swept_like_workers_and_show_where_they_differ(plan):
    made = plan(BASE + "producers: [1, 3]\n")
    assert [(cell.producers, cell.id.rpartition("/")[2]) for cell in made.cells] == [
        (1, "producers=1"),
        (3, "producers=3"),
    ]
    assert [cell.producers for cell in plan(BASE + "producers: [1, 3]\n", only=["producers=3"]).cells] == [3]
    alone = plan(BASE).cells[0]
    assert (alone.producers, "producers" in alone.id) == (1, False)


def test_the_longest_warm_up_is_a_third_of_the_block_unless_it_is_said(plan: Planner) -> None:
    blocks = "blocks: {rounds: 1, duration: 900ms, warmup: 100ms"
    assert plan(BASE + blocks + "}\n").blocks.warmup_max_s == pytest.approx(0.4)
    assert plan(BASE + blocks + ", warmup_max: 100ms}\n").blocks.warmup_max_s == 0.1
    for wrong, remedy in (("50ms", "blocks.warmup_max: 0.1s"), ("600ms", "blocks.warmup_max: 0.55s")):
        with pytest.raises(ScenarioError, match=remedy):
            plan(BASE + blocks + f", warmup_max: {wrong}}}\n")


def test_a_scenario_says_how_long_its_own_quick_blocks_are(plan: Planner) -> None:
    text = (
        BASE
        + "blocks: {rounds: 5, duration: 2s, warmup: 200ms, drain: 1s, quick: {rounds: 1, duration: 500ms}}\n"
    )
    quick, slow = plan(text, quick=True).blocks, plan(text).blocks
    assert (quick.rounds, quick.duration_s, quick.warmup_s, quick.drain_s) == (1, 0.5, 0.03, 0.2)
    assert (slow.rounds, slow.duration_s) == (5, 2.0)
    # Never longer than without --quick.
    short = (
        BASE
        + "blocks: {rounds: 1, duration: 100ms, warmup: 10ms, quick: {rounds: 9, duration: 1s, warmup: 1s}}\n"
    )
    found = plan(short, quick=True).blocks
    assert (found.rounds, found.duration_s, found.warmup_s) == (1, 0.1, 0.01)
