"""The evaluator, whatever it is shown: by properties, against what was fed."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from alert_cases import S, seen, told
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.alerts import Evaluator, Notice, Observation
from benchkit.alerts.rules.dead import Dead
from benchkit.alerts.rules.threshold import Threshold
from benchkit.errors import UsageError

LIMIT = 10.0
durations = st.sampled_from([0.0, 0.5, 1.0, 3.0])
values = st.sampled_from([0.0, 5.0, 9.0, 10.0, 11.0, 100.0, math.nan])
parties = st.sampled_from(["a", "b"])
steps = st.lists(
    st.tuples(st.sampled_from([0.1, 0.5, 1.0, 2.0]), st.lists(st.tuples(parties, values), max_size=3)),
    max_size=40,
)
thresholds = st.builds(
    Threshold,
    metric=st.just("benchkit_queue_depth"),
    above=st.just(LIMIT),
    well_at=st.sampled_from([None, 5.0]),
    lasting=durations,
    clear=durations,
    repeat=st.sampled_from([None, 1.0, 4.0]),
)


def fed(rule, moves):
    """Each feed's moment, the value that stands for each party then, and what was said."""
    evaluator = Evaluator([rule])
    now, last, log = 0, {}, []
    for step_s, found in moves:
        now += round(step_s * S)
        observations = [
            Observation(now - len(found) + at, "benchkit_queue_depth", {"party": party}, value)
            for at, (party, value) in enumerate(found)
        ]
        last |= dict(found)
        last = {party: value for party, value in last.items() if not math.isnan(value)}
        notices = evaluator.feed(observations, now)
        log.append((now, dict(last), notices, evaluator.firing))
    return log


def of(log, party):
    return [notice for _, _, notices, _ in log for notice in notices if notice.labels["party"] == party]


@given(thresholds, steps)
def test_firing_and_resolved_take_turns(rule, moves):
    log = fed(rule, moves)
    for party in ("a", "b"):
        news = [notice.state for notice in of(log, party) if not notice.repeat]
        assert news == ["firing" if at % 2 == 0 else "resolved" for at in range(len(news))]


@given(thresholds, steps)
def test_time_never_goes_back_and_each_notice_is_of_its_moment(rule, moves):
    log = fed(rule, moves)
    for now, _, notices, _ in log:
        for notice in notices:
            assert notice.at_ns == now
            assert notice.since_ns <= now
            assert notice.fired_ns <= now
    said = [notice.at_ns for _, _, notices, _ in log for notice in notices]
    assert said == sorted(said)


@given(thresholds, steps)
def test_nothing_fires_without_a_cause_that_lasted(rule, moves):
    log = fed(rule, moves)
    for at, (now, _, notices, _) in enumerate(log):
        for notice in notices:
            if notice.state == "firing" and not notice.repeat:
                party = notice.labels["party"]
                # Every feed from `lasting` before on found it beyond the limit, and there is one that old.
                back = next(first for first in range(at, -1, -1) if now - log[first][0] >= rule.lasting * S)
                assert all(log[one][1].get(party, 0.0) > LIMIT for one in range(back, at + 1))


@given(thresholds, steps)
def test_nothing_is_taken_back_unless_it_is_well_for_long_enough_or_over(rule, moves):
    well = LIMIT if rule.well_at is None else rule.well_at
    log = fed(rule, moves)
    for at, (now, last, notices, _) in enumerate(log):
        for notice in notices:
            party = notice.labels["party"]
            if notice.state != "resolved" or party not in last:
                continue
            back = next(first for first in range(at, -1, -1) if now - log[first][0] >= rule.clear * S)
            assert all(log[one][1].get(party, 0.0) <= well for one in range(back, at + 1))


@given(thresholds, steps)
def test_a_repeat_comes_only_while_it_fires_and_not_too_soon(rule, moves):
    log = fed(rule, moves)
    for party in ("a", "b"):
        for before, notice in pairwise(of(log, party)):
            if notice.repeat:
                assert rule.repeat is not None
                assert before.state == "firing"
                assert notice.repeat == before.repeat + 1
                assert notice.at_ns - before.at_ns >= rule.repeat * S
                assert notice.fired_ns == before.fired_ns


@given(thresholds, steps)
def test_what_fires_is_what_was_said_to_fire_last(rule, moves):
    standing: dict[str, Notice] = {}
    for _, _, notices, firing in fed(rule, moves):
        for notice in notices:
            if notice.state == "firing":
                standing[notice.labels["party"]] = notice
            else:
                del standing[notice.labels["party"]]
        assert {notice.labels["party"]: notice for notice in firing} == standing


