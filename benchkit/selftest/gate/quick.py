"""The short form: one gate of two cells, of which one was made a fifth slower."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchkit.gate.measure import Measurement, Wanted, Watch, run_s
from benchkit.gate.runs import Asked
from benchkit.gate.sides import BASE, CANDIDATE, Side

ALIKE: Final = "unix/raw/sensors-16x4/closed-1"
SLOWER: Final = "unix/raw/sensors-16x8/closed-1"
_BLOCKS: Final = 6
_DURATION_S: Final = 0.15
_SCENARIO: Final = """\
name: gate-quick
source: {{kind: sensors, samples: 16, channels: 4}}
transport: unix
stage: {{kind: synthetic, service: 1ms, busy: spin}}
load: {{arrival: closed, in_flight: 1}}
blocks: {{rounds: 1, duration: 200ms, warmup: 50ms, warmup_max: 50ms}}
checks: {{replies: false}}
include:
  - source: {{channels: 8}}
    stage: {{service: {service_us:g}us}}
"""


def wanted(seed: int = 0) -> Wanted:
    """p50 alone, unconfirmed: with six blocks there is no more to share among."""
    cells = (ALIKE, SLOWER)
    asked = Asked(_DURATION_S, 0.05, run_s(2, _DURATION_S, 0.05), floors=False)
    return Wanted(asked, cells, {cell: {"p50": 0.03} for cell in cells}, _BLOCKS, seed, confirm=False)


def expected_s() -> float:
    """On two idle cores."""
    return wanted().expected_s[0]


def run(watch: Watch) -> dict[str, Any]:
    """What the gate says of both cells, and whether it is right: None where it cannot tell."""
    with TemporaryDirectory(prefix="benchkit-gate-quick-") as folder:
        base = _side(Path(folder), BASE, 1000.0)
        # A fifth of the latency, which is the service and what the path takes.
        candidate = _side(Path(folder), CANDIDATE, 1220.0)
        outcome = Measurement((base, candidate), wanted(), watch, lambda _run: None).run()
    said = {row.cell: row for row in outcome.rows}
    verdicts = {
        name: said[cell].verdict for name, cell in (("alike", ALIKE), ("slower", SLOWER)) if cell in said
    }
    return {
        "verdicts": verdicts,
        "changes": {row.cell: row.estimate for row in outcome.rows},
        "seconds": outcome.seconds,
        "interrupted": outcome.interrupted,
        "holds": right(verdicts),
    }


def right(verdicts: Mapping[str, str]) -> bool | None:
    """None where the machine was too restless to tell."""
    if verdicts.get("alike") == "FAIL" or verdicts.get("slower") == "PASS":
        return False
    return True if verdicts.get("slower") == "FAIL" else None


def _side(folder: Path, name: str, service_us: float) -> Side:
    path = folder / f"{name}.yaml"
    path.write_text(_SCENARIO.format(service_us=service_us), "utf-8")
    return Side(name, name, Path(sys.executable), path, Path.cwd())
