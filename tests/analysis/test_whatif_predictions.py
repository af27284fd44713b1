"""Predictions against simulated pipelines that really were changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simulated_pipeline import WORK_US, Pipeline
from whatif_runs import a_what_if, answer, prediction

from benchkit.analysis.whatif.changes import Change
from benchkit.analysis.whatif.latency import Station, wait_ratio

UNIX, SHM = "unix/raw/x", "shm/raw/x"
PIPELINES = {
    "the stage limits": Pipeline(),
    "the stage limits, times vary": Pipeline(cv=0.5, in_flight=8, messages=1500),
    "the producer limits": Pipeline().with_(encode=2000),
    "one in flight": Pipeline(in_flight=1),
    "two workers": Pipeline(workers=2, in_flight=8),
}


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("phase", ["encode", "transit", "decode", "compute", "reply"])
def test_halving_a_phase_gives_what_it_really_gives(name, phase):
    pipeline = PIPELINES[name]
    found = answer(a_what_if({UNIX: pipeline}), UNIX)
    real = pipeline.with_(**{phase: WORK_US[phase] / 2 if phase != "encode" else pipeline.work_us[phase] / 2})
    predicted = prediction(found, f"{phase}/2")["capacity_per_s"]
    assert predicted["now"] == pytest.approx(pipeline.capacity_per_s(), rel=0.05)
    assert predicted["predicted"] == pytest.approx(real.capacity_per_s(), rel=0.10)


def test_another_transport_is_predicted_from_its_own_cell_s_demands():
    slow, fast = Pipeline().with_(send=700, transit=600), Pipeline()
    found = answer(a_what_if({UNIX: slow, SHM: fast}, changes={UNIX: {"transport=shm": fast}}), UNIX)
    swap = prediction(found, "transport=shm")
    assert swap["words"] == "transport shm instead of unix"
    assert swap["capacity_per_s"]["predicted"] == pytest.approx(fast.capacity_per_s(), rel=0.10)
    assert "transport shm in this run" in swap["source"]


def test_twice_the_workers_until_the_producer_is_the_limit():
    one, two = Pipeline(), Pipeline(workers=2, in_flight=8)
    found = answer(a_what_if({UNIX: one}, changes={UNIX: {"workers=2": two, "workers=16": two}}), UNIX)
    capacity = prediction(found, "workers=2")["capacity_per_s"]
    assert capacity["predicted"] == pytest.approx(two.capacity_per_s(), rel=0.10)
    many = prediction(found, "workers=16")["capacity_per_s"]
    assert many["limited_by"] in ("producer", "in flight", "cores")
    assert many["predicted"] < 8 * capacity["now"]


def test_a_faster_stage_gains_nothing_behind_a_link_that_is_full():
    run = a_what_if({UNIX: Pipeline()})
    capacity = answer(run, UNIX)["now"]["capacity_per_s"]
    delay = {"mean": 0.0, "p50": 0.0, "p90": 0.0, "p99": 0.0}
    full = {"rate_bytes_per_s": run.cells[0].wire_bytes * capacity, "jitter_us": 0.0, "delay_us": delay}
    free = {**full, "rate_bytes_per_s": None}
    run.cells[0] = replace(run.cells[0], link={"name": "own", "side": "producer", "up": full, "down": free})
    found = prediction(answer(run, UNIX), "compute/2")["capacity_per_s"]
    assert found["limited_by"] == "link"
    assert found["predicted"] == pytest.approx(capacity, rel=0.1)


def test_latency_at_the_present_rate_with_its_queue():
    """M/D/1 at 70%: halving the service does more than halve the wait."""
    pipeline = Pipeline(rate_per_s=550)
    found = answer(a_what_if({UNIX: pipeline}), UNIX)
    latency = prediction(found, "compute/2")["latency_us"]
    after = answer(a_what_if({UNIX: pipeline.with_(compute=450)}), UNIX)["now"]["p50_us"]
    assert latency["now"] > 1.3 * sum(WORK_US.values())
    assert latency["predicted"] == pytest.approx(after, rel=0.15)


def test_beyond_capacity_no_latency_is_predicted():
    found = answer(a_what_if({UNIX: Pipeline(rate_per_s=2000)}), UNIX)
    latency = prediction(found, "encode/2")["latency_us"]
    assert latency["predicted"] is None
    assert "capacity" in latency["why_not"]


def test_without_a_cell_that_has_it_a_swap_is_not_predicted():
    found = answer(a_what_if({UNIX: Pipeline()}, changes={UNIX: {"codec=msgpack": Pipeline()}}), UNIX)
    capacity = prediction(found, "codec=msgpack")["capacity_per_s"]
    assert capacity["predicted"] is None
    assert "no cell with codec msgpack" in capacity["why_not"]
    confirmed = found["confirmed"][0]["capacity_per_s"]
    assert confirmed["inside"] is None
    assert confirmed["measured"] == pytest.approx(confirmed["now"], rel=0.05)


def test_what_was_predicted_stands_beside_what_was_measured():
    slow, fast = Pipeline(cv=0.05).with_(decode=600), Pipeline(cv=0.05)
    found = answer(
        a_what_if({UNIX: slow, SHM: fast}, changes={UNIX: {"transport=shm": fast}}, rounds=8), UNIX
    )
    confirmed = found["confirmed"][0]["capacity_per_s"]
    low, high = confirmed["ci95"]
    assert low < confirmed["measured"] < high
    assert confirmed["measured"] == pytest.approx(fast.capacity_per_s(), rel=0.03)
    assert confirmed["inside"] is (low <= confirmed["predicted"] <= high)


def test_an_external_stage_has_no_demands_that_are_seen():
    run = a_what_if({UNIX: Pipeline()})
    run.cells[0] = replace(run.cells[0], external_stage=True)
    found = answer(run, UNIX)
    assert found["now"] is None
    assert found["predictions"] == []
    assert any("server of its own" in why for why in found["left_out"])


def test_a_wait_that_is_not_there_stays_away():
    idle = Station(0.0, 1)
    assert wait_ratio(idle, idle, 100.0) == 1.0
    assert wait_ratio(Station(5000, 1), Station(9900, 1), 100.0) is None
    assert wait_ratio(Station(5000, 1), Station(2500, 1), 100.0) == pytest.approx(
        (0.25 / 0.75 / 2) / (0.5 / 0.5)
    )


def test_changes_have_keys_and_words():
    assert Change("phase", "encode").key == "encode/2"
    assert Change("phase", "encode").words == "encode twice as fast"
    assert Change("workers", "2", "1").words == "2 workers instead of 1"
    assert Change("batch", "8", "1").words == "8 messages a batch instead of 1"
