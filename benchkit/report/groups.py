"""What charts and pages look at: the cells of run.json in groups, in order, each with its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from benchkit.analysis.hops import messages_of
from benchkit.analysis.ledger import Column, Selection, latency_ns, select
from benchkit.analysis.pools import EXACT_MESSAGES
from benchkit.records.run import Block, Run
from benchkit.records.samples import SAMPLE, Samples
from benchkit.report.charts.palette import Look, looks
from benchkit.report.excerpt import excerpt, short
from benchkit.words import say

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One cell of a group: its entry in run.json, its place in the ranking, its blocks and samples."""

    number: int
    """Place in run.json, from 1."""
    entry: Entry
    place: Entry | None
    blocks: tuple[Block, ...]
    look: Look
    """Of its transport, in this whole report."""
    samples: Samples
    """Of a cell with more messages than are kept exactly every n-th, so that a chart fits in memory."""
    label: str
    every: int = 1
    """Which of its messages `samples` holds: each n-th."""
    all_samples: Samples | None = None
    """All of them; what looks at them does so a stretch at a time."""

    @property
    def valid(self) -> bool:
        """It may be compared."""
        return bool(self.entry["validity"]["valid"])

    @property
    def transport(self) -> str:
        """The transport's name, as it was registered."""
        return str(self.entry["transport"])

    @property
    def codes(self) -> tuple[str, ...]:
        """Why it is not valid, each code once."""
        found = (each["code"] for each in self.entry["validity"]["reasons"] if each["severity"] == "invalid")
        return tuple(dict.fromkeys(found))

    @property
    def name(self) -> str:
        """The label; of a cell that is not valid it says so."""
        return self.label if self.valid else say("{label} (not valid)", label=self.label)

    @cached_property
    def chosen(self) -> Selection:
        """The messages that enter statistics."""
        return select(self.samples)

    @cached_property
    def latency_ns(self) -> Column:
        """Their latencies, shape (n,)."""
        return latency_ns(self.samples)[self.chosen.rows]

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self.chosen.rows)


@dataclass(frozen=True, slots=True)
class Group:
    """Cells with the same payload under the same load: ranked ones first, fastest at the top."""

    number: int
    id: str
    title: str
    rows: tuple[Row, ...]

    @property
    def measured(self) -> tuple[Row, ...]:
        """The cells that have any message to show."""
        return tuple(row for row in self.rows if row.count)


def groups(run: Run, document: Entry) -> list[Group]:
    """The groups of `document`, which is run.json of `run`, in its order."""
    places = {place["cell"]: place for place in document["ranking"]}
    order = {cell: at for at, cell in enumerate(places)}
    found: dict[str, list[Row]] = {}
    look = looks(str(entry["transport"]) for entry in document["cells"])
    known = {cell.id: cell for cell in run.cells}
    for number, entry in enumerate(document["cells"], 1):
        samples = run.samples.get(entry["id"], np.zeros(0, SAMPLE))
        if entry["id"] in known:
            samples = messages_of(known[entry["id"]], samples)
        every = max(1, -(-len(samples) // EXACT_MESSAGES))
        row = Row(
            number=number,
            entry=entry,
            place=places.get(entry["id"]),
            blocks=tuple(block for block in run.blocks if block.cell == entry["id"]),
            look=look[str(entry["transport"])],
            samples=samples[::every],
            label=short(entry["labels"]["row"]),
            every=every,
            all_samples=samples,
        )
        found.setdefault(entry["group"], []).append(row)
    return [
        Group(
            number,
            group,
            excerpt(rows[0].entry["labels"]["group"], 100),
            tuple(sorted(rows, key=lambda row: order.get(row.entry["id"], len(order)))),
        )
        for number, (group, rows) in enumerate(found.items(), 1)
    ]
