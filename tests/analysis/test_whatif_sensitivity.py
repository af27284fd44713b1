"""Slopes of experiments: their intervals hold the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_pipeline import Pipeline
from whatif_runs import a_what_if, answer, trial

from benchkit.analysis.document import document
from benchkit.analysis.whatif.figures import figures, period_ns, typical
from benchkit.analysis.whatif.sensitivity import elasticity, slope
from benchkit.records.run import Block
from benchkit.records.what_if import Slowed

LEVELS = (0.0, 0.05, 0.1, 0.2)
PHASE_NS, PERIOD_NS = 1e6, 2e6
UNIX = "unix/raw/x"


def rounds(rng, count: int, truth: float, *, noise: float, between: float, outliers: float = 0.0):
    """Times per message by round; `between` moves whole rounds, `outliers` of the blocks take half as long again."""
    found = {}
    for round_ in range(count):
        level = PERIOD_NS * np.exp(between * rng.standard_normal())
        found[round_] = [
            (
                share * PHASE_NS,
                (level + truth * share * PHASE_NS) * np.exp(noise * rng.standard_normal())
                * (1.5 if rng.random() < outliers else 1.0),
            )
            for share in LEVELS
        ]  # fmt: skip
    return found


@pytest.mark.parametrize("count", [4, 6, 12, 16])
@pytest.mark.parametrize("truth", [0.0, 1.0])
@pytest.mark.parametrize("outliers", [0.0, 0.05])
def test_the_interval_of_a_slope_holds_the_truth_in_nineteen_of_twenty(count, truth, outliers):
    rng = np.random.default_rng(count)
    held = 0
    for _ in range(400):
        found = slope(rounds(rng, count, truth, noise=0.02, between=0.1, outliers=outliers))
        held += found.interval[0] <= truth <= found.interval[1]
    # 380 expected; 368 or fewer once in a thousand.
    assert held >= 368


def test_differences_between_rounds_fall_out():
    rng = np.random.default_rng(1)
    still = slope(rounds(rng, 12, 1.0, noise=0.005, between=0.0))
    moved = slope(rounds(rng, 12, 1.0, noise=0.005, between=0.5))
    assert moved.interval[1] - moved.interval[0] < 4 * (still.interval[1] - still.interval[0])


def test_the_share_lost_is_the_phase_s_share_where_all_of_it_is_paid():
    found = elasticity(rounds(np.random.default_rng(2), 12, 1.0, noise=0.001, between=0.1), PHASE_NS)
    assert found.value == pytest.approx(PHASE_NS / PERIOD_NS, rel=0.1)


def test_too_few_rounds_or_levels_have_no_slope():
    assert slope(rounds(np.random.default_rng(3), 2, 1.0, noise=0.01, between=0.0)) is None
    assert slope({0: [(0.0, 1.0)], 1: [(0.0, 1.0), (5.0, 2.0)], 2: [(1.0, 1.0)]}) is None


def experiment(pipeline: Pipeline, phase: str, count: int = 4):
    """Trials with the phase slowed, in the pipeline's own loop."""
    mean = pipeline.work_us[phase]
    return [
        trial(
            UNIX, 1000 + 10 * round_ + at, pipeline.with_(**{phase: mean * (1 + share)}), round_=round_,
            mode="paced" if pipeline.rate_per_s and paced else "saturated",
            slowed=Slowed(phase if share else "", share, round(share * mean * 1e3)),
        )
        for round_ in range(count)
        for paced in ((False, True) if pipeline.rate_per_s else (False,))
        for at, share in enumerate(LEVELS)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pipeline", "phase", "truth"),
    [
        (Pipeline(in_flight=1), "encode", 1.0),
        (Pipeline(in_flight=1), "compute", 1.0),
        (Pipeline(in_flight=4), "compute", 1.0),
        (Pipeline(in_flight=4), "encode", 0.0),
        (Pipeline(workers=2, in_flight=8), "compute", 0.5),
    ],
)
def test_a_known_critical_path_is_found(pipeline, phase, truth):
    found = answer(a_what_if({UNIX: pipeline}, trials=experiment(pipeline, phase)), UNIX)["sensitivity"][0]
    throughput = found["throughput"]
    assert throughput["per_added"] == pytest.approx(truth, abs=0.05)
    share = pipeline.work_us[phase] * pipeline.capacity_per_s() / 1e6
    assert throughput["slope"] == pytest.approx(truth * share, abs=0.03)
    assert found["words"].startswith("off the critical path" if truth == 0 else "on the critical path")


def test_a_latency_slope_above_one_says_queueing():
    pipeline = Pipeline(rate_per_s=600, messages=1500)
    found = answer(a_what_if({UNIX: pipeline}, trials=experiment(pipeline, "compute", 8)), UNIX)[
        "sensitivity"
    ][0]
    assert found["latency"]["ci95"][0] > 1
    assert "queueing" in found["words"]


def test_no_slowed_block_enters_the_cell_s_figures():
    """Planted among the blocks and samples of the cell, where no run puts them."""
    run = a_what_if({UNIX: Pipeline()})
    before = document(run)["cells"][0]
    slow = Pipeline().with_(compute=9000).run(7)
    slow["block"], slow["seq"] = 5, slow["seq"] + 100_000
    run.samples[UNIX] = np.concatenate([run.samples[UNIX], slow])
    run.blocks.append(Block(UNIX, 5, 0, 0, 1, len(slow), None, slowed=Slowed("compute", 9.0, 8_100_000)))
    after = document(run)["cells"][0]
    assert after == before


def test_trials_are_in_no_figure_of_their_cell():
    pipeline = Pipeline()
    bare = a_what_if({UNIX: pipeline}, rounds=0)
    bare.what_if = None
    tried = a_what_if({UNIX: pipeline}, trials=experiment(pipeline, "compute"))
    without, with_ = document(bare)["cells"][0], document(tried)["cells"][0]
    assert without.pop("what_if") is None
    assert with_.pop("what_if") is not None
    assert with_ == without


def test_a_hiccup_decides_nothing():
    calm = np.full(200, 1000, np.int64)
    upset = calm.copy()
    upset[50:55] = 400_000
    assert typical(upset) == typical(calm) == 1000
    ends = np.cumsum(calm)
    assert period_ns(ends) == 1000
    ends[120:] += 500_000
    assert period_ns(ends) == 1000


def test_too_few_messages_are_no_figures():
    assert figures(Pipeline(messages=3).run(), {}) is None
    assert figures(Pipeline(messages=12).run(), {}, step=8) is None
