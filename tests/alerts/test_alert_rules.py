"""Each rule by itself: when it says something, what, and when it holds its tongue."""

from __future__ import annotations

import random

import pytest
from alert_cases import S, each, gone, seen, states, told
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchkit.alerts import Evaluator
from benchkit.alerts.observation import METRICS
from benchkit.alerts.rules.burn_rate import WORKBOOK, BurnRate
from benchkit.alerts.rules.dead import Dead
from benchkit.alerts.rules.frame_age import FrameAge
from benchkit.alerts.rules.growing import Growing
from benchkit.alerts.rules.loss import Loss
from benchkit.alerts.rules.stalled import Stalled
from benchkit.alerts.rules.table import DEFAULT, RULES
from benchkit.alerts.rules.threshold import Threshold


def test_a_process_that_is_gone_is_dead_at_once_and_well_when_another_one_lives():
    found = [seen(1, "up", 1, party="w"), seen(2, "up", 0, party="w"), seen(3, "up", 0, party="w"),
             seen(4, "up", 1, party="w")]  # fmt: skip
    notices = each(Dead(), found)
    assert states(notices) == [("firing", 2.0), ("resolved", 4.0)]
    assert notices[0].summary == "w is gone"
    assert notices[0].severity == "critical"


def test_who_leaves_on_purpose_is_not_dead():
    found = [seen(1, "heartbeat_age_seconds", 0, party="w"), gone(2, "heartbeat_age_seconds", party="w")]
    assert told(Dead(), [(1, found[:1]), (2, found[1:]), (60, [])]) == []


def queue_of(moves, **labels):
    """(second, depth, handled) as the two observations of one look."""
    return [
        (
            at,
            [
                seen(at, "queue_depth", depth, queue="q"),
                seen(at, "handled_total", handled, queue="q", **labels),
            ],
        )
        for at, depth, handled in moves
    ]


def test_a_queue_that_waits_and_does_not_move_is_stalled():
    still = queue_of([(at, 5, 100) for at in range(8)])
    moves = queue_of([(8, 5, 101), (9, 0, 106), (10, 0, 106), (11, 0, 106)])
    notices = told(Stalled(window=5), [*still, *moves])
    assert [state for state, _ in states(notices)] == ["firing", "resolved"]
    assert notices[0].at_ns == 5 * S
    assert notices[1].at_ns == 9 * S
    assert "none was handled for 5 s" in notices[0].summary


