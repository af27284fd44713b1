"""The full forms' figures, kept as a small file each with the day and the machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchkit.records.environment import environment

FULL = os.environ.get("BENCHKIT_TRUTH") == "full"
FOLDER = Path(__file__).parents[2] / "results" / "truth"


def keep(name: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table and write it under results/truth."""
    machine, load = environment(), os.getloadavg()[0]
    day, where = (
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['kernel']}",
    )
    table = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    lines = [
        title,
        "",
        f"{day}, {where}, load average {load:.1f}",
        "",
        *(f"| {' | '.join(map(str, row))} |" for row in table),
    ]
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_text("\n".join(lines) + "\n", "utf-8")
    print("\n" + "\n".join(lines))
