"""Which cells of a plan can have trials of faults, and which load they have then."""

from __future__ import annotations

from typing import Final

from benchkit.load.base import OpenArrival
from benchkit.load.constant import Constant
from benchkit.load.search import Search
from benchkit.scenario.plan import PlannedCell

MOST_PER_S: Final = 1000.0
"""Where the load has no rate of its own: half of what the cell can, and no more than this."""
_LOOKED_AT_S: Final = 10.0


def refusal(cell: PlannedCell) -> str:
    """Why nothing can be made to go wrong in it; empty where it can."""
    promised = cell.transport.capabilities()
    if promised.same_process:
        return "its parties are threads of one process, which die together"
    if promised.external_stage:
        return "its stage is a server of somebody else's"
    if cell.hops:
        return "it has several stages, and the parties of a trial are one producer's and one stage's"
    if cell.flow is not None:
        return "its traffic is controlled, and the parties of a trial send as the schedule says"
    if promised.in_place:
        return "its messages are made where they are sent from, and the parties of a trial send copies"
    return ""


def rate_of(cell: PlannedCell, asked_per_s: float | None) -> float | None:
    """What was asked for, else the cell's own rate; None where it has none."""
    if asked_per_s is not None:
        return asked_per_s
    load = cell.load
    if not isinstance(load, OpenArrival) or isinstance(load, Search):
        return None
    if load.rate_per_s is not None:
        return load.rate_per_s
    due = load.offsets_ns(_LOOKED_AT_S, 0)
    return (len(due) - 1) * 1e9 / float(due[-1] - due[0]) if len(due) > 1 else None


def load_of(cell: PlannedCell, asked_per_s: float | None, rate_per_s: float) -> dict[str, object]:
    """The open load of its trials, as `Registry.build` takes it."""
    own = isinstance(cell.load, OpenArrival) and not isinstance(cell.load, Search)
    return cell.load.config() if own and asked_per_s is None else Constant(rate=rate_per_s).config()
