"""The gate's statistics: exact tests beside scipy's, what is claimed together, what looking again costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from benchkit.gate.rows import Claim, Key, Row, decided, rows, with_fresh, worst
from benchkit.gate.sequence import confirmation, course, fewest_blocks
from benchkit.gate.statistics import (
    ALPHA,
    Floats,
    blocks_needed,
    estimate,
    fresh_looks,
    holm,
    interval,
    looks,
    p_beyond,
    spending,
)

DELTA = 0.03
FINITE = st.floats(-0.5, 0.5).filter(lambda value: abs(value) > 1e-6)


@pytest.mark.parametrize("count", [5, 8, 20])
def test_the_test_against_a_margin_is_the_exact_one_sided_signed_rank_test(count: int) -> None:
    rng = np.random.default_rng(count)
    for _ in range(20):
        values = 0.03 + 0.05 * rng.standard_normal(count)
        exact = wilcoxon(values - 0.02, alternative="greater", method="exact").pvalue
        assert p_beyond(values, 0.02) == pytest.approx(exact)


@given(st.lists(FINITE, min_size=6, max_size=25), st.floats(-0.3, 0.3))
def test_a_shift_of_all_differences_shifts_estimate_and_interval(values: list[float], shift: float) -> None:
    own = np.array(values)
    assert estimate(own + shift) == pytest.approx(estimate(own) + shift, abs=1e-9)
    assert interval(own + shift, 0.05) == pytest.approx(tuple(np.add(interval(own, 0.05), shift)), abs=1e-9)


@given(st.lists(FINITE, min_size=8, max_size=25))
def test_the_estimate_lies_in_its_interval_and_a_stricter_level_widens_it(values: list[float]) -> None:
    own = np.array(values)
    low, high = interval(own, 0.05)
    wide_low, wide_high = interval(own, 0.01)
    assert wide_low <= low <= estimate(own) <= high <= wide_high


@given(st.lists(FINITE, min_size=6, max_size=20))
def test_more_delta_is_never_easier_to_be_beyond(values: list[float]) -> None:
    own = np.array(values)
    p_values = [p_beyond(own, delta) for delta in (0.0, 0.02, 0.1)]
    assert p_values == sorted(p_values)


@given(st.dictionaries(st.integers(), st.floats(0, 1), max_size=12))
def test_holm_claims_between_bonferroni_and_no_correction(p_values: dict[int, float]) -> None:
    claimed = holm(p_values, 0.05)
    assert {key for key, p in p_values.items() if p <= 0.05 / max(1, len(p_values))} <= claimed
    assert claimed <= {key for key, p in p_values.items() if p <= 0.05}


def test_holm_stops_at_the_first_that_does_not_hold() -> None:
    assert holm({"a": 0.01, "b": 0.03, "c": 0.04}, 0.05) == {"a"}
    assert holm({"a": 0.01, "b": 0.02, "c": 0.04}, 0.05) == {"a", "b", "c"}


@given(st.integers(6, 200))
def test_the_looks_spend_five_percent_in_all_and_end_with_the_last_block(blocks: int) -> None:
    found = looks(blocks)
    assert sum(look.level for look in found) == pytest.approx(ALPHA)
    assert found[-1].blocks == blocks
    assert [look.blocks for look in found] == sorted({look.blocks for look in found})
    assert all(look.level > 0 for look in found)


@given(st.integers(1, 200))
def test_the_looks_at_fresh_blocks_spend_five_percent_in_all_and_the_last_decides(blocks: int) -> None:
    found = fresh_looks(blocks)
    assert sum(look.level for look in found) == pytest.approx(ALPHA)
    assert [look.blocks for look in found] == sorted({look.blocks for look in found})
    assert found[-1].blocks == 2 * blocks
    if blocks >= fewest_blocks(1):
        assert 2.0 ** -found[0].blocks <= found[0].level


def test_the_spending_function_is_obrien_and_fleming_s() -> None:
    # Lan and DeMets 1983, alpha 0.05 two-sided: 0.0056 at half the information.
    assert spending(0.5) == pytest.approx(0.00557, abs=1e-5)
    assert spending(1.0) == pytest.approx(0.05)


def test_with_fewer_blocks_than_the_fewest_nothing_can_fail() -> None:
    for claims in (1, 3, 40):
        count = fewest_blocks(claims)
        clear = [
            Claim("c", str(at), DELTA, np.full(count, 1.0) + 1e-3 * np.arange(count)) for at in range(claims)
        ]
        short = [Claim("c", each.metric, DELTA, each.differences[:-1]) for each in clear]
        assert {row.verdict for row in course(lambda _n, own=clear: own, looks(count)[-1:])} == {"FAIL"}
        assert {row.verdict for row in course(lambda _n, own=short: own, looks(count - 1)[-1:])} == {
            "WARN"
        } or (
            {row.verdict for row in course(lambda _n, own=short: own, looks(count - 1)[-1:])}
            == {"INCONCLUSIVE"}
        )


def test_the_blocks_that_would_decide_grow_with_the_square_of_what_is_too_wide() -> None:
    values = 0.1 * np.random.default_rng(0).standard_normal(20)
    low, high = interval(values, 0.05)
    assert blocks_needed(values, 0.05, (high - low) / 4) == pytest.approx(80, abs=1)
    assert blocks_needed(np.zeros(3), 0.05, 0.03) == 6


# What is said ------------------------------------------------------------------------------------------


def said(values: np.ndarray, delta: float = DELTA, metric: str = "p50") -> Row:
    (row,) = rows([Claim("cell", metric, delta, values)], 0.05)
    return row


NOISE = np.linspace(-1, 1, 20)


@pytest.mark.parametrize(
    ("middle", "spread", "verdict"),
    [
        (0.0, 0.01, "PASS"),
        (0.02, 0.005, "PASS"),  # surely worse, and surely not by more than the limit
        (0.10, 0.01, "FAIL"),
        (0.035, 0.05, "WARN"),  # surely worse, perhaps by less than the limit
        (0.0, 0.3, "INCONCLUSIVE"),
        (-0.30, 0.3, "PASS"),  # however wide the interval, it ends below the limit
    ],
)
def test_verdicts(middle: float, spread: float, verdict: str) -> None:
    assert said(middle + spread * NOISE).verdict == verdict


def test_an_improvement_is_named_where_it_is_sure_and_beyond_the_limit() -> None:
    assert said(-0.10 + 0.01 * NOISE).improved
    assert not said(-0.01 + 0.001 * NOISE).improved
    assert not said(-0.05 + 0.5 * NOISE).improved


def test_a_throughput_that_falls_by_its_limit_is_at_its_limit() -> None:
    assert Claim("c", "throughput", 0.03, NOISE).limit == pytest.approx(-math.log(0.97))
    assert Claim("c", "p50", 0.03, NOISE).limit == pytest.approx(math.log(1.03))


def test_nothing_measured_is_undecided() -> None:
    row = said(np.empty(0))
    assert (row.verdict, row.estimate) == ("INCONCLUSIVE", None)


def confirmed(found: list[Row], fresh: Floats) -> tuple[Row, list[int]]:
    """What is said of the first in the end, and how many fresh blocks were asked for, look by look."""
    asked = []

    def draw(blocks: int, keys: frozenset[Key]) -> list[Claim]:
        asked.append(blocks)
        return [Claim(*key, DELTA, fresh[:blocks]) for key in keys]

    return confirmation(found, draw, fresh_looks(20))[0], asked


CALM = 0.01 * np.linspace(-1, 1, 10)
RESTLESS = np.tile([-0.30, 0.40, 0.35, 0.30, -0.20], 2)


@pytest.mark.parametrize(
    ("first", "verdict"),
    [(0.10 + 0.01 * NOISE, "FAIL"), (0.035 + 0.05 * NOISE, "WARN"), (0.05 + NOISE, "INCONCLUSIVE")],
)
def test_fresh_blocks_alone_say_fail_of_all_that_looks_worse(first: Floats, verdict: str) -> None:
    assert said(first).verdict == verdict
    row, asked = confirmed([said(first)], 0.15 + CALM)
    assert (row.verdict, row.pairs, asked) == ("FAIL", 10, [10])
    assert row.estimate == pytest.approx(0.15)
    assert row.suspected == said(first)


def test_a_suspicion_that_fresh_blocks_do_not_bear_out_is_a_warning() -> None:
    failed, unsure = said(0.10 + 0.01 * NOISE), said(0.05 + NOISE)
    row, asked = confirmed([failed], CALM)
    assert (row.verdict, row.estimate, asked) == ("WARN", pytest.approx(0, abs=1e-9), [10])
    assert with_fresh([failed], {})[0].verdict == "INCONCLUSIVE"
    # Where the first blocks were not sure of anything there is nothing to warn of.
    assert confirmed([unsure], CALM)[0].verdict == "PASS"
    assert with_fresh([unsure], {}) == [unsure]


def test_nothing_is_measured_again_of_what_does_not_look_worse() -> None:
    for first in (0.01 * NOISE, NOISE):
        assert confirmed([said(first)], CALM) == (said(first), [])


def test_where_fresh_blocks_cannot_tell_and_it_looks_worse_more_are_asked() -> None:
    found = [said(0.10 + 0.01 * NOISE)]
    row, asked = confirmed(found, np.concatenate([RESTLESS, 0.30 + CALM]))
    assert (row.verdict, asked) == ("FAIL", [10, 20])
    row, asked = confirmed(found, np.concatenate([RESTLESS, CALM]))
    assert (row.verdict, asked) == ("WARN", [10, 20])
    row, asked = confirmed(found, np.tile(RESTLESS, 4))
    assert (row.pairs, asked) == (40, [10, 20, 40])


def test_a_cell_of_which_a_metric_failed_is_settled() -> None:
    found = [Row("cell", metric, "WARN", DELTA, 20, 0.1, (0.01, 0.2), 0.05) for metric in ("p50", "p99")]
    asked = []

    def draw(blocks: int, keys: frozenset[Key]) -> list[Claim]:
        asked.append(blocks)
        fresh = {"p50": 0.15 + CALM, "p99": RESTLESS}
        return [Claim(*key, DELTA, fresh[key[1]]) for key in sorted(keys)]

    assert [row.verdict for row in confirmation(found, draw, fresh_looks(20))] == ["FAIL", "WARN"]
    assert asked == [10]


def test_it_stops_where_nothing_is_left_to_find_out() -> None:
    assert decided([said(0.01 * NOISE)])
    assert decided([said(0.3 * NOISE), said(0.10 + 0.01 * NOISE)])
    assert not decided([said(0.01 * NOISE), said(0.3 * NOISE)])
    assert worst(["PASS", "INCONCLUSIVE", "WARN"]) == "INCONCLUSIVE"


# What looking again costs ------------------------------------------------------------------------------


def first_failures(effect: float, spread: float, gates: int, metrics: int = 3) -> float:
    """Of so many gates of 20 blocks, how many say FAIL at any look; heavy tails, metrics that go together."""
    rng = np.random.default_rng(1)
    count = 0
    for _ in range(gates):
        shared = rng.standard_t(3, 20)
        own = [effect + spread * (shared + 0.5 * rng.standard_t(3, 20)) for _ in range(metrics)]
        claims = [Claim("cell", str(at), DELTA, each) for at, each in enumerate(own)]
        found = course(
            lambda n, all_=claims: [Claim(c.cell, c.metric, c.delta, c.differences[:n]) for c in all_],
            looks(20),
        )
        count += any(row.verdict == "FAIL" for row in found)
    return count / gates


def test_effects_at_the_limit_fail_at_most_as_often_as_promised_before_any_confirmation() -> None:
    assert 0.005 < first_failures(math.log1p(DELTA), 0.02, 1500) <= 0.05


def test_fresh_blocks_keep_the_promise_by_themselves_whatever_was_suspected() -> None:
    rng = np.random.default_rng(3)
    suspected = [Row("cell", str(at), "WARN", DELTA, 20, 0.1, (0.01, 0.2), 0.05) for at in range(3)]
    failed = 0
    for _ in range(1500):
        shared = rng.standard_t(3, 40)
        own = [math.log1p(DELTA) + 0.02 * (shared + 0.5 * rng.standard_t(3, 40)) for _ in suspected]
        found = confirmation(
            suspected,
            lambda n, keys, own_=own: [Claim(*key, DELTA, own_[int(key[1])][:n]) for key in sorted(keys)],
            fresh_looks(20),
        )
        failed += any(row.verdict == "FAIL" for row in found)
    assert 0.005 < failed / 1500 <= 0.05


def test_looking_without_a_price_would_not_keep_the_promise() -> None:
    rng = np.random.default_rng(2)
    values = math.log1p(DELTA) + 0.02 * rng.standard_normal((1500, 20))
    alarms = [any(p_beyond(own[:n], math.log1p(DELTA)) <= 0.05 for n in range(5, 21)) for own in values]
    assert np.mean(alarms) > 0.10


def test_equal_builds_do_not_fail_and_a_tenth_slower_is_found() -> None:
    assert first_failures(0.0, 0.02, 500) == 0.0
    assert first_failures(math.log(1.10), 0.02, 200) >= 0.95
