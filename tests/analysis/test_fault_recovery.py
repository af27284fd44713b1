"""Time to recover on simulated queues: within one window of the truth, whatever the load and the outage."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from fault_trials import S, control, simulated, without
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchkit.analysis.quantiles import quantiles
from benchkit.analysis.recovery import Band, band_of, recovered, series
from benchkit.analysis.recovery.band import LEAST_WINDOWS, SLACKS
from benchkit.analysis.recovery.samples import repeated
from benchkit.samples_needed import PERCENTILES

WINDOW_S = 0.1


@cache
def band(**options: float | bool) -> Band:
    calm = control(**options)
    found = band_of([series(calm.trial, calm.operations)])
    assert found is not None
    return found


def true_s(found: object) -> float:
    return (found.steady_ns - found.trial.injected_ns) / S  # type: ignore[attr-defined]  # a Simulated


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    away=st.floats(0.3, 5.0),
    busy=st.floats(0.2, 0.8),
    rate=st.floats(50, 300),
    begin=st.floats(0.0, 0.3),
    poisson=st.booleans(),
)
def test_the_time_to_recover_is_within_a_window_of_the_truth(
    seed: int, away: float, busy: float, rate: float, begin: float, poisson: bool
) -> None:
    busy = min(busy, 0.7) if poisson else busy
    after = begin + away / (1 - busy) * 1.3 + 2.0
    load = {"rate": rate, "busy": busy, "poisson": poisson}
    found = simulated([(begin, away)], seed=seed, after_s=after, **load)
    normal = band(**load, before_s=5.0)
    undisturbed = simulated([], seed=seed, after_s=after, **load)
    told = series(undisturbed.trial, undisturbed.operations)
    near = np.abs(told.starts_ns - found.steady_ns) < 5 * WINDOW_S * S
    assume(bool(normal.holds(told)[near].all()))  # no burst of the load's own
    way = recovered(found.trial, found.operations, normal)
    assert way.steady_s is not None
    # A message that is late by less than the band allows ends nothing: that long before the truth it is steady.
    early = normal.latency_ns / S / (1 - busy)
    assert true_s(found) - WINDOW_S - early <= way.steady_s <= true_s(found) + WINDOW_S + 1e-9
    assert way.backlog_most == found.most


def test_five_seconds_are_five_seconds() -> None:
    """The server takes a fifth of the time, so it is back a fifth of its absence divided by 0.8 later."""
    found = simulated([(0.0, 5.0)], busy=0.2, after_s=10.0)
    way = recovered(found.trial, found.operations, band(busy=0.2))
    assert true_s(found) == pytest.approx(5.0 / 0.8, abs=0.02)
    assert way.steady_s == pytest.approx(5.0 / 0.8, abs=WINDOW_S)
    assert way.first_success_s == pytest.approx(5.0, abs=WINDOW_S)
    assert way.backlog_most == pytest.approx(1000, abs=3)
    assert way.drain_s == pytest.approx(1.25, abs=0.02)
    assert way.drain_per_s == pytest.approx(1000, rel=0.02)  # a fifth of 5 ms each


def test_without_an_outage_it_is_steady_from_the_first_window_on() -> None:
    found = simulated([])
    way = recovered(found.trial, found.operations, band())
    assert (way.steady_s, way.relapses, way.drain_s) == (0.0, 0, None)
    assert set(way.sensitivity.values()) == {0.0}


def test_what_never_recovers_has_no_time_to_recover() -> None:
    found = simulated([(0.5, 1000.0)], healed_ns=0)
    way = recovered(found.trial, found.operations, band())
    assert way.steady_s == 0.0  # half a second was as before
    assert way.relapses == 1
    broken = replace(found.trial, healed_ns=found.trial.ended_ns)
    assert recovered(broken, found.operations, band()).steady_s is None
    at_once = simulated([(0.0, 1000.0)])
    way = recovered(at_once.trial, at_once.operations, band())
    assert (way.steady_s, way.drain_s) == (None, way.drain_s)
    assert way.watched_s == pytest.approx(6.0, abs=2 * WINDOW_S)


def test_too_much_load_after_the_outage_never_drains_while_somebody_watches() -> None:
    found = simulated([(0.0, 2.0)], busy=0.97, after_s=6.0)
    assert recovered(found.trial, found.operations, band(busy=0.97)).steady_s is None


def test_a_second_outage_is_a_relapse_unless_it_belongs_to_the_fault() -> None:
    found = simulated([(0.0, 0.5), (3.0, 0.5)], healed_ns=0)
    normal = band()
    way = recovered(found.trial, found.operations, normal)
    assert way.steady_s == pytest.approx(1.0, abs=WINDOW_S)
    assert way.relapses == 1
    second = found.trial.injected_ns + 3 * S
    death = {"party": "stage-0", "at_ns": second, "how": "SIGKILL"}
    again = recovered(replace(found.trial, deaths=(death,)), found.operations, normal)
    assert again.steady_s == pytest.approx(4.0, abs=WINDOW_S)
    assert again.relapses == 0
    on = recovered(replace(found.trial, healed_ns=second + S // 2), found.operations, normal)
    assert on.steady_s == pytest.approx(4.0, abs=WINDOW_S)


def test_lost_messages_keep_a_window_out_of_the_band() -> None:
    found = simulated([])
    at = np.flatnonzero(found.operations["due"] >= found.trial.injected_ns)
    rows = without(found.operations, *at[70:80].tolist())
    way = recovered(found.trial, rows, band())
    assert way.steady_s == 0.0
    rows = without(found.operations, *at[10:60].tolist())
    assert recovered(found.trial, rows, band()).steady_s == pytest.approx(0.3, abs=1e-6)


def test_without_a_control_the_time_before_is_normal_and_the_band_says_so() -> None:
    found = simulated([(0.0, 1.0)])
    way = recovered(found.trial, found.operations)
    assert way.band is not None
    assert way.band.source == "before"
    assert way.steady_s == pytest.approx(2.0, abs=WINDOW_S)
    short = simulated([(0.0, 1.0)], before_s=0.2)
    assert recovered(short.trial, short.operations).band is None
    assert recovered(short.trial, short.operations).steady_s is None


def test_the_first_detection_counts_and_those_before_the_fault_do_not() -> None:
    found = simulated([(0.0, 1.0)])
    injected = found.trial.injected_ns
    detections = (
        {"by": "supervisor", "how": "heartbeat", "at_ns": injected - S},
        {"by": "supervisor", "how": "exit", "at_ns": injected + S // 4},
        {"by": "producer", "how": "error", "at_ns": injected + S // 10},
    )
    way = recovered(replace(found.trial, detections=detections), found.operations, band())
    assert (way.detected_by, way.detected_how, way.detect_s) == ("producer", "error", 0.1)
    assert recovered(found.trial, found.operations, band()).detect_s is None


def test_the_answer_hardly_depends_on_the_slack_of_the_band() -> None:
    found = simulated([(0.0, 2.0)])
    way = recovered(found.trial, found.operations, band())
    times = [value for value in way.sensitivity.values() if value is not None]
    assert len(times) == len(SLACKS)
    assert max(times) - min(times) <= WINDOW_S + 1e-9


def test_a_band_of_few_windows_is_none() -> None:
    calm = control(before_s=WINDOW_S * (LEAST_WINDOWS - 2), after_s=0.0)
    assert band_of([series(calm.trial, calm.operations)]) is None


# Series -------------------------------------------------------------------------------------------------


def test_windows_hold_every_message_once_and_have_the_percentiles_of_the_package() -> None:
    found = simulated([(0.0, 0.5)], rate=2000.0, before_s=1.0, after_s=2.0, poisson=True)
    told = series(found.trial, found.operations)
    rows = found.operations
    assert found.trial.injected_ns in told.starts_ns
    assert int(told.offered.sum()) <= len(rows) < int(told.offered.sum()) + 500
    for at in (0, len(told) // 2, len(told) - 1):
        start = told.starts_ns[at]
        inside = (rows["due"] >= start) & (rows["due"] < start + told.window_ns)
        latency = (rows["finished"] - rows["due"])[inside]
        assert told.offered[at] == inside.sum()
        expected = np.sort(latency)[max(1, -(-len(latency) * 99 // 100)) - 1]
        assert told.p99_ns[at] == expected
        assert told.p50_ns[at] == quantiles(latency, ("p50",))["p50"]
        end = start + told.window_ns
        assert told.backlog[at] == (rows["due"] <= end).sum() - (rows["finished"] <= end).sum()


def test_an_undrained_trial_s_missing_messages_wait_to_the_end() -> None:
    found = simulated([])
    rows = without(found.operations, 5)
    assert series(found.trial, rows).backlog[-1] == series(found.trial, found.operations).backlog[-1]
    waiting = series(replace(found.trial, drained=False), rows)
    assert waiting.backlog[-1] == series(found.trial, found.operations).backlog[-1] + 1


# Repeated -----------------------------------------------------------------------------------------------


def test_samples_keep_all_and_an_interval_needs_six() -> None:
    assert repeated([]).median_s is None
    few = repeated([1.0, 2.0, 4.0])
    assert (few.n, few.mean_s, few.median_s, few.ci95_s) == (3, pytest.approx(7 / 3), 2.0, None)
    ten = repeated([float(each) for each in range(10)])
    assert (ten.median_s, ten.ci95_s) == (4.5, (1.0, 8.0))  # ranks 2 and 9 of 10 for a median
    assert ten.samples_s == tuple(map(float, range(10)))


def test_what_never_came_back_is_no_mean_and_stands_at_the_far_end() -> None:
    found = repeated([1.0, None, 3.0, 2.0])
    assert (found.never, found.mean_s, found.median_s) == (1, None, 2.5)
    assert repeated([1.0, None, None]).median_s is None
    assert repeated([None, 1.0]).median_s is None


@given(st.lists(st.floats(0, 100), min_size=6, max_size=40))
def test_the_interval_s_ranks_hold_the_median_at_95_percent(values: list[float]) -> None:
    found = repeated(values)
    assert found.ci95_s is not None
    low, high = found.ci95_s
    assert low <= (found.median_s or 0.0) <= high
    assert PERCENTILES["p50"] == Fraction(1, 2)
