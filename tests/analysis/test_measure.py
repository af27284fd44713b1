"""Counts that depend on what shares a stretch of time."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import MS, block_samples

from benchkit.analysis.measure import measure
from benchkit.analysis.verdict import busy


@pytest.mark.parametrize("count", [2, 15, 400])
def test_a_rate_that_is_kept_is_the_throughput_however_short_the_block(count: int) -> None:
    samples = block_samples(
        np.random.default_rng(0), 0, count=count, warmup=0, phase_us={"compute": 500.0}, interval_ns=30 * MS
    )
    found = measure(samples)
    assert found.latency.count / found.span_ns * 1e9 == pytest.approx(1000 / 30)


def test_where_the_stage_lags_behind_the_throughput_is_what_it_did() -> None:
    phase_us = {"queue": 5e6, "compute": 500.0}
    samples = block_samples(
        np.random.default_rng(0), 0, count=15, warmup=0, phase_us=phase_us, noise=0.0, interval_ns=30 * MS
    )
    assert measure(samples).span_ns == int(samples["returned"].max() - samples["due"].min())


def test_a_batch_keeps_the_stage_busy_once() -> None:
    rng = np.random.default_rng(0)
    samples = block_samples(
        rng, 0, count=80, warmup=0, phase_us={"compute": 8000.0, "return": 1.0}, noise=0.0
    )
    for name in ("started", "finished", "replied"):
        samples[name] = np.repeat(samples[name][7::8], 8)
    samples["returned"] = samples["replied"] + 1000
    samples["decoded"] = samples["received"]
    found = measure(samples)
    assert found.stage_busy_ns == 10 * 8 * MS
    assert busy(found, 1, None).stage == pytest.approx(0.1, rel=0.05)
