"""A load that cannot be played, or is too short for what is promised, is refused with what would do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchkit.errors import ScenarioError
from benchkit.load.base import OpenArrival
from benchkit.samples_needed import PERCENTILES, minimum_samples
from benchkit.scenario.plan import Plan
from benchkit.scenario.seeds import Stream, seed_for

Planner = Callable[..., Plan]
BASE = "name: dam\nsource: camera\ntransport: http\n"

LOADS = {
    "constant": "{arrival: constant, rate: 7/s}",
    "poisson": "{arrival: poisson, rate: 29.97/s}",
    "gamma": "{arrival: gamma, rate: 40/s, cv: 4}",
    "mmpp": "{arrival: mmpp, quiet_rate: 5/s, burst_rate: 100/s, quiet_dwell: 2s, burst_dwell: 300ms}",
    "ramp up": "{arrival: ramp, from_rate: 0/s, to_rate: 50/s}",
    "ramp down": "{arrival: ramp, from_rate: 50/s, to_rate: 0/s}",
    "trace at a speed": "{arrival: trace, path: t.csv, speed: 4}",
    "trace at a rate": "{arrival: trace, path: t.csv, rate: 30/s}",
}


@pytest.fixture
def recorded(folder: Path) -> Path:
    path = folder / "t.csv"
    moments = np.cumsum(np.random.default_rng(1).standard_exponential(500) / 10)
    path.write_text("time\n" + "".join(f"{moment:.6f}\n" for moment in moments))
    return path


def measured(plan: Plan) -> int:
    """Messages after warm-up, of the schedules that the engine would play."""
    total = 0
    blocks = plan.blocks
    (cell,) = plan.cells
    assert isinstance(cell.load, OpenArrival)
    for round_ in range(blocks.rounds):
        seed = seed_for(plan.seed, Stream.SCHEDULE, round_)
        offsets = cell.load.offsets_ns(blocks.warmup_s + blocks.duration_s, seed)
        total += int((offsets >= int(blocks.warmup_s * 1e9)).sum())
    return total


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize(
    ("name", "rounds", "duration"), [("p99", 3, "1s"), ("p90", 2, "150ms"), ("p50", 1, "250ms")]
)
def test_the_change_that_is_named_does_and_less_does_not(
    plan: Planner, recorded: Path, load: str, name: str, rounds: int, duration: str
) -> None:
    text = f"{BASE}load: {LOADS[load]}\nblocks: {{rounds: {rounds}, duration: {duration}, warmup: 70ms}}\n"
    promise = f"slo: {{{name}: 100ms}}\n"
    needed = minimum_samples(PERCENTILES[name])
    had = measured(plan(text))
    if had >= needed:
        assert plan(text + promise)
        return
    with pytest.raises(ScenarioError) as caught:
        plan(text + promise)
    said = str(caught.value)
    assert f"s.yaml:6:{12 if name != 'p999' else 13}: slo: {name}: load " in said
    assert f"has {had} messages in all its blocks, {name} needs {needed}" in said
    longer = re.search(r"blocks.duration: ([0-9.]+)s", said)
    assert longer
    assert measured(plan(text + promise, sets=[f"blocks.duration={longer[1]}s"])) >= needed
    if load in {"constant", "ramp up", "ramp down"}:  # where no shorter block can have more messages by luck
        less = plan(text, sets=[f"blocks.duration={0.98 * float(longer[1])}s"])
        assert measured(less) < needed
    more = re.search(r"blocks.rounds: ([0-9]+)", said)
    assert more
    assert measured(plan(text + promise, sets=[f"blocks.rounds={more[1]}"])) >= needed
    assert measured(plan(text, sets=[f"blocks.rounds={int(more[1]) - 1}"])) < needed


def test_exactly_enough_is_enough(plan: Planner) -> None:
    text = f"{BASE}load: {{arrival: constant, rate: 153/s}}\nblocks: {{rounds: 3, duration: 1s}}\nslo: {{p99: 1s}}\n"
    assert measured(plan(text)) == 459
    with pytest.raises(
        ScenarioError, match=r"has 453 messages .*\n    blocks.duration: 1.01s, or blocks.rounds: 4"
    ):
        plan(text.replace("153/s", "152/s"))


def test_the_load_with_the_fewest_messages_is_named_once(plan: Planner) -> None:
    loads = (
        "[{arrival: constant, rate: 5/s}, {arrival: constant, rate: 2/s}, {arrival: constant, rate: 9000/s}]"
    )
    with pytest.raises(ScenarioError) as caught:
        plan(f"{BASE}load: {loads}\nslo: {{p50: 1s, p99: 1s, p999: 1s, max: 1s}}\n")
    assert str(caught.value).splitlines() == [
        "s.yaml:5:12: slo: p50: load 2-per-s has 3 messages in all its blocks, p50 needs 7",
        "    blocks.duration: 1.55s, or blocks.rounds: 7",
        "s.yaml:5:21: slo: p99: load 2-per-s has 3 messages in all its blocks, p99 needs 459",
        "    blocks.duration: 76.6s, or blocks.rounds: 459",
        "s.yaml:5:31: slo: p999: load 2-per-s has 3 messages in all its blocks, p999 needs 4603",
        "    blocks.duration: 768s",
    ]


def test_what_is_not_asked_is_not_refused(plan: Planner) -> None:
    """Seconds were asked for, nobody promised a percentile, or nobody knows how many messages there will be."""
    slow = f"{BASE}load: {{arrival: constant, rate: 2/s}}\n"
    assert plan(slow + "slo: {p99: 100ms}\n", quick=True).quick
    assert plan(slow + "slo: {mean: 100ms, max: 1s, loss: 0}\n")
    assert plan(slow + "slo: {p99: null}\n")
    assert plan(slow)
    assert plan(f"{BASE}load: {{arrival: closed, in_flight: 1}}\nslo: {{p999: 100ms}}\n")


def test_a_promise_on_the_command_line_is_refused_there(plan: Planner) -> None:
    with pytest.raises(ScenarioError, match=r"--set slo\.p99=1s: slo: p99: load 2-per-s"):
        plan(f"{BASE}load: {{arrival: constant, rate: 2/s}}\n", sets=["slo.p99=1s"])


def test_cells_that_are_filtered_out_promise_nothing(plan: Planner) -> None:
    text = f"{BASE}load: [{{arrival: constant, rate: 2/s}}, {{arrival: constant, rate: 500/s}}]\nslo: {{p99: 1s}}\n"
    assert plan(text, only=["load=500-per-s"])


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (
            "{arrival: mmpp, quiet_rate: 5/s, burst_rate: 100000000/s, quiet_dwell: 1s, burst_dwell: 1s}",
            (
                "s.yaml:4:52: load mmpp-50000002.5-per-s-burst-100000000-for-1000ms makes more than 10000000 messages "
                "in a block\n    lower the burst_rate or blocks.duration"
            ),
        ),
        (
            "{arrival: ramp, from_rate: 0, to_rate: 1000000000/s}",
            (
                "s.yaml:4:46: load ramp-0-to-1000000000-per-s makes more than 10000000 messages in a block\n"
                "    lower the to_rate or blocks.duration"
            ),
        ),
        (
            "{arrival: trace, path: t.csv, speed: 1000000}",
            (
                "s.yaml:4:44: load trace-t-x1e+06 makes more than 10000000 messages in a block\n"
                "    lower the speed or blocks.duration"
            ),
        ),
        (
            "{arrival: trace, path: u.csv}",
            (
                "s.yaml:4:30: arrival trace: no such file 'u.csv'\n    did you mean 't.csv'? paths are relative to the "
                "scenario's folder"
            ),
        ),
        (
            "{arrival: trace, path: t.csv, column: tmie}",
            (
                "s.yaml:4:30: arrival trace: t.csv:1: has no column 'tmie'\n    set `column` to one of: time; or to "
                "its number, from 1"
            ),
        ),
    ],
)
def test_a_load_that_cannot_be_played(plan: Planner, recorded: Path, load: str, said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        plan(f"{BASE}load: {load}\nslo: {{p999: 1s}}\n")
    assert str(caught.value) == said
