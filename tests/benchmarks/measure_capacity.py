"""Found over true capacity, with real processes: python tests/benchmarks/measure_capacity.py [RUNS] [TRANSPORT].

The stage sleeps 5 ms a message, so nothing beyond 200/s is possible. What the machine really gave is printed
beside it: the closed loop of the same run, and what came back while the load was too high.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import yaml

from benchkit import scenario
from benchkit.analysis.document import document
from benchkit.engine.runner import Runner

IDEAL_PER_S = 200.0
SCENARIO = {
    "name": "capacity-truth",
    "source": {"kind": "sensors", "samples": 16, "channels": 4},
    "stage": {"kind": "synthetic", "service": "5ms", "busy": "sleep"},
    "load": {"find": "capacity", "slo": {"p99": "100ms", "loss": 0}, "arrival": "constant"},
    "blocks": {"rounds": 3, "duration": "1s", "warmup": "200ms", "drain": "2s"},
}


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    transport = sys.argv[2] if len(sys.argv) > 2 else "inproc"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "truth.yaml"
        path.write_text(yaml.safe_dump({**SCENARIO, "transport": transport}), "utf-8")
        for seed in range(runs):
            run = Runner(scenario.load(path, sets=[f"seed={seed}"]), lambda _: None).run()
            print(told(document(run)["cells"][0]["capacity"], run.duration_s), flush=True)  # noqa: T201


def told(found: dict, took_s: float) -> str:
    rate = found["rate_per_s"]
    if rate is None:
        return f"nothing found ({found['ended']})"
    over = [level["delivered_per_s"] for level in found["levels"] if level["rate_per_s"] > rate]
    beyond = f"{rate / statistics.median(over):.3f}" if over else "-"
    return (
        f"{rate:.1f}/s {found['interval']}: {rate / IDEAL_PER_S:.3f} of the ideal, "
        f"{rate / found['saturated_per_s']:.3f} of the closed loop, {beyond} of what came back when overloaded; "
        f"{found['blocks']} blocks, {took_s:.0f} s, {found['ended']}"
    )


if __name__ == "__main__":
    main()
