"""check.json beside a run.json: the run was measured for `benchkit check`, and this is what that said.

::

    {"schema": "benchkit.check/1", "against": "promises|baseline", "verdict": "PASS|WARN|INCONCLUSIVE|FAIL",
     "exit_code": 0, "comparison": null}

`comparison` is what is said against a baseline (benchkit.baseline-check/1).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchkit.errors import StorageError
from benchkit.records import reading, writing
from benchkit.records.plain import storable

FILE: Final = "check.json"
SCHEMA: Final = "benchkit.check/1"
_VERDICTS: Final = {0: "PASS", 1: "FAIL"}


def save(folder: Path, exit_code: int, comparison: Mapping[str, Any] | None) -> None:
    """Write it, whole or not at all; raises StorageError."""
    verdict = comparison["verdict"] if comparison else _VERDICTS.get(exit_code, "INCONCLUSIVE")
    content = {
        "schema": SCHEMA, "against": "baseline" if comparison else "promises", "verdict": verdict,
        "exit_code": exit_code, "comparison": comparison,
    }  # fmt: skip
    try:
        writing.write_json(folder / FILE, storable(content))
    except OSError as error:
        raise StorageError(
            f"cannot be written: {error.strerror}", where=str(folder / FILE), remedy="free some space"
        ) from error


def read(folder: Path) -> dict[str, Any] | None:
    """Its content, None where there is none; raises RecordError."""
    file = folder / FILE
    if not file.exists():
        return None
    return reading.plain_json(reading.read_text(file, folder), file, SCHEMA)