@given(thresholds, steps, st.randoms())
def test_the_order_in_which_observations_are_handed_over_does_not_matter(rule, moves, chance):
    straight, shuffled = Evaluator([rule]), Evaluator([rule])
    now = 0
    for step_s, found in moves:
        now += round(step_s * S)
        observations = [
            Observation(now - len(found) + at, "benchkit_queue_depth", {"party": party}, value)
            for at, (party, value) in enumerate(found)
        ]
        mixed = list(observations)
        chance.shuffle(mixed)
        assert straight.feed(observations, now) == shuffled.feed(mixed, now)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=1, max_size=60),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.sampled_from([1.0, 1.5, 3.0]),
)
def test_a_party_is_dead_exactly_when_it_was_silent_for_too_long(moves, heartbeat, intervals):
    """Against a model of one line: silence since the last beat is longer than the limit."""
    rule = Dead(heartbeat=heartbeat, intervals=intervals)
    evaluator = Evaluator([rule])
    limit_ns = round(heartbeat * intervals * S)
    now = heard = 10 * S
    evaluator.feed([Observation(now, "benchkit_heartbeat_age_seconds", {"party": "w"}, 0.0)], now)
    for quarters, beats in moves:
        now += quarters * S // 4
        if beats:
            heard = now
        age = Observation(now, "benchkit_heartbeat_age_seconds", {"party": "w"}, (now - heard) / S)
        evaluator.feed([age], now)
        assert bool(evaluator.firing) == (now - heard > limit_ns)
        for notice in evaluator.firing:
            assert abs(notice.since_ns - heard) < 1000 or notice.since_ns >= heard - 1000


def test_a_silence_is_noticed_also_when_nobody_looks_any_more():
    beat = seen(10, "heartbeat_age_seconds", 0.0, party="w")
    notices = told(Dead(heartbeat=1.0, intervals=1.5), [(10, [beat]), (11.5, []), (11.6, []), (30, [])])
    assert [(notice.state, notice.at_ns, notice.since_ns) for notice in notices] == [
        ("firing", round(11.6 * S), 10 * S)
    ]


def test_one_notice_for_each_group_of_labels_and_rule():
    rules = [
        Threshold(metric="benchkit_queue_depth", above=10),
        Threshold(metric="benchkit_queue_depth", above=20),
    ]
    evaluator = Evaluator(rules)
    notices = evaluator.feed(
        [seen(1, "queue_depth", 30, queue="a"), seen(1, "queue_depth", 15, queue="b")], S
    )
    assert sorted((notice.rule, notice.labels["queue"]) for notice in notices) == [
        ("benchkit_queue_depth above 10", "a"),
        ("benchkit_queue_depth above 10", "b"),
        ("benchkit_queue_depth above 20", "a"),
    ]


def test_labels_are_one_group_in_whatever_order_they_are_written():
    evaluator = Evaluator([Threshold(metric="benchkit_queue_depth", above=10)])
    first = Observation(S, "benchkit_queue_depth", {"a": "1", "b": "2"}, 30)
    second = Observation(2 * S, "benchkit_queue_depth", {"b": "2", "a": "1"}, 30)
    assert len(evaluator.feed([first], S)) == 1
    assert evaluator.feed([second], 2 * S) == []


def test_a_clock_that_goes_back_stands_still():
    evaluator = Evaluator([Threshold(metric="benchkit_queue_depth", above=10, lasting=5)])
    evaluator.feed([seen(10, "queue_depth", 30)], 10 * S)
    evaluator.feed([], 3 * S)
    assert evaluator.feed([], 14 * S) == []
    assert [notice.at_ns for notice in evaluator.feed([], 15 * S)] == [15 * S]


def test_labels_that_do_not_match_are_not_looked_at():
    evaluator = Evaluator([Dead(where={"party": "stage-*"})])
    assert evaluator.feed([seen(1, "up", 0, party="producer")], S) == []
    assert evaluator.feed([seen(1, "up", 0, party="stage-1")], S)[0].labels == {"party": "stage-1"}


def test_two_rules_of_one_name_are_refused():
    with pytest.raises(UsageError, match="two rules are called 'dead'"):
        Evaluator([Dead(), Dead(intervals=3)])
    assert len(Evaluator([Dead(), Dead(intervals=3, name="very dead")]).rules) == 2
