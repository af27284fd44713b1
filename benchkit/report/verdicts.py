"""The verdicts of a run in few lines: cells of a group that say the same are told together; from run.json alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchkit.analysis.search_words import is_search

Entry = Mapping[str, Any]


def verdicts(document: Entry) -> Iterator[tuple[str, str]]:
    """What it is about and a sentence, in the order of the groups; those of a search stand with its answer."""
    places = {place["cell"]: at for at, place in enumerate(document["ranking"])}
    cells = [
        cell
        for cell in document["cells"]
        if cell["validity"]["valid"] and cell["verdict"].get("line") and not is_search(cell)
    ]
    cells.sort(key=lambda cell: places.get(cell["id"], len(places)))
    for group in dict.fromkeys(cell["group"] for cell in document["cells"]):
        alike: dict[tuple[str, ...], list[Entry]] = {}
        for cell in cells:
            if cell["group"] == group:
                found = cell["verdict"]
                same = (found["kind"], found["bottleneck"], found["resource"], found.get("stage", ""))
                alike.setdefault(same, []).append(cell)
        for each in alike.values():
            yield each[0]["labels"]["group"], _together(each)


def _together(cells: Sequence[Entry]) -> str:
    """One cell's own line, or what several have in common with the share of each."""
    first = cells[0]["verdict"]
    if len(cells) == 1:
        return f"{cells[0]['labels']['row']}: {first['line']}"
    if first["bottleneck"] == "none":
        said = "no bottleneck" if first["kind"] == "none" else "no single bottleneck"
        return f"{said}: {', '.join(cell['labels']['row'] for cell in cells)}"
    shares = ", ".join(f"{cell['labels']['row']} {cell['verdict']['share']:.0%}" for cell in cells)
    phase, resource = first["bottleneck"], first.get("stage") or first["resource"]
    return f"{first['kind']} ({phase}, {resource}), its part of the latency: {shares}"
