"""A project whose builds are compared: its stage, its scenario, its repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

STAGE = """\
import time

import numpy as np

SPIN_NS = {4: 1_000_000, 8: 1_000_000}


def work(arrays):
    channels = next(iter(arrays.values())).shape[-1]
    until = time.perf_counter_ns() + SPIN_NS[channels]
    while time.perf_counter_ns() < until:
        pass
    return {"x": np.zeros(1, np.float32)}
"""
SCENARIO = """\
name: tiny
source: [{kind: sensors, samples: 16, channels: 4}, {kind: sensors, samples: 16, channels: 8}]
transport: unix
stage: {kind: python, target: "stage:work", path: .}
load: {arrival: closed, in_flight: 1}
blocks: {rounds: 1, duration: 200ms, warmup: 20ms, warmup_max: 20ms}
gate:
  p50: 5%
  p99: null
  throughput: null
  blocks: 6
checks: {replies: false}
"""


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()
