"""Folders of runs whose history is known: one analysed run, its figures scaled run by run."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from synthetic import a_cell, a_run, dam

from benchkit.analysis.document import document
from benchkit.records.folder import save

FIRST = datetime(2026, 11, 1, 6, 0, tzinfo=UTC)


@cache
def _dam() -> str:
    return json.dumps(document(dam()))


def a_document(
    number: int, scale: Callable[[str], float] = lambda _cell: 1.0, **changes: Any
) -> dict[str, Any]:
    """run.json of run `number`: each cell's figures times `scale` of its id, `changes` at the top."""
    found: dict[str, Any] = json.loads(_dam())
    found["started_utc"] = (FIRST + timedelta(hours=6 * number)).isoformat()
    found["environment"] = {
        "fingerprint": "0123456789abcdef",
        "cpu": "A processor",
        "cores": 2,
        "warnings": [],
    }
    for cell in found["cells"]:
        _scale(cell, scale(cell["id"]))
    return {**found, **copy.deepcopy(changes)}


def _scale(cell: dict[str, Any], by: float) -> None:
    latency = cell["latency_us"]
    for name, value in latency.items():
        if isinstance(value, list):
            latency[name] = [each * by for each in value]
        elif isinstance(value, float) and name != "error":
            latency[name] = value * by
    for block in cell["blocks_detail"]:
        block["p50_us"] *= by


def kept(folder: Path, found: Mapping[str, Any], name: str = "") -> Path:
    """A run directory with nothing but run.json."""
    stamp = str(found["started_utc"]).replace("-", "").replace(":", "")[:15]
    home = folder / (name or f"dam-{stamp}Z-{len(list(folder.iterdir())):06x}")
    home.mkdir()
    (home / "run.json").write_text(json.dumps(found))
    return home


def history(
    folder: Path, count: int, *, change_at: int = 0, by: float = 1.25, noise: float = 0.02
) -> list[Path]:
    """`count` runs; from `change_at` on (0: never) the cells of shm take `by` times as long."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(7)

    def scale(number: int) -> Callable[[str], float]:
        slower = by if change_at and number >= change_at else 1.0
        return lambda cell: chance.lognormvariate(0.0, noise) * (slower if cell.startswith("shm") else 1.0)

    found = (a_document(number, scale(number)) for number in range(count))
    return [kept(folder, {**each, "cells": _few(each["cells"])}) for each in found]


def _few(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two cells that change and one that does not: a test need not wait for the others."""
    return [cell for cell in cells if cell["transport"] in ("shm", "unix")]


def whole_run(folder: Path, name: str = "whole") -> Path:
    """A run directory with records and samples."""
    run = a_run([a_cell("shm/raw/camera/100ps"), a_cell("http/raw/camera/100ps")])
    made = save(run, document(run), folder)
    home = folder / name
    made.rename(home)
    return home
