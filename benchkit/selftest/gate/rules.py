"""What other tools would have said of the same runs.

`mean:10%` is pytest-benchmark's `--benchmark-compare-fail=mean:10%`: one run now against one that was saved before,
here by the trial before. The stored baseline is a p50 that was saved once, by the first trial, with a limit of 10%.
Either sees one run of the candidate, as it would on a runner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from benchkit.gate.sides import BASE, CANDIDATE

LIMIT: Final = 1.10
MEAN: Final = "pytest-benchmark mean:10%"
STORED: Final = "stored baseline, p50 10%"
OURS: Final = "benchkit check --base"

Entry = dict[str, Any]


def ours(line: Entry) -> str:
    """What the gate says of a trial: of a machine under steal, that nothing can be told."""
    return "INCONCLUSIVE" if line["unfit"] else str(line["verdict"])


def said(lines: Sequence[Entry]) -> list[dict[str, bool | None]]:
    """Of each trial, in their order, whether each rule fails it; None where it has nothing to compare with."""
    found: list[dict[str, bool | None]] = []
    before: dict[bool, Entry] = {}
    stored: Entry | None = None
    for line in lines:
        first = line["pairs"][0] if line["pairs"] else None
        earlier = before.get(line["hogs"])
        found.append(
            {
                OURS: ours(line) == "FAIL",
                MEAN: _beyond(first, earlier, "mean"),
                STORED: _beyond(first, stored, "p50"),
            }
        )
        if first is not None:
            before[line["hogs"]] = first[BASE]
            stored = stored or first[BASE]
    return found


def _beyond(first: Entry | None, saved: Entry | None, metric: str) -> bool | None:
    if first is None or saved is None or not saved[metric] or first[CANDIDATE][metric] is None:
        return None
    return bool(first[CANDIDATE][metric] > LIMIT * saved[metric])
