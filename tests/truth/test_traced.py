"""Phases of `benchkit.trace` on the dam pipeline beside the engine's own stamps of the same messages.

BENCHKIT_TRUTH=full pytest tests/truth/test_traced.py -s      longer, and keeps the figures
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import traced_parts
import yaml
from kept import FULL, keep

from benchkit.analysis.ledger import phases_ns
from benchkit.records.folder import load
from benchkit.records.samples import PHASES, Samples, Status
from benchkit.trace.run import Told, run_of

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "scenarios" / "models" / "dam"
CASES = {
    "camera, redis-list": {
        "source": {"kind": "camera", "size": "1920x1080", "distinct": 4},
        "transport": "traced-redis-list",
        "stage": {"kind": "onnx", "model": str(MODELS / "dam-level.onnx")},
        "load": {"arrival": "constant", "rate": "20/s"},
    },
    "sensors, unix": {
        "source": {"kind": "sensors", "samples": 144, "channels": 12, "distinct": 4},
        "transport": "traced-unix",
        "stage": {"kind": "onnx", "model": str(MODELS / "dam-sensors.onnx")},
        "load": {"arrival": "poisson", "rate": "300/s"},
    },
}
BLOCKS = {"rounds": 5, "duration": "3s"} if FULL else {"rounds": 2, "duration": "400ms"}
COMPARED = PHASES[1:]
"""`lateness` is from a schedule that no code of its user knows."""


def site(folder: Path) -> Path:
    """The parts as a distribution of their own."""
    metadata = folder / "traced_parts-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: traced-parts\nVersion: 1.0\n")
    lines = []
    for group, names in traced_parts.NAMES.items():
        lines += [f"[benchkit.{group}]", *(f"{kind} = traced_parts:{name}" for kind, name in names.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    shutil.copy(traced_parts.__file__, folder / "traced_parts.py")
    return folder


def both(case: str, folder: Path) -> tuple[Samples, Samples]:
    """Samples of the engine and of the trace: the same messages in the same order."""
    blocks = {**BLOCKS, "warmup": "100ms", "warmup_max": "100ms", "drain": "2s"}
    scenario = folder / "dam.yaml"
    scenario.write_text(yaml.safe_dump({"name": "dam", "codec": "raw", **CASES[case], "blocks": blocks}))
    path = [str(site(folder / "site")), str(ROOT), os.environ.get("PYTHONPATH", "")]
    more = {"PYTHONPATH": os.pathsep.join(filter(None, path)), "BENCHKIT_TRACE": str(folder / "traces")}
    arguments = ["run", str(scenario), "--out", str(folder / "out"), "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "benchkit", *arguments],
        env={**os.environ, **more}, capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stdout + done.stderr
    (home,) = (folder / "out").glob("*")
    (own,) = load(home).samples.values()
    run = run_of(folder / "traces", Told())
    (traced,) = run.samples.values()
    own = own[np.argsort(own["taken"])]
    assert (own["status"] == Status.DELIVERED).all()
    assert len(traced) == len(own)
    assert not [gap for gap in run.cells[0].gaps if gap.code == "trace-unmatched"]
    # The first mark of a process opens its file, which takes longer than a message.
    return own[~own["warmup"]], traced[~own["warmup"]]


def means_us(samples: Samples) -> np.ndarray:
    """Mean of each compared phase."""
    return phases_ns(samples).mean(axis=0)[1:] / 1e3


@pytest.mark.parametrize("case", CASES if FULL else list(CASES)[:1])
def test_phases_agree_with_the_engines_own_stamps(case, tmp_path):
    own, traced = both(case, tmp_path)
    built_in, marked = means_us(own), means_us(traced)
    if FULL:
        rows = [
            (name, f"{mine:.1f}", f"{theirs:.1f}", f"{100 * (theirs / mine - 1):+.1f}%" if mine else "-")
            for name, mine, theirs in zip(COMPARED, built_in, marked, strict=True)
        ]
        total, theirs = built_in.sum(), marked.sum()
        rows.append(("all", f"{total:.1f}", f"{theirs:.1f}", f"{100 * (theirs / total - 1):+.2f}%"))
        title = (
            f"# Phases of benchkit.trace beside the engine's stamps: {case}\n\n{len(own)} messages; mean us"
        )
        keep(f"trace-{case.partition(',')[0]}.md", title, ("phase", "engine", "trace", "difference"), rows)
    # Between a stamp of the engine's and a mark stands the code of the parts that hold the marks, microseconds.
    allowed = np.maximum(0.05 * built_in, 0.03 * built_in.sum())
    far = np.abs(marked - built_in) > allowed
    assert not far.any(), dict(zip(COMPARED, (marked - built_in).round(1), strict=True))
    assert marked.sum() == pytest.approx(built_in.sum(), rel=0.05)
