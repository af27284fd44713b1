import dataclasses
import json
import math

import numpy as np
import pytest
from synthetic import MS, PHASE_US, a_cell, a_run, dam

from benchkit.analysis.answer import answer
from benchkit.analysis.compare import compare
from benchkit.analysis.document import document
from benchkit.analysis.unlike import differing_machines
from benchkit.cli.exits import code_of
from benchkit.records.run import Failure, Run
from benchkit.records.samples import PHASES, Status


def test_the_shape_of_the_contract() -> None:
    found = json.loads(json.dumps(document(dam()), allow_nan=False))
    assert found["schema"] == "benchkit.run/1"
    for name in (
        "benchkit",
        "started_utc",
        "duration_s",
        "seed",
        "quick",
        "scenario",
        "environment",
        "floor",
        "ranking",
    ):
        assert name in found
    cell = found["cells"][0]
    assert set(cell["load"]) >= {"arrival", "offered_per_s", "achieved_per_s", "lateness_us"}
    assert set(cell["latency_us"]) >= {
        "count", "mean", "p50", "p90", "p99", "p999", "max", "p50_ci95", "p99_ci95",
    }  # fmt: skip
    assert list(cell["phases_us"]) == list(PHASES)
    assert set(cell["phases_us"]["encode"]) == {"mean", "mean_ci95", "p50", "p99", "share"}
    assert set(cell["account"]) == {
        "scheduled", "delivered", "dropped", "rejected", "dead_lettered", "lost", "pending", "duplicated",
        "reordered", "corrupted", "unexpected",
    }  # fmt: skip
    assert set(cell["cost"]) >= {
        "producer_cpu_us_per_message", "stage_cpu_us_per_message", "broker_cpu_us_per_message",
        "peak_rss_bytes",
    }  # fmt: skip
    assert set(cell["verdict"]) == {
        "bottleneck",
        "resource",
        "share",
        "evidence",
        "confidence",
        "kind",
        "line",
        "stage",
    }
    assert cell["samples"] == "samples/http--json-base64--camera-1080p--10ps.npy"
    assert set(found["ranking"][0]) == {
        "cell",
        "group",
        "p50_us",
        "ratio_to_best",
        "ratio_ci95",
        "noise_us",
        "tied_with_best",
        "delivered_share",
    }


def test_figures_are_those_of_the_samples() -> None:
    run = a_run()
    (cell,) = document(run)["cells"]
    rows = run.samples[cell["id"]]
    own = rows[~rows["warmup"]]
    latency = np.sort(own["returned"] - own["due"])
    assert cell["latency_us"]["count"] == len(latency) == 285
    assert cell["latency_us"]["p50"] == latency[142] / 1e3
    assert cell["latency_us"]["p90"] == latency[math.ceil(0.9 * 285) - 1] / 1e3
    assert cell["latency_us"]["p99"] is None
    assert cell["latency_us"]["max"] == latency[-1] / 1e3
    assert cell["latency_us"]["mean"] == pytest.approx(latency.mean() / 1e3)
    assert cell["warmup"] == 15
    assert cell["residual_us"]["max"] == 0
    assert sum(phase["share"] for phase in cell["phases_us"].values()) == pytest.approx(1)
    assert sum(phase["mean"] for phase in cell["phases_us"].values()) == pytest.approx(
        cell["latency_us"]["mean"]
    )
    low, high = cell["latency_us"]["p50_ci95"]
    assert low <= cell["latency_us"]["p50"] <= high


def test_throughput_and_cost_by_hand() -> None:
    run = a_run()
    (cell,) = document(run)["cells"]
    rows = run.samples[cell["id"]]
    own = rows[~rows["warmup"]]
    # 95 messages every 10 ms stand for 950 ms a block, though the last one is answered after 943 ms.
    span = 3 * 950_000_000
    assert max(int(np.ptp(own["due"][own["block"] == at])) for at in range(3)) == 940_000_000
    assert cell["throughput"]["messages_per_s"] == pytest.approx(285 / span * 1e9)
    assert cell["throughput"]["bytes_per_s"] == pytest.approx(285_000 / span * 1e9)
    assert cell["load"]["achieved_per_s"] == pytest.approx(100, rel=1e-3)
    assert cell["cost"]["producer_cpu_us_per_message"] == pytest.approx(3 * 10_000 / 285)
    assert cell["cost"]["stage_cpu_us_per_message"] == pytest.approx(3 * 200_000 / 285)
    assert cell["cost"]["broker_cpu_us_per_message"] == 0
    assert cell["cost"]["peak_rss_bytes"] == {"producer": 50_000_000, "stage": 90_000_000, "broker": 0}


