"""A/A and A/B: equals are not told apart, a stage that is 5% or 10% slower is.

The noise is recorded (data/noise-2ms-spin-shm.npz): one run on a shared virtual machine of two cores with a
load average of 2.4, 60 rounds of blocks of 250 ms of two cells that are equal in all that matters, a synthetic
stage spinning for 2 ms over shared memory with places for 8 and for 9 messages, one in flight (so that no more
than one place is ever used). `messages` is how many each block holds, shape (2, 60); `compute_ns` and
`other_ns` (the rest of the latency) are those of the first cell's rounds in order and then the second's. B's
compute is made slower and both are put through `measure`. A comparison draws whole rounds with replacement,
tosses for each which of its two blocks is A's and which B's, and asks `rank_group` or `compare` for the verdict.

BENCHKIT_TRUTH=full compares really, a dozen times (about three minutes).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.random import Generator

from benchkit.analysis.compare import compare
from benchkit.analysis.measure import measure
from benchkit.analysis.quantiles import median
from benchkit.analysis.ranking import Entrant, rank_group
from benchkit.records.samples import SAMPLE, Samples, Status

pytestmark = pytest.mark.quiet

FULL = os.environ.get("BENCHKIT_TRUTH") == "full"
ROOT = Path(__file__).parents[2]
COMPARISONS = 200
ROUNDS = 12


@dataclass(frozen=True)
class Recorded:
    """What was recorded, a stage slower by some share."""

    p50_ns: np.ndarray
    """Block medians, shape (2, rounds)."""
    latency_ns: list[list[np.ndarray]]
    """By cell and round."""


@cache
def recorded(slower: float) -> Recorded:
    with np.load(Path(__file__).parent / "data" / "noise-2ms-spin-shm.npz") as noise:
        messages, compute, other = noise["messages"], noise["compute_ns"], noise["other_ns"]
    samples = samples_of(
        np.rint(compute * (1 + slower)).astype(np.int64), other.astype(np.int64), messages.ravel()
    )
    medians = np.array([block.p50_ns for block in measure(samples).blocks])
    latency = np.split(samples["returned"] - samples["due"], np.cumsum(messages)[:-1])
    rounds = messages.shape[1]
    return Recorded(medians.reshape(2, rounds), [latency[:rounds], latency[rounds:]])


def samples_of(compute: np.ndarray, other: np.ndarray, messages: np.ndarray) -> Samples:
    """Rows of SAMPLE, one message after the other."""
    samples = np.zeros(len(compute), SAMPLE)
    end = 1_000_000_000 + np.cumsum(compute + other)
    for name in ("due", "taken", "encoded", "sent", "asked"):
        samples[name] = end - compute - other
    for name in ("received", "decoded", "started"):
        samples[name] = end - compute
    for name in ("finished", "replied", "returned"):
        samples[name] = end
    samples["block"] = np.repeat(np.arange(len(messages)), messages)
    samples["status"] = Status.DELIVERED
    return samples


def drawn(rng: Generator, slower: float, rounds: int) -> tuple[Entrant, Entrant]:
    """A and B, the blocks of a round from one recorded round."""
    at, side = rng.integers(0, recorded(0.0).p50_ns.shape[1], rounds), rng.integers(0, 2, rounds)
    return (
        entrant("a", recorded(0.0), side.tolist(), at.tolist()),
        entrant("b", recorded(slower), (1 - side).tolist(), at.tolist()),
    )


def entrant(name: str, source: Recorded, sides: list[int], at: list[int]) -> Entrant:
    blocks = list(zip(sides, at, strict=True))
    pooled = np.concatenate([source.latency_ns[side][round_] for side, round_ in blocks])
    return Entrant(name, median(pooled), {to: int(source.p50_ns[block]) for to, block in enumerate(blocks)})


def told_apart(a: Entrant, b: Entrant) -> str:
    """The cell declared slower, empty where they are tied."""
    _, last = rank_group([a, b])
    return "" if last.tied else last.cell


def declared(slower: float, rounds: int) -> tuple[int, int]:
    """How often B is declared slower, and how often A is."""
    rng = np.random.default_rng(1)
    verdicts = [told_apart(*drawn(rng, slower, rounds)) for _ in range(COMPARISONS)]
    return verdicts.count("b"), verdicts.count("a")


@pytest.mark.parametrize("rounds", [3, 5, 8, ROUNDS, 20])
def test_equals_are_told_apart_in_at_most_5_percent(rounds: int) -> None:
    wrong = sum(declared(0.0, rounds))
    print(f"A/A, {rounds} rounds: told apart in {wrong} of {COMPARISONS}")
    assert wrong <= 0.05 * COMPARISONS


@pytest.mark.parametrize(("slower", "least"), [(0.05, 0.9), (0.1, 0.99)])
def test_a_slower_stage_is_found(slower: float, least: float) -> None:
    for rounds in (3, 5, 8, ROUNDS, 20):
        found, wrong = declared(slower, rounds)
        print(
            f"A/B, {100 * slower:.0f}% slower, {rounds} rounds: {found} of {COMPARISONS}, {wrong} the wrong way"
        )
        assert wrong <= 0.025 * COMPARISONS
        assert rounds < ROUNDS or found >= least * COMPARISONS


def run_document(cell: Entrant) -> dict[str, Any]:
    detail = [{"p50_us": p50 / 1e3} for p50 in cell.medians_ns.values()]
    latency = {"p50": cell.p50_ns / 1e3}
    return {
        "cells": [{"id": "x", "validity": {"valid": True}, "latency_us": latency, "blocks_detail": detail}]
    }


@pytest.mark.parametrize("rounds", [5, ROUNDS, 20])
def test_runs_of_equals_are_told_apart_in_at_most_5_percent(rounds: int) -> None:
    """`compare` has no pairs: what is far off on one side is in its error, and costs it power."""
    for slower in (0.0, 0.1):
        rng = np.random.default_rng(3)
        pairs = (drawn(rng, slower, rounds) for _ in range(COMPARISONS))
        changes = [compare([run_document(a), run_document(b)])[0].change for a, b in pairs]
        apart = COMPARISONS - changes.count("no difference seen")
        print(
            f"two runs of {rounds} blocks, {100 * slower:.0f}% slower: told apart in {apart} of {COMPARISONS}"
        )
        assert slower or apart <= 0.05 * COMPARISONS


def measured(folder: Path, stages: list[dict[str, Any]], seed: int) -> list[Entrant]:
    """A real run, its cells in the order of `stages`; their p50s as the run says."""
    scenario = {
        "name": "ab", "seed": seed, "source": {"kind": "sensors", "samples": 16, "channels": 4}, "transport": "shm",
        "stage": stages, "load": {"arrival": "closed", "in_flight": 1},
        "blocks": {"rounds": ROUNDS, "duration": "110ms", "warmup": "20ms", "drain": "1s"},
    }  # fmt: skip
    path = folder / f"ab-{seed}.yaml"
    path.write_text(yaml.safe_dump(scenario, sort_keys=False), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "benchkit", "run", str(path), "--out", str(folder / str(seed)), "-q"],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=110,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
    )  # fmt: skip
    found = list((folder / str(seed)).glob("*/run.json"))
    assert found, done.stdout + done.stderr
    cells = json.loads(found[0].read_text("utf-8"))["cells"]
    assert len(cells) == len(stages)
    return [
        Entrant(
            str(at), round(cell["latency_us"]["p50"] * 1e3),
            {block["round"]: round(block["p50_us"] * 1e3) for block in cell["blocks_detail"]},
        )
        for at, cell in enumerate(cells)
    ]  # fmt: skip


def test_a_real_stage_that_is_20_percent_slower_is_found(tmp_path: Path) -> None:
    """Sleeping, so that what else the machine does moves it little."""
    stages = [{"kind": "synthetic", "service": service, "busy": "sleep"} for service in ("5ms", "6ms")]
    fast, slow = measured(tmp_path, stages, 1)
    assert told_apart(fast, slow) == "1"


@pytest.mark.skipif(not FULL, reason="three minutes: BENCHKIT_TRUTH=full")
@pytest.mark.timeout(600)
def test_a_dozen_real_comparisons(tmp_path: Path) -> None:
    # Equal stages need two names: a service time that differs in a picosecond.
    services = ("2ms", "2.000000001ms", "2.1ms", "2.2ms")
    stages = [{"kind": "synthetic", "service": service} for service in services]
    told = {"equal": 0, "5% slower": 0, "10% slower": 0}
    for seed in range(12):
        base, *others = measured(tmp_path, stages, seed)
        for name, other in zip(told, others, strict=True):
            told[name] += told_apart(base, other) == other.cell
    print(f"of 12 real comparisons declared slower: {told}")
    assert told["equal"] <= 2
    assert told["5% slower"] >= 9
    assert told["10% slower"] >= 11
