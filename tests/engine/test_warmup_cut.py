"""What the engine makes of a change that was found: samples, account and cost fit what was cut."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from benchkit.engine.leaving import cut_warmup, due_s
from benchkit.engine.leaving import used as usage_of
from benchkit.engine.underway import Place
from benchkit.records.samples import SAMPLE, Samples, Status
from benchkit.records.seen import Usage

MS = 1_000_000
PLACE = Place(index=0, round=0, payload_bytes=10, offered_per_s=1000.0, broker_pid=None)


def slow_first_tenth() -> Samples:
    samples = np.zeros(1000, SAMPLE)
    samples["due"] = (1 + np.arange(1000)) * MS
    latency = np.where(np.arange(1000) < 100, MS // 2, MS // 4) + np.arange(1000) % 7 * 1000
    samples["finished"] = samples["returned"] = samples["due"] + latency
    samples["status"] = Status.DELIVERED
    samples["warmup"][:20] = True
    return samples


def cut(samples: Samples, longest_s: float, fixed: int = 20) -> int:
    task = SimpleNamespace(warmup_s=0.02, warmup_max_s=longest_s)
    return cut_warmup(task, samples, PLACE, fixed).messages  # type: ignore[arg-type]  # two of its fields


def test_the_samples_hold_what_was_cut() -> None:
    samples = slow_first_tenth()
    messages = cut(samples, 0.3)
    assert 95 <= messages <= 130
    assert samples["warmup"].sum() == samples["warmup"][:messages].sum() == messages
    assert due_s(samples, messages) == pytest.approx(messages / 1000)


def test_where_nothing_is_looked_for_the_fixed_cut_stands() -> None:
    samples = slow_first_tenth()
    assert cut(samples, 0.02) == 20 == samples["warmup"].sum()
    assert cut(np.zeros(0, SAMPLE), 0.3, fixed=0) == 0


def test_the_cost_is_that_of_the_messages_that_count() -> None:
    measured = {
        "warmup_messages": 20,
        "cpu_ns": 980,
        "peak_rss_bytes": 7,
        "rss_bytes": 7,
        "pacing_cpu_ns": 98,
        "spin_ns": 490,
    }
    stage = [{"cpu_ns": 1960, "peak_rss_bytes": 5, "rss_bytes": 5, "integrity_ns": 0, "spin_ns": 0}]
    used = usage_of(measured, stage, Usage(1000, 3), messages=1000, warmup=510)
    assert (used["producer"].cpu_ns, used["producer"].pacing_cpu_ns) == (490, 49)
    assert (used["stage"].cpu_ns, used["broker"].cpu_ns) == (980, 490)
