"""Coverage and false claims, by simulation with known truth; seeds are fixed, bounds are binomial."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from benchkit.analysis.intervals import (
    holm_levels,
    mean_interval,
    quantile_interval,
    share_interval,
    weighted_mean_interval,
)
from benchkit.analysis.quantiles import PERCENTILES, median, quantiles
from benchkit.analysis.ranking import Entrant, rank_group

P50 = PERCENTILES["p50"]


def least_covered(trials: int, nominal: float = 0.95) -> int:
    """Fewer than this happens once in a thousand if the coverage is nominal."""
    return int(binom.ppf(0.001, trials, nominal))


def covered(trials: int, draw, truth: float, name: str = "p50") -> int:
    hits = 0
    for _ in range(trials):
        blocks = draw()
        estimate = quantiles(np.concatenate(blocks), (name,))[name]
        interval = quantile_interval(blocks, name, PERCENTILES[name], estimate)
        hits += interval is not None and interval[0] <= truth <= interval[1]
    return hits


def test_the_interval_over_blocks_covers_when_blocks_differ() -> None:
    rng = np.random.default_rng(1)

    def draw() -> list[np.ndarray]:
        return [
            (1e6 * np.exp(0.1 * rng.standard_normal(100) + 0.05 * rng.standard_normal())).astype(np.int64)
            for _ in range(4)
        ]

    assert covered(400, draw, 1e6) >= least_covered(400)


def test_pooled_order_statistics_would_not_cover_there() -> None:
    """Why the block is the unit: taking samples as independent misses the truth far more often."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        logs = 0.1 * rng.standard_normal((4, 100)) + 0.05 * rng.standard_normal((4, 1))
        pooled = np.sort(logs.ravel())
        hits += pooled[180] <= 0 <= pooled[219]
    assert hits < least_covered(400)


def test_one_block_of_dependent_samples_is_covered() -> None:
    rng = np.random.default_rng(2)

    def draw() -> list[np.ndarray]:
        noise = rng.standard_normal(2000)
        chain = np.empty(2000)
        chain[0] = noise[0]
        for at in range(1, 2000):
            chain[at] = 0.8 * chain[at - 1] + 0.6 * noise[at]
        return [(1e6 * np.exp(0.1 * chain)).astype(np.int64)]

    assert covered(200, draw, 1e6) >= least_covered(200)


def test_the_interval_of_p99_covers_with_independent_samples() -> None:
    rng = np.random.default_rng(3)
    truth = -1e6 * math.log(0.01)
    assert covered(400, lambda: [rng.exponential(1e6, 3000).astype(np.int64)], truth, "p99") >= least_covered(
        400
    )
    assert covered(
        400, lambda: list(rng.exponential(1e6, (3, 1000)).astype(np.int64)), truth, "p99"
    ) >= least_covered(400)


def test_blocks_too_dependent_for_a_p99_of_their_own_get_no_false_certainty() -> None:
    """Each holds some twenty independent messages: their p99s agree, far below the true one."""
    rng = np.random.default_rng(6)
    truth = -1e6 * math.log(0.01)
    held = 0
    for _ in range(200):
        blocks = [np.repeat(rng.exponential(1e6, 20), 50).astype(np.int64) for _ in range(10)]
        estimate = quantiles(np.concatenate(blocks), ("p99",))["p99"]
        interval = quantile_interval(blocks, "p99", PERCENTILES["p99"], estimate)
        held += interval is None or interval[0] <= truth <= interval[1]
    assert held >= least_covered(200)


def test_the_interval_of_the_mean_covers_when_blocks_differ() -> None:
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        blocks = [
            rng.exponential(1e6 * np.exp(0.1 * rng.standard_normal() - 0.005), rng.integers(50, 150)).astype(
                np.int64
            )
            for _ in range(6)
        ]
        low, high = mean_interval(blocks) or (0, 0)
        assert low <= np.concatenate(blocks).mean() <= high
        held += low <= 1e6 <= high
    assert held >= least_covered(400)


