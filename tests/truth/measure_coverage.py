"""Prints how often benchkit's 95% intervals hold the truth, next to what was not chosen.

    python tests/truth/measure_coverage.py [replications] [messages per block] [blocks,blocks,...]

`kept` is what benchkit.analysis.intervals does, `none` the replications in which it gave no interval (which
count as covered: it claimed nothing); `t` is Student's t over the logarithms of the blocks'
percentiles, `boot` the percentile bootstrap of whole blocks, `bca` the bias-corrected one (Efron, JASA 82,
1987), `boot-t` the studentised one.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from scipy.special import ndtr, ndtri, stdtrit
from simulated_queues import Floats, Queue

from benchkit.analysis.intervals import mean_interval, quantile_interval
from benchkit.analysis.quantiles import PERCENTILES, quantiles

SETTINGS = [
    *(Queue("M/M/1", rho) for rho in (0.5, 0.7, 0.9)),
    Queue("M/D/1", 0.7), Queue("M/D/1", 0.9), Queue("M/M/2", 0.7), Queue("M/M/2", 0.9), None,
]  # fmt: skip
RESAMPLES = 500
SCALE = 1e6
Pair = tuple[float, float]


def heavy(rng: Generator, rows: int, messages: int) -> Floats:
    """Pareto noise of infinite third moment, each block 5% off by itself."""
    return np.exp(0.05 * rng.standard_normal((rows, 1))) * (1 + 0.2 * rng.pareto(2.2, (rows, messages)))


def resampled(
    values: Floats, statistic: Floats, center: float, jackknife: Floats, spread: Floats
) -> dict[str, Pair]:
    """Three bootstraps; `spread` holds each resample's own standard error, `values` the blocks' statistics."""
    low, high = np.quantile(statistic, [0.025, 0.975])
    share = np.clip(((statistic < center).mean() + (statistic <= center).mean()) / 2, 0.001, 0.999)
    z0, z = ndtri(share), ndtri(np.array([0.025, 0.975]))
    away = jackknife.mean() - jackknife
    tilt = np.sum(away**3) / (6 * np.sum(away**2) ** 1.5 + 1e-300)
    corrected = np.quantile(statistic, ndtr(z0 + (z0 + z) / (1 - tilt * (z0 + z))))
    error = values.std(ddof=1) / np.sqrt(len(values))
    turned = np.quantile((statistic - center) / np.maximum(spread, 1e-12), [0.025, 0.975])
    return {
        "boot": (low, high), "bca": tuple(corrected),
        "boot-t": (center - turned[1] * error, center - turned[0] * error),
    }  # fmt: skip


def of_percentile(rng: Generator, table: Floats, share: float) -> dict[str, Pair]:
    """Intervals that are not benchkit's, of the logarithm of a percentile; `table` has one row per block."""
    blocks, each = table.shape
    rows, pooled = np.sort(table, axis=1), np.sort(table, axis=None)
    center = np.log(pooled[int(np.ceil(share * pooled.size)) - 1])
    own = np.log(rows[:, int(np.ceil(share * each)) - 1])
    half = stdtrit(blocks - 1, 0.975) * own.std(ddof=1) / np.sqrt(blocks)
    near = np.unique(
        np.clip(np.linspace(share - 0.3 * (1 - share), 1, 500) * pooled.size, 0, pooled.size - 1).astype(int)
    )
    grid = pooled[near]
    below = np.stack([np.searchsorted(row, grid, side="right") for row in rows])

    def percentile(weights: Floats) -> Floats:
        reached = weights @ below < np.ceil(share * each * weights.sum(axis=1, keepdims=True))
        return np.log(grid[np.minimum(reached.sum(axis=1), len(grid) - 1)])

    drawn = rng.multinomial(blocks, np.full(blocks, 1 / blocks), RESAMPLES).astype(float)
    mean = drawn @ own / blocks
    spread = np.sqrt(np.maximum(drawn @ own**2 / blocks - mean**2, 0) / (blocks - 1))
    left_out = percentile(np.ones((blocks, blocks)) - np.eye(blocks))
    return {
        "t": (own.mean() - half, own.mean() + half),
        **resampled(own, percentile(drawn), center, left_out, spread),
    }


def of_mean(rng: Generator, table: Floats) -> dict[str, Pair]:
    own = table.mean(axis=1)
    blocks, center = len(own), own.mean()
    half = stdtrit(blocks - 1, 0.975) * own.std(ddof=1) / np.sqrt(blocks)
    drawn = rng.multinomial(blocks, np.full(blocks, 1 / blocks), RESAMPLES).astype(float)
    mean = drawn @ own / blocks
    spread = np.sqrt(np.maximum(drawn @ own**2 / blocks - mean**2, 0) / (blocks - 1))
    left_out = (own.sum() - own) / (blocks - 1)
    return {"t": (center - half, center + half), **resampled(own, mean, center, left_out, spread)}


def replications(
    queue: Queue | None, rng: Generator, blocks: int, each: int, count: int
) -> Iterator[tuple[Floats, Floats]]:
    """Responses and waits of one replication, shape (blocks, each) both."""
    for _ in range(0, count, 25):
        if queue is None:
            response = wait = heavy(rng, 25 * blocks, each)
        else:
            _, wait, service = queue.simulate(rng, 25 * blocks, each)
            response = wait + service
        yield from zip(response.reshape(25, blocks, each), wait.reshape(25, blocks, each), strict=True)


def truth(queue: Queue | None) -> dict[str, float]:
    if queue is None:
        sample = heavy(np.random.default_rng(1), 8000, 1000)
        return {"p50": np.quantile(sample, 0.5), "p99": np.quantile(sample, 0.99), "mean": sample.mean()}
    return {
        "p50": queue.response_quantile(0.5),
        "p99": queue.response_quantile(0.99),
        "mean": queue.mean_wait(),
    }


def main(count: int, each: int, block_counts: list[int]) -> None:
    rng = np.random.default_rng(5)
    for queue in SETTINGS:
        known = truth(queue)
        for blocks in block_counts:
            held: dict[tuple[str, str], list[bool]] = defaultdict(list)
            for response, wait in replications(queue, rng, blocks, each, count):
                whole = list((response * SCALE).astype(np.int64))
                for name in ("p50", "p99"):
                    estimate = quantiles(np.concatenate(whole), (name,))[name] or 0
                    kept = quantile_interval(whole, name, PERCENTILES[name], estimate)
                    true = known[name] * SCALE
                    held[name, "kept"].append(kept is None or kept[0] <= true <= kept[1])
                    held[name, "none"].append(kept is None)
                    for way, (low, high) in of_percentile(rng, response, float(PERCENTILES[name])).items():
                        held[name, way].append(low <= np.log(known[name]) <= high)
                low, high = mean_interval(list((wait * SCALE).astype(np.int64))) or (0, 0)
                held["mean", "kept"].append(low <= known["mean"] * SCALE <= high)
                for way, pair in of_mean(rng, wait).items():
                    held["mean", way].append(pair[0] <= known["mean"] <= pair[1])
            title = f"{queue.name} {queue.rho}" if queue else "heavy tail"
            for name in ("p50", "p99", "mean"):
                row = [
                    f"{way} {100 * np.mean(hits):5.1f}" for (what, way), hits in held.items() if what == name
                ]
                sys.stdout.write(f"{title:10} {blocks:2} x {each} {name:4}  {'  '.join(row)}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 500,
        int(given[1]) if len(given) > 1 else 1000,
        [int(each) for each in (given[2] if len(given) > 2 else "3,5,10,20,40").split(",")],
    )
