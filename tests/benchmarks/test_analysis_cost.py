"""What analysing a long run costs: ten million messages, in time and memory, each in a process of its own.

    pytest tests/benchmarks/test_analysis_cost.py -n0 --benchmark-enable -s

prints seconds, CPU seconds (what a machine that others use would need alone) and peak resident memory on one
core; the promise is under 10 s and under 2 GB. Without the
option a hundredth of it runs, which only shows that it works.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import json, os, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}) if hasattr(os, "sched_setaffinity") else None
from pathlib import Path
from benchkit.analysis.document import document
from benchkit.engine.usage import peak_rss_bytes
from benchkit.records.folder import load
began = time.perf_counter()
made = document(load(Path(sys.argv[1])))
seconds = time.perf_counter() - began
latency = made["cells"][0]["latency_us"]
peak = peak_rss_bytes(os.getpid())  # not ru_maxrss, which a process has from the one that started it
cpu_seconds = time.process_time()
print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak,
                  "count": latency["count"], "error": latency["error"]}))
"""


def planted(folder: Path, messages: int, blocks: int) -> Path:
    """A run directory of one cell, appended block by block like a real one."""
    import numpy as np
    from analysis_samples import a_block, a_header

    from benchkit.records.recording import Recording

    rng = np.random.default_rng(0)
    recording = Recording(folder)
    header = a_header()
    for index in range(blocks):
        recording.keep(header, *a_block(rng, index, messages // blocks))
    return recording.finish(header, {"schema": "benchkit.run/1"})


@pytest.mark.timeout(300)
@pytest.mark.parametrize("blocks", [1, 10, 1000], ids=lambda blocks: f"{blocks}-blocks")
def test_ten_million_messages(benchmark: Any, tmp_path: Path, blocks: int) -> None:
    messages = 10_000_000 if benchmark.enabled else 100_000
    folder = planted(tmp_path, messages, blocks)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}

    def once() -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, text=True, env=env, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    found = benchmark.pedantic(once, rounds=1, iterations=1)
    benchmark.extra_info.update(found)
    print(f"\n{messages} messages in {blocks} blocks: {json.dumps(found)}")  # noqa: T201  (what it is for)
    assert found["count"] == messages - messages // blocks // 100 * blocks
    assert found["error"] == 0