def test_without_usage_the_cost_is_unknown_not_free() -> None:
    run = a_run()
    run.blocks = [dataclasses.replace(block, usage={}) for block in run.blocks]
    (cell,) = document(run)["cells"]
    assert cell["cost"]["producer_cpu_us_per_message"] is None


def test_an_empty_run_and_a_run_of_skipped_cells_have_documents() -> None:
    run = a_run([a_cell(skipped="no broker", skipped_remedy="start one")], rounds=0)
    found = document(run)
    assert found["ranking"] == []
    assert found["cells"][0]["samples"] is None
    assert found["cells"][0]["latency_us"]["p50"] is None
    assert "skipped" in found["answer"][0]
    run.cells.clear()
    assert document(run)["answer"] == []


def test_nan_and_infinity_never_reach_json() -> None:
    run = a_run()
    run.scenario["limit"] = math.inf
    run.environment["share"] = np.float64("nan")
    run.environment["count"] = np.int64(3)
    found = document(run)
    json.dumps(found, allow_nan=False)
    assert found["scenario"]["limit"] is None
    assert found["environment"]["share"] is None
    assert found["environment"]["count"] == 3


def test_like_failures_are_counted_together_and_keep_a_traceback() -> None:
    run = a_run()
    failure = Failure("stage-0", "ValueError", "bad", "fix", "Traceback: here", 2)
    run.blocks = [dataclasses.replace(block, failures=(failure,)) for block in run.blocks]
    (cell,) = document(run)["cells"]
    assert cell["failures"] == [dataclasses.asdict(failure) | {"count": 6}]


def verdict(phase_us: dict[str, float], **changes: float) -> dict:
    cell = document(a_run(phase_us=phase_us, **changes))["cells"][0]
    assert cell["validity"]["valid"], cell["validity"]
    return cell["verdict"]


@pytest.mark.parametrize("phase", [name for name in PHASES if name != "lateness"])
def test_the_dominant_phase_is_the_bottleneck(phase: str) -> None:
    found = verdict({**dict.fromkeys(PHASES, 20.0), phase: 1000.0})
    assert found["bottleneck"] == phase
    assert found["share"] == pytest.approx(1000 / 1180, rel=0.01)
    assert found["confidence"] == 1
    assert phase in found["evidence"][0]


def test_nothing_dominates() -> None:
    found = verdict(dict.fromkeys(PHASES, 100.0))
    assert (found["bottleneck"], found["resource"]) == ("none", "none")


def test_a_narrow_margin_lowers_the_confidence() -> None:
    wide, narrow = (
        verdict({"encode": 10.0, "transit": transit, "compute": 500.0})["confidence"]
        for transit in (100.0, 480.0)
    )
    assert narrow < 0.2 < wide


def test_the_carrier_is_the_broker_where_there_is_one() -> None:
    run = a_run(phase_us={"transit": 1000.0, "compute": 100.0})
    run.blocks = [dataclasses.replace(block, usage={}) for block in run.blocks]
    assert document(run)["cells"][0]["verdict"]["resource"] == "link"
    run.cells[0] = dataclasses.replace(run.cells[0], has_broker=True)
    assert document(run)["cells"][0]["verdict"]["resource"] == "broker"


@pytest.mark.parametrize(
    ("busy", "bottleneck", "resource"),
    [
        ({"compute": 9500.0}, "compute", "stage"),
        ({"send": 8000.0}, "send", "link"),
        ({"encode": 9000.0}, "encode", "producer"),
        ({"compute": 100.0}, "producer", "producer"),
    ],
)
def test_lateness_is_traced_to_what_held_the_producer_up(
    busy: dict[str, float], bottleneck: str, resource: str
) -> None:
    run = a_run(phase_us={"lateness": 50_000.0, "transit": 10.0, **busy}, noise=0.0)
    run.blocks = [
        dataclasses.replace(block, offered_per_s=None) for block in run.blocks
    ]  # else it is invalid
    found = document(run)["cells"][0]["verdict"]
    # The synthetic lateness lengthens the span by five intervals of a hundred.
    assert (found["bottleneck"], found["resource"]) == (bottleneck, resource)


def test_an_invalid_cell_carries_no_verdict_and_no_rank() -> None:
    run = dam()
    found = document(run)
    late = next(cell for cell in found["cells"] if not cell["validity"]["valid"])
    assert late["verdict"]["bottleneck"] == "none"
    assert late["id"] not in {place["cell"] for place in found["ranking"]}