def test_a_mean_needs_three_parts_and_one_block_is_taken_in_pieces() -> None:
    assert weighted_mean_interval(np.array([1.0, 2.0]), np.array([5.0, 5.0])) is None
    assert weighted_mean_interval(np.zeros(3), np.ones(3)) == (0.0, 0.0)
    assert mean_interval([np.array([5, 7])]) is None
    low, high = mean_interval([np.arange(100, 200)]) or (0, 0)
    assert low < 149.5 < high


def test_no_interval_where_the_sample_cannot_bound_it() -> None:
    assert quantile_interval([np.arange(100)], "p99", PERCENTILES["p99"], 98) is None


def test_the_estimate_lies_in_its_interval() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        blocks = [rng.lognormal(10 + rng.normal(), 1, rng.integers(7, 80)).astype(np.int64) for _ in range(3)]
        estimate = median(np.concatenate(blocks))
        low, high = quantile_interval(blocks, "p50", P50, estimate) or (0, 0)
        assert low <= estimate <= high


def entrants(
    rng: np.random.Generator, factors: list[float], rounds: int, noise: float = 0.05
) -> list[Entrant]:
    found = []
    common = rng.normal(0, 0.2, rounds)  # what a round does to all its cells
    for at, factor in enumerate(factors):
        medians = 1e6 * factor * np.exp(common + noise * rng.standard_normal(rounds))
        ordered = np.sort(medians)
        by_round = {number: int(value) for number, value in enumerate(medians)}
        found.append(Entrant(f"cell-{at}", int(ordered[(rounds - 1) // 2]), by_round))
    return found


def test_equal_cells_are_told_apart_in_at_most_5_percent_of_groups() -> None:
    for rounds, cells in ((3, 4), (5, 3), (8, 6)):
        rng = np.random.default_rng(rounds)
        trials = 300
        false = sum(
            any(not place.tied for place in rank_group(entrants(rng, [1.0] * cells, rounds)))
            for _ in range(trials)
        )
        assert false <= binom.ppf(0.999, trials, 0.05)


def test_a_large_difference_is_claimed_and_its_interval_holds_the_truth() -> None:
    rng = np.random.default_rng(5)
    claimed = held = 0
    for _ in range(200):
        best, other = rank_group(entrants(rng, [1.0, 2.0], 4))
        claimed += not other.tied
        assert best.tied
        assert other.tied == (other.interval is not None and other.interval[0] <= 1)
        held += other.interval is not None and other.interval[0] <= 2.0 <= other.interval[1]
    assert claimed == 200
    assert held >= least_covered(200)


def test_nothing_is_claimed_without_two_common_rounds() -> None:
    one = Entrant("a", 100, {0: 100})
    two = Entrant("b", 900, {0: 900, 1: 900})
    best, other = rank_group([two, one])
    assert (best.cell, best.ratio, best.interval) == ("a", 1.0, (1.0, 1.0))
    assert (other.ratio, other.interval, other.tied) == (9.0, None, True)


def test_holm_steps() -> None:
    assert holm_levels({"a": 0.01, "b": 0.02, "c": 0.9}) == {"a": 0.05 / 3, "b": 0.05 / 2, "c": 0.05}
    assert holm_levels({"a": 0.04, "b": 0.03}) == {"a": 0.025, "b": 0.025}


def test_an_empty_group_has_no_places() -> None:
    assert rank_group([]) == []


@pytest.mark.parametrize("of", [1, 5, 20, 100])
def test_the_interval_of_a_share_covers_whatever_the_share_is(of: int) -> None:
    counts = np.arange(of + 1)
    intervals = np.array([share_interval(count, of) for count in counts.tolist()])
    for truth in np.linspace(0, 1, 201):
        holds = (intervals[:, 0] <= truth) & (truth <= intervals[:, 1])
        assert binom.pmf(counts[holds], of, truth).sum() >= 0.95 - 1e-9
    assert (intervals[0, 0], intervals[-1, 1]) == (0.0, 1.0)
    # None of a hundred: 3.6% may be it.
    assert share_interval(0, 100)[1] == pytest.approx(0.0362, abs=1e-4)
