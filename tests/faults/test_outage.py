"""A scripted outage is measured as long as it was, within one window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import small_trials
from small_trials import Lane, lane

from benchkit.analysis.recovery import recovered
from benchkit.faults.base import Fault
from benchkit.faults.stop import Stop
from benchkit.stages.synthetic import Synthetic

OUTAGE_S = 0.6


@pytest.fixture(scope="module")
def trials() -> Iterator[Lane]:
    with lane() as made:
        yield made


TERMS = replace(small_trials.TERMS, before_s=0.7, after_s=0.7, window_s=0.05)


@pytest.mark.quiet
@pytest.mark.parametrize("party", ["stage", "broker"])
def test_recovery_within_one_window_of_the_truth(
    trials: Lane, party: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_trials, "TERMS", TERMS)
    fault: Fault = Stop.model_validate({"party": party, "at": 0.05, "lasting": OUTAGE_S})
    stage = Synthetic(service=0.001, busy="sleep")
    trial, rows = trials.trial({"kind": "redis-stream"}, fault, stage=stage)
    assert trial.proof
    assert trial.drained
    way = recovered(trial, rows)
    lasted_s = (trial.healed_ns - trial.injected_ns) / 1e9
    assert lasted_s >= OUTAGE_S
    assert way.first_success_s is not None
    assert abs(way.first_success_s - lasted_s) <= way.window_s
    # Steady: from the first message that came in time again on, and no later than after the last one that did not.
    assert way.band is not None
    latency_ns = rows["finished"] - rows["due"]
    after = rows["due"] >= trial.injected_ns
    late = after & (latency_ns > way.band.latency_ns)
    in_time = after & ~late & (rows["finished"] > trial.healed_ns)
    first_s = (int(rows["due"][in_time].min()) - trial.injected_ns) / 1e9 if in_time.any() else None
    last_s = (int(rows["finished"][late].max()) - trial.injected_ns) / 1e9
    if way.steady_s is not None:
        assert first_s is not None
        assert first_s - way.window_s <= way.steady_s <= last_s + way.window_s