@pytest.mark.parametrize(
    "moves",
    [
        [(at, 5, at) for at in range(20)],
        [(at, 0, 100) for at in range(20)],
        [(at, at % 4, 100 + at // 4) for at in range(20)],
        [(at, 1, 100 + at // 5) for at in range(20)],
    ],
    ids=["it moves", "nothing waits", "it empties now and then", "a slow worker"],
)
def test_a_queue_that_moves_or_is_empty_is_not_stalled(moves):
    assert told(Stalled(window=6), queue_of(moves)) == []


def test_of_a_worker_that_is_silent_nothing_is_known():
    found = queue_of([(at, 5, 100) for at in range(3)], party="w")
    silent = [(at, [seen(at, "queue_depth", 5 + at, queue="q")]) for at in range(3, 30)]
    assert told(Stalled(window=5), [*found, *silent]) == []


def test_one_of_two_workers_keeps_a_queue_moving():
    feeds = [
        (at, [seen(at, "queue_depth", 9, queue="q"), seen(at, "handled_total", 100, queue="q", party="a"),
              seen(at, "handled_total", at, queue="q", party="b")])
        for at in range(20)
    ]  # fmt: skip
    assert told(Stalled(window=5), feeds) == []


def test_a_backlog_that_grows_is_told_and_one_that_sways_is_not():
    grows = [seen(at, "queue_depth", 20 * at, queue="q") for at in range(40)]
    notices = each(Growing(window=20, slope=1, least=100), grows)
    assert [state for state, _ in states(notices)] == ["firing"]
    assert 16 <= notices[0].at_ns / S <= 20
    chance = random.Random(3)
    sways = [seen(at, "queue_depth", 500 + chance.gauss(0, 100), queue="q") for at in range(300)]
    assert each(Growing(window=20, slope=1, least=100), sways) == []


@settings(max_examples=30, deadline=None)
@given(st.floats(5, 500), st.lists(st.integers(0, 59), max_size=12, unique=True), st.floats(0, 1e6))
def test_outliers_neither_hide_growth_nor_make_it(slope, outliers, wild):
    rule = Growing(window=60, slope=1, least=10)

    def fed(line):
        points = [wild if at in outliers else line(at) for at in range(61)]
        return each(rule, [seen(at, "queue_depth", depth, queue="q") for at, depth in enumerate(points)])

    assert "firing" in [state for state, _ in states(fed(lambda at: 50 + slope * at))]
    assert fed(lambda at: 50.0) == []


def test_loss_is_told_once_and_well_when_no_more_is_lost():
    counts = [(0, 0), (1, 0), (2, 3), (3, 5), (4, 5), (12, 5), (14, 5), (15, 6)]
    notices = each(Loss(window=10), [seen(at, "lost_total", lost) for at, lost in counts])
    assert states(notices) == [("firing", 2.0), ("resolved", 14.0), ("firing", 15.0)]
    assert notices[0].summary == "3 messages lost"
    assert notices[2].since_ns == 15 * S


def test_a_counter_that_begins_anew_is_no_loss_by_itself():
    counts = [(0, 0), (1, 0), (2, 0)]
    assert each(Loss(), [seen(at, "lost_total", lost) for at, lost in counts]) == []
    assert states(each(Loss(window=1), [seen(0, "lost_total", 5), seen(5, "lost_total", 5),
                                        seen(6, "lost_total", 2)])) == [
        ("firing", 0.0), ("resolved", 5.0), ("firing", 6.0)
    ]  # fmt: skip


def test_frames_must_be_old_for_a_while():
    ages = [(0, 0.1), (1, 3), (2, 3), (3, 0.1), (4, 3), (6, 3), (9, 3), (10, 0.1), (12, 0.1)]
    notices = each(FrameAge(above=2, lasting=5), [seen(at, "frame_age_seconds", age) for at, age in ages])
    assert states(notices) == [("firing", 9.0), ("resolved", 12.0)]
    assert notices[0].since_ns == 4 * S
    assert notices[0].summary == "the newest frame that was worked on is 3 s old"


def test_between_the_limit_and_what_is_well_nothing_changes():
    rule = Threshold(metric="benchkit_queue_depth", above=10, well_at=5, clear=0)
    flaps = [(0, 11), (1, 9), (2, 11), (3, 9), (4, 5), (5, 9), (6, 10.5)]
    notices = each(rule, [seen(at, "queue_depth", depth) for at, depth in flaps])
    assert states(notices) == [("firing", 0.0), ("resolved", 4.0), ("firing", 6.0)]


def test_a_threshold_from_below():
    rule = Threshold(metric="benchkit_consumers", below=2)
    notices = each(rule, [seen(at, "consumers", count) for at, count in [(0, 2), (1, 1), (2, 2), (4, 2)]])
    assert states(notices) == [("firing", 1.0), ("resolved", 4.0)]
    assert notices[0].summary == "benchkit_consumers is 1, below 2"


def slo(minutes, bad_share, *, per_minute=1000, objective="0.99"):
    """Counters once a minute."""
    good = total = 0.0
    for at in range(minutes):
        total += per_minute
        good += per_minute * (1 - bad_share(at))
        labels = {"promise": "p99", "objective": objective}
        yield [seen(60 * at, "slo_good_total", good, **labels), seen(60 * at, "slo_total", total, **labels)]


def burnt(rule, looks):
    evaluator = Evaluator([rule])
    return [notice for look in looks for notice in evaluator.feed(look, look[0].at_ns)]


def test_the_windows_of_the_workbook_for_its_own_period():
    pairs = BurnRate(period="720h").pairs
    assert [(pair.long, round(pair.short_s), pair.factor) for pair in pairs] == [
        (3600.0, 300, 14.4), (6 * 3600.0, 1800, 6.0), (3 * 86400.0, 6 * 3600, 1.0)
    ]  # fmt: skip
    assert pairs == tuple(
        each.model_copy(update={"long": each.long, "short": each.short_s}) for each in WORKBOOK
    )


def test_a_fast_burn_is_told_when_its_share_of_the_budget_is_spent_and_ends_soon_after_its_cause():
    """20% bad against 99% burns 20 times as fast as allowed: 14.4 over an hour are reached after 43.2 minutes of it."""
    notices = burnt(BurnRate(period="720h"), slo(200, lambda at: 0.2 if 60 <= at < 120 else 0.0))
    assert [notice.state for notice in notices] == ["firing", "resolved"]
    fired, resolved = (notice.at_ns / 60 / S for notice in notices)
    assert 60 + 43 <= fired <= 60 + 45
    # The window of five minutes clears within it.
    assert 120 < resolved <= 126


def test_a_slow_burn_is_told_by_the_longer_windows():
    """7% bad burns 7 times as fast: less than 14.4, more than 6 over six hours."""
    notices = burnt(BurnRate(period="720h"), slo(900, lambda at: 0.07 if at >= 360 else 0.0))
    assert [notice.state for notice in notices] == ["firing"]
    assert 360 + 6 / 7 * 360 - 2 <= notices[0].at_ns / 60 / S <= 360 + 6 / 7 * 360 + 4


def test_what_was_not_seen_counts_as_kept():
    """A quarter of an hour with 3% bad is 3 times the rate for it, and next to nothing of three days."""
    assert burnt(BurnRate(period="720h"), slo(15, lambda at: 0.03)) == []


def test_a_short_blip_burns_in_the_short_window_alone():
    assert burnt(BurnRate(period="720h"), slo(200, lambda at: 0.3 if at == 150 else 0.0)) == []


@pytest.mark.parametrize("share", [0.0, 0.005, 0.0099])
def test_within_the_budget_nothing_is_told(share):
    assert burnt(BurnRate(period="720h"), slo(600, lambda at: share)) == []


def test_few_messages_are_no_evidence():
    looks = list(slo(200, lambda at: 1.0, per_minute=0.05))
    assert burnt(BurnRate(period="720h", least=20), looks) == []


def test_the_objective_is_the_promises_own():
    assert burnt(BurnRate(period="720h"), slo(200, lambda at: 0.2, objective="0.5")) == []
    assert burnt(BurnRate(period="720h", objective="99%"), slo(200, lambda at: 0.2, objective="0.5"))


def test_windows_of_ones_own():
    rule = BurnRate(windows=({"long": "10min", "factor": 2},))
    assert [(pair.long, pair.short_s, pair.factor) for pair in rule.pairs] == [(600.0, 50.0, 2.0)]
    notices = burnt(rule, slo(30, lambda at: 0.05 if at >= 10 else 0.0))
    assert [notice.state for notice in notices] == ["firing"]
    assert "times as fast as it may, over 10 min and 50 s" in notices[0].summary


def test_default_stands_for_every_rule_that_needs_no_options():
    assert {*DEFAULT, "threshold"} == set(RULES)
    for name in DEFAULT:
        rule = RULES[name]()
        assert rule.metrics <= set(METRICS)
        assert rule.title == name


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"metric": "benchkit_queue_dept", "above": 1}, "did you mean benchkit_queue_depth?"),
        ({"metric": "cpu", "above": 1}, "no such metric; known: benchkit_up"),
        ({"metric": "benchkit_queue_depth"}, "either `above` or `below`"),
        ({"metric": "benchkit_queue_depth", "above": 1, "below": 0}, "either `above` or `below`"),
        ({"metric": "benchkit_queue_depth", "above": 10, "well_at": 11}, "well_at 11 is itself beyond"),
        ({"metric": "benchkit_queue_depth", "below": 10, "well_at": 9}, "well_at 9 is itself beyond"),
        ({"metric": "benchkit_queue_depth", "above": 1, "lasting": "5 parsec"}, "not a duration"),
        ({"metric": "benchkit_queue_depth", "above": float("nan")}, "finite"),
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused(options, says):
    with pytest.raises(ValidationError, match=None) as caught:
        Threshold(**options)
    assert says in str(caught.value)