def test_ranking_is_by_group_and_ratios_match_the_p50_column() -> None:
    found = document(dam())
    for group in {place["group"] for place in found["ranking"]}:
        own = [place for place in found["ranking"] if place["group"] == group]
        assert own[0]["ratio_to_best"] == 1
        assert own == sorted(own, key=lambda place: place["p50_us"])
        for place in own:
            assert place["ratio_to_best"] == pytest.approx(place["p50_us"] / own[0]["p50_us"])
            low, high = place["ratio_ci95"]
            assert low <= place["ratio_to_best"] <= high
            assert place["tied_with_best"] == (low <= 1)


def test_the_answer_names_ties_guarantees_and_what_is_invalid() -> None:
    sentences = " ".join(document(dam())["answer"])
    assert "tied with unix raw" in sentences
    assert "http json-base64 9" in sentences
    assert "unlike guarantees" in sentences
    assert "redis-stream raw (offered-load-not-reached)" in sentences


def test_one_round_claims_nothing() -> None:
    sentences = " ".join(document(dam(rounds=1))["answer"])
    assert "times as long" not in sentences
    assert "is fastest" not in sentences
    assert "too few rounds" in sentences


def test_equal_cells_are_never_called_faster() -> None:
    cells = [a_cell(f"{name}/raw/camera/100ps") for name in ("shm", "unix")]
    found = document(a_run(cells, between=0.0))
    assert "is fastest" not in " ".join(answer(found["cells"], found["ranking"]))


def test_promises_are_kept_broken_or_not_decidable() -> None:
    run = a_run()
    run.slo = {"p50": 1.0, "p90": 1e-6, "p99": 1.0, "loss": 0.001, "max": 1.0}
    run.samples[run.cells[0].id]["status"][10] = Status.REJECTED
    kept = {each["name"]: each["kept"] for each in document(run)["promises"]}
    assert kept == {"p50": True, "p90": False, "p99": None, "loss": False, "max": True}


def test_an_invalid_cell_keeps_no_promise_and_the_shell_hears_of_it() -> None:
    run = a_run([a_cell(), a_cell("http/raw/camera/100ps")])
    run.slo = {"p50": 1.0}
    run.blocks[1] = dataclasses.replace(run.blocks[1], corrupted=1)
    found = document(run)
    assert {each["cell"]: each["kept"] for each in found["promises"]} == {
        "shm/raw/camera/100ps": True,
        "http/raw/camera/100ps": None,
    }
    assert code_of([found], 1) == 3


def test_what_a_broker_of_the_users_own_spends_is_unknown_and_not_nothing() -> None:
    (cell,) = document(a_run([a_cell(has_broker=True)]))["cells"]
    assert cell["cost"]["broker_cpu_us_per_message"] is None


def test_rows_of_one_group_have_distinct_labels() -> None:
    ids = [f"shm/raw/camera/100ps/depth={depth}" for depth in (1, 8)]
    run = a_run([a_cell(each, group="camera/100ps") for each in ids])
    rows = [cell["labels"]["row"] for cell in document(run)["cells"]]
    assert rows == ["shm raw (depth=1)", "shm raw (depth=8)"]


def changed(factor: float, seed: int = 1) -> Run:
    return a_run(scale={"shm/raw/camera/100ps": factor}, seed=seed, rounds=4)


def test_runs_are_compared_by_their_blocks() -> None:
    base = document(changed(1.0))
    slower, faster, same = (document(changed(factor, seed=2)) for factor in (1.5, 0.7, 1.0))
    found = compare([base, slower, faster, same])
    assert [each.change for each in found] == ["slower", "faster", "no difference seen"]
    assert all(
        each.interval and each.interval[0] <= each.ratio <= each.interval[1] for each in found if each.ratio
    )


def test_what_cannot_be_compared_says_why() -> None:
    run = changed(1.0)
    run.blocks[0] = dataclasses.replace(run.blocks[0], corrupted=1)
    broken, single, base = document(run), document(a_run(rounds=1)), document(changed(1.0))
    assert [each.why for each in compare([base, broken, single])] == [
        "not valid in the later run", "fewer than two blocks in the later run",
    ]  # fmt: skip
    other = {**base, "environment": {"fingerprint": "beef"}}
    assert differing_machines([base, other, base]) == [1]


def test_phase_constants_fit_the_interval_of_the_generator() -> None:
    assert sum(PHASE_US.values()) * 1e3 < 10 * MS
