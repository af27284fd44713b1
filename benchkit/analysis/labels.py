"""What people call a group and a cell: short, and no two cells of a group alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchkit.records.run import Cell
from benchkit.units import show_bytes


@dataclass(frozen=True, slots=True)
class Labels:
    """For the heading of a cell's group and for its row."""

    group: str
    row: str


def labels(cells: Sequence[Cell]) -> dict[str, Labels]:
    """Labels by cell id: group with payload; `transport codec` with what else tells the cell apart."""
    names = Counter((cell.group, cell.transport, cell.codec) for cell in cells)
    sizes: dict[str, int] = {}
    for cell in cells:
        sizes[cell.group] = max(sizes.get(cell.group, 0), cell.payload_bytes)
    found = {}
    for cell in cells:
        alone = names[cell.group, cell.transport, cell.codec] == 1
        row = f"{cell.transport} {cell.codec}" + ("" if alone else f" ({_rest(cell)})")
        size = f", {show_bytes(sizes[cell.group])}" if sizes[cell.group] else ""
        found[cell.id] = Labels(f"{cell.group}{size}", row)
    return found


def _rest(cell: Cell) -> str:
    """What the id says beyond transport, codec and group."""
    known = {cell.transport, cell.codec, *cell.group.split("/")}
    parts = [part for part in cell.id.split("/") if part not in known]
    return "/".join(parts) or cell.id
