"""The runner's memory stays flat while blocks come and go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LONG_S = float(os.environ.get("BENCHKIT_SOAK_S", "0"))
"""BENCHKIT_SOAK_S=3600 soaks for an hour, messages as they come."""

PROGRAM = """
import json, sys
from pathlib import Path

import numpy as np
import psutil

from benchkit import scenario
from benchkit.engine import runner
from benchkit.records.recording import Recording

path, out, blocks, rows = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
measured = runner.run_block
seen = []

def swollen(*arguments):
    # A real block, its messages multiplied: what thousands of blocks hold, in seconds.
    block, samples = measured(*arguments)
    if rows:
        first = samples["seq"][0]
        samples = np.resize(samples, rows)
        samples["seq"] = np.arange(rows) + first
    seen.append((len(samples) * samples.itemsize, psutil.Process().memory_info().rss))
    return block, samples

runner.run_block = swollen
plan = scenario.load(path, sets=[f"blocks.{blocks}"])
held = Recording() if sys.argv[5] == "held" else Recording(out, checkpoint_s=0.5)
made = runner.Runner(plan, lambda _: None, recording=held)
made._recording.whole = lambda run: run
run = made.run()
assert not run.failures, run.failures
print(json.dumps({"blocks": len(seen), "bytes": [b for b, _ in seen], "rss": [r for _, r in seen]}))
"""


def soak(folder: Path, blocks: str, rows: int, where: str = "disk") -> dict[str, Any]:
    scenario = folder / "soak.yaml"
    scenario.write_text(
        "name: soak\nsource: {kind: sensors, samples: 4, channels: 4}\ntransport: [inproc, unix]\n"
        "load: {arrival: constant, rate: 500/s}\nblocks: {duration: 20ms, warmup: 4ms, drain: 1s}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(scenario), str(folder / "out"), blocks, str(rows), where],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def growth(found: dict[str, Any]) -> float:
    """Bytes by which the runner grew for each byte that was measured, from a quarter of the run on."""
    first = found["blocks"] // 4
    grown = found["rss"][-1] - found["rss"][first]
    return float(grown / sum(found["bytes"][first:-1]))


def test_the_runner_does_not_grow_with_its_blocks(tmp_path: Path) -> None:
    found = soak(tmp_path, "rounds=10", 10_000)
    assert found["blocks"] == 20
    assert growth(found) < 0.25


def test_that_it_would_be_seen(tmp_path: Path) -> None:
    assert growth(soak(tmp_path, "rounds=6", 10_000, "held")) > 0.75


@pytest.mark.skipif(not LONG_S, reason="BENCHKIT_SOAK_S says how many seconds")
@pytest.mark.timeout(120 + 2 * LONG_S)
def test_a_long_soak_is_flat(tmp_path: Path) -> None:
    found = soak(tmp_path, f"soak={LONG_S:g}s", 0)
    half = found["blocks"] // 2
    grown = found["rss"][-1] - found["rss"][half]
    print(f"\n{found['blocks']} blocks, the second half grew the runner by {grown} bytes")  # noqa: T201  (what it is for)
    assert grown < 1024 * (found["blocks"] - half) + 2**20
