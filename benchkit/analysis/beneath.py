"""How far a cell is from the floor beneath its transport: "2.1x its floor".

Moving a message is what the transport does of its latency: the phases `send`, `transit`, `reply` and `return` of
one message added up, without `queue` (that is waiting for the stage) and without what codec and stage do. Its
median stands over the median of an exchange of the same number of bytes over the raw path (a copy and a flag, a
socket, the broker's commands by hand; the answer is one byte), which the engine measured back to back just before
the run. Where the cell asks for no replies it is one way over one way. The cell's own pace and its sleeping
workers are in the ratio: a message that finds everybody asleep pays for waking them, an exchange does not. What
waking the sleepers takes on this machine therefore stands beside it, as `wakes_us`.
"""

from __future__ import annotations

from typing import Any

from benchkit.records.run import Cell, Floor


def beneath(floor: Floor | None, cell: Cell, moved_p50_us: float | None) -> dict[str, Any] | None:
    """Name and median of the floor beneath a cell, and the ratio to it; None where none was measured."""
    if floor is None or not cell.floor:
        return None
    found = floor.paths_us.get(cell.floor, {}).get(str(cell.wire_bytes))
    least_us = found.get("exchange" if cell.replies else "one_way") if found else None
    if not least_us:
        return None
    ratio = None if moved_p50_us is None else moved_p50_us / least_us
    wake_us = floor.wake_us.get("p50")
    wakes_us = None if wake_us is None else wake_us * (2 if cell.replies else 1)
    return {
        "name": cell.floor, "p50_us": least_us, "moved_p50_us": moved_p50_us, "ratio": ratio, "wakes_us": wakes_us,
    }  # fmt: skip
