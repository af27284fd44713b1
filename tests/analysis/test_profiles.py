"""What profiles are told as, and that figures of a profiled block stand nowhere but in what profiling cost."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from synthetic import a_block, a_cell, a_run, block_samples, np

from benchkit.analysis.document import document
from benchkit.analysis.measure import measure
from benchkit.analysis.profiles import cost, figures, quoted, sentence, slowdown, together
from benchkit.records.folder import load, save
from benchkit.records.profile import (
    Frame,
    NativeProfile,
    Operator,
    PartyProfile,
    PhaseProfile,
    Profile,
    ProfiledFigures,
)

B64 = Frame("base64.b64encode", "base64.py:51", 0.62, "b2a_base64")
DUMPS = Frame("JSONEncoder.iterencode", "json/encoder.py:205", 0.30)
SMALL = Frame("wire.header", "benchkit/tensors/wire.py:61", 0.04)
HOT = Frame("detector.hot", "detector.py:12", 0.75)


def phase(*frames: Frame, samples: int = 100, seconds: float = 0.5) -> PhaseProfile:
    return PhaseProfile(samples, seconds, frames)


def profile(**changes: object) -> Profile:
    waiting = phase(Frame("sleep", "", 1.0), seconds=30.0)
    parties = {
        "producer": PartyProfile(400, 2e-4, {"encode": phase(B64, DUMPS, SMALL), "waiting": waiting}),
        "stage-0": PartyProfile(400, 2e-4, {"compute": phase(HOT), "waiting": waiting}),
    }
    return replace(Profile(parties, {}, ProfiledFigures(100, 3_000_000, 90.0)), **changes)


def test_the_largest_functions_of_the_phase_are_quoted():
    assert sentence(profile(), "encode") == (
        "profile: 62% of encode in base64.b64encode (base64.py:51), most of it in b2a_base64, "
        "30% in JSONEncoder.iterencode (json/encoder.py:205); 100 samples"
    )
    assert (
        sentence(profile(), "compute")
        == "profile: 75% of compute in detector.hot (detector.py:12); 100 samples"
    )


def test_messages_that_queue_wait_for_what_the_stage_does():
    assert "75% of compute in detector.hot" in sentence(profile(), "queue")
    assert "62% of encode" in sentence(profile(), "producer")


@pytest.mark.parametrize("name", ["transit", "return", "none"])
def test_where_no_function_of_a_party_takes_the_time_none_is_named(name):
    assert sentence(profile(), name) == ""


def test_several_workers_are_one_stage_weighted_by_their_time():
    parties = {
        "stage-0": PartyProfile(50, 2e-4, {"compute": phase(HOT, samples=50, seconds=3.0)}),
        "stage-1": PartyProfile(
            50, 2e-4, {"compute": phase(replace(HOT, share=0.35), samples=50, seconds=1.0)}
        ),
    }
    told = sentence(profile(parties=parties), "compute")
    assert told == "profile: 65% of compute in detector.hot (detector.py:12); 100 samples"


def test_too_few_samples_are_no_share():
    parties = {"producer": PartyProfile(400, 2e-4, {"encode": phase(B64, samples=19)})}
    told = sentence(profile(parties=parties), "encode")
    assert "19 samples of the producer are too few" in told
    assert "62%" not in told


def test_a_party_without_a_profile_is_a_named_gap():
    parties = {"stage-0": PartyProfile(gap="another profiler is active")}
    assert (
        sentence(profile(parties=parties), "compute") == "no profile of stage-0: another profiler is active"
    )
    assert sentence(Profile(gap="a search has none"), "compute") == "no profile: a search has none"


def test_operators_stand_for_compute_where_the_stage_is_native():
    slowest = (Operator("conv_1", "Conv", 0.6, 50, 900.0), Operator("relu_1", "Relu", 0.3, 50, 450.0))
    told = sentence(profile(native={"stage-0": NativeProfile(slowest, 50)}), "compute")
    assert told == "profile: 60% of the operators' time in conv_1 (Conv), 30% in relu_1 (Relu); 50 runs"


def test_native_code_without_a_profile_is_said_beside_what_python_shows():
    told = sentence(profile(native={"stage-0": NativeProfile(gap="no room")}), "compute")
    assert told.startswith("profile: 75% of compute in detector.hot")
    assert told.endswith("; no profile of its native code: no room")


def test_the_verdict_keeps_its_evidence_and_gains_a_line():
    verdict = {"bottleneck": "compute", "evidence": ["compute is 70%"], "share": 0.7}
    cell = a_cell(profile=profile())
    assert quoted(verdict, cell)["evidence"] == ["compute is 70%", sentence(profile(), "compute")]
    assert quoted(verdict, a_cell()) == verdict


def test_blocks_of_one_party_are_one_profile_and_a_gap_of_any_is_told():
    blocks = [
        PartyProfile(30, 2e-4, {"compute": phase(HOT, samples=20, seconds=1.0)}, gap="no pages"),
        PartyProfile(10, 2e-4, {"compute": phase(replace(HOT, share=0.25), samples=10, seconds=1.0)}),
        PartyProfile(5, 2e-4, {"encode": phase(B64, samples=5)}),
    ]
    whole = together(blocks)
    assert (whole.samples, whole.gap) == (45, "no pages")
    assert whole.phases["compute"] == PhaseProfile(30, 2.0, (replace(HOT, share=0.5),))
    assert whole.phases["encode"] == blocks[2].phases["encode"]


# What it cost ---------------------------------------------------------------------------------------------


def slowed(factor: float) -> tuple[Profile, object]:
    """A run, and a profiled block of the same cell in which everything takes `factor` times as long."""
    run = a_run(rounds=3, between=0.02)
    samples = block_samples(
        np.random.default_rng(9), 7, phase_us={"encode": 300 * factor, "compute": 2575 * factor}
    )
    block = a_block(run.cells[0], 7, samples)
    return profile(figures=figures([(block, samples)])), run


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_the_slow_down_is_the_profiled_block_over_the_measured_ones(factor):
    found, run = slowed(factor)
    figured = measure(run.samples[run.cells[0].id])
    seen = slowdown(found, figured, run.blocks, closed=False)
    assert seen is not None
    truth = found.figures.latency_p50_ns / figured.latency.quantiles_ns["p50"]
    assert seen.latency_p50 == pytest.approx(truth)
    assert seen.latency_p50 == pytest.approx(factor * 2875 / 2670, rel=0.1)
    assert seen.blocks_p50[0] <= 1 <= seen.blocks_p50[1]
    assert seen.cpu == pytest.approx({"producer": 1.0, "stage": 1.0}, rel=0.1)
    assert seen.throughput is None
    assert slowdown(found, figured, run.blocks, closed=True).throughput is not None


def test_what_it_cost_is_said_with_its_figures():
    found, run = slowed(2.0)
    told = cost(slowdown(found, measure(run.samples[run.cells[0].id]), run.blocks, closed=True))
    assert told.startswith("under the profiler p50 is 2.")
    assert "CPU per message of the stage 1." in told
    assert "throughput" in told
    assert "unknown" in cost(None)


def test_a_profile_changes_no_figure_of_its_cell():
    run = a_run(rounds=3)
    plain = document(run)["cells"][0]
    run.cells = [replace(run.cells[0], profile=profile())]
    found = document(run)["cells"][0]
    assert found.pop("profiles")["stage-0"]["top"][0]["name"] == "detector.hot"
    evidence = found["verdict"].pop("evidence")
    assert evidence[:-1] == plain["verdict"].pop("evidence")
    assert found == plain


def test_a_profile_is_read_back_as_it_was_written(tmp_path):
    run = a_run(rounds=2)
    run.cells = [replace(run.cells[0], profile=profile(native={"stage-0": NativeProfile(gap="no room")}))]
    again = load(save(run, document(run), tmp_path))
    assert again.cells[0].profile == run.cells[0].profile


def test_a_record_of_before_there_were_profiles_is_read(tmp_path):
    run = a_run(rounds=2)
    folder = save(run, document(run), tmp_path)
    record = json.loads((folder / "record.json").read_text())
    del record["cells"][0]["profile"]
    (folder / "record.json").write_text(json.dumps(record))
    assert load(folder).cells[0].profile is None
