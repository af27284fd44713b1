"""What a mark costs the program that is traced; figures, and no assertion on the machine's time.

pytest tests/benchmarks/test_trace_cost.py --benchmark-enable
"""

from __future__ import annotations

import pytest

from benchkit import trace

NAMES = {"int": 123_456, "str": "camera-1/frame-123456", "bytes": b"camera-1/frame-123456", "long": "x" * 64}


@pytest.fixture
def on(tmp_path):
    with trace.to(tmp_path / "traces"):
        yield


@pytest.mark.parametrize("kind", NAMES)
def test_a_mark(benchmark, on, kind):
    benchmark(trace.received, NAMES[kind])


def test_a_production_with_all_that_it_may_say(benchmark, on):
    benchmark(trace.produced, "camera-1/frame-123456", due_ns=1, payload_bytes=6_220_800, hop=1)


def test_off(benchmark):
    benchmark(trace.received, 123_456)
