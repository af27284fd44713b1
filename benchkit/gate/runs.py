"""One run: `benchkit run` of a plan of one block, in processes of its own, in its side's environment.

The command line and run.json are what all versions of benchkit have in common; nothing else is asked of a side.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from benchkit.errors import BuildError
from benchkit.gate.sides import Side
from benchkit.runtime.child import child

P99_FROM: Final = 1000
"""Messages of a run below which its p99 is not used: ten of them lie above it."""
_PATIENCE_S: Final = 60.0
_TIMES: Final = 5.0
_RELEVANT: Final = 400

Phase = Literal["try", "measure", "confirm"]


@dataclass(frozen=True, slots=True)
class CellFigures:
    """What one run says of one cell."""

    count: int
    p50_us: float | None
    p99_us: float | None
    """None with fewer than P99_FROM messages."""
    mean_us: float | None
    messages_per_s: float | None
    invalid: tuple[str, ...] = ()
    """`code: message` of every reason that makes it invalid."""
    disturbance: Mapping[str, Any] | None = None
    """See records.run.Disturbance."""


@dataclass(frozen=True, slots=True)
class SideRun:
    """One run of one side."""

    side: str
    phase: Phase
    block: int
    place: int
    """Among the runs of its block, from 0."""
    seed: int
    seconds: float
    """Start of the processes to their end."""
    cells: Mapping[str, CellFigures] = field(default_factory=dict)
    error: str = ""
    """Why it has no cells."""

    def plain(self) -> dict[str, Any]:
        """One line of runs.jsonl."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Asked:
    """What both sides are asked to run."""

    duration_s: float
    warmup_s: float
    expected_s: float
    """About how long one run takes."""
    sets: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    """These alone, where given."""
    floors: bool = True
    """False: ask for a run without measuring the machine's floors; an older benchkit knows no such option."""

    def arguments(self, scenario: Path, seed: int, out: Path) -> list[str]:
        """Of `python`."""
        sets = [
            *self.sets, "blocks.rounds=1", f"blocks.duration={self.duration_s:.6g}",
            f"blocks.warmup={self.warmup_s:.6g}", f"seed={seed}",
        ]  # fmt: skip
        # Ids stand for all other filters.
        only = [f"id={_escaped(cell)}" for cell in self.cells] or list(self.only)
        return [
            "-m", "benchkit", "run", str(scenario), "-q", "--out", str(out),
            *(part for each in sets for part in ("--set", each)),
            *(part for each in only for part in ("--only", each)),
            *([] if self.floors else ["--no-floors"]),
        ]  # fmt: skip


def _escaped(cell: str) -> str:
    """As a shell pattern, and without the comma that parts values."""
    return cell.replace("[", "[[]").replace(",", "?")


def run(side: Side, asked: Asked, phase: Phase, block: int, place: int, seed: int) -> SideRun:
    """Run it to its end; what goes wrong is in the answer. An interrupt ends its processes first."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="benchkit-gate-") as folder:
        out, log = Path(folder, "out"), Path(folder, "log")
        limit_s = _PATIENCE_S + _TIMES * asked.expected_s
        code = _process(side, asked.arguments(side.scenario, seed, out), log, limit_s)
        cells, error = _answer(out, log, code)
    return SideRun(side.name, phase, block, place, seed, time.monotonic() - began, cells, error)


def _process(side: Side, arguments: Sequence[str], log: Path, limit_s: float) -> int | None:
    """The exit code; None where it had to be ended."""
    argv = [str(side.python), *arguments]
    with log.open("wb") as output, child(argv, env=side.env, output=output, cwd=side.cwd) as process:
        try:
            return process.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            return None


def _answer(out: Path, log: Path, code: int | None) -> tuple[dict[str, CellFigures], str]:
    try:
        (file,) = out.glob("*/run.json")
        document = json.loads(file.read_text("utf-8"))
        return {cell["id"]: _figures(cell) for cell in document["cells"]}, ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        words = log.read_text("utf-8", "replace").strip()
        how = "it hung and was ended" if code is None else f"it ended with code {code}"
        if not words:
            words = f"{how} without a word ({type(error).__name__})"
        return {}, words if len(words) <= _RELEVANT else f"... {words[-_RELEVANT:]}"


def _figures(cell: Mapping[str, Any]) -> CellFigures:
    latency, validity = cell["latency_us"], cell["validity"]
    count = int(latency["count"])
    blocks = cell.get("blocks_detail") or [{}]
    reasons = [
        f"{reason['code']}: {reason['message']}"
        for reason in validity["reasons"]
        if reason.get("severity", "invalid") == "invalid"
    ]
    if not validity["valid"] and not reasons:
        reasons = ["it is not valid"]
    return CellFigures(
        count,
        latency["p50"],
        latency["p99"] if count >= P99_FROM else None,
        latency["mean"],
        cell["throughput"]["messages_per_s"] or None,
        () if validity["valid"] else tuple(reasons),
        blocks[0].get("disturbance"),
    )


def build_error(side: Side, error: str) -> BuildError:
    """A side that cannot be run at all."""
    return BuildError(
        f"the {side.name}, {side.told}, cannot be run: {error}",
        remedy="see that `benchkit run` of the scenario works in it",
    )
