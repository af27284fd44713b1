"""All charts of a report, in the order in which a reader asks: who wins, how much, why, how sure, at what cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from benchkit.analysis.search_words import is_search
from benchkit.analysis.trend import Track
from benchkit.records.faults import Trials
from benchkit.report.charts import (
    capacity,
    cost,
    crossing,
    faults,
    floors,
    forest,
    fresh,
    outage,
    percentiles,
    phases,
    scaling,
    sensitivity,
    swept,
    timeline,
    trends,
    waterfall,
)
from benchkit.report.charts.canvas import Vectors, styled, svg
from benchkit.report.charts.chart import Mark, Words
from benchkit.report.charts.picture import png
from benchkit.report.groups import Entry, Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Chart:
    """One chart, drawn when its picture is asked for; see `charts.chart` for what a page may rely on."""

    kind: str
    words: Words
    draw: Callable[[], Figure]

    @cached_property
    def figure(self) -> Figure:
        """The drawing."""
        with styled():
            return self.draw()

    def svg(self, name: str) -> Vectors:
        """As SVG; `name` is unique in a page."""
        with styled():
            return svg(self.figure, name, title=self.words.title, description=self.words.description)

    @cached_property
    def marks(self) -> tuple[Mark, ...]:
        """The pieces of the drawing that carry a value."""
        return self.svg("x").marks

    def png(self, *, dark: bool = False) -> bytes:
        """As PNG."""
        with styled():
            return png(self.figure, dark=dark)


def gallery(group: Group, slo: dict[str, float]) -> Iterator[Chart]:
    """The charts for which the group has something to show."""
    for kind, found, draw in _of_group(group, slo):
        if found is not None:
            yield Chart(kind, found.words, partial(draw, found))


def _of_group(group: Group, slo: dict[str, float]) -> Iterator[tuple[str, Any, Callable[[Any], Figure]]]:
    """Each kind, what it would show of the group (None for nothing), and what draws that."""
    yield "capacity", capacity.capacities(group), capacity.draw
    if not is_search(group.rows[0].entry):
        yield "ratios", forest.forest(group), forest.draw
    yield "phases", phases.phase_bars(group), phases.draw
    yield "percentiles", percentiles.percentiles(group, slo), percentiles.draw
    yield "sensitivity", sensitivity.sensitivity(group), sensitivity.draw
    yield "floors", floors.floors(group), floors.draw
    yield "cost", cost.costs(group), cost.draw
    yield "timeline", timeline.timeline(group), timeline.draw
    yield "waterfall", waterfall.waterfall(group), waterfall.draw


def overview(groups: Sequence[Group], document: Entry) -> Iterator[Chart]:
    """The charts of a whole run, over its groups."""
    for found in crossing.crossings(document):
        yield Chart("crossover", found.words, partial(crossing.draw, found))
    for edges in swept.swept(groups, document):
        yield Chart("throughput", edges.words, partial(capacity.draw, edges))
    for ages in fresh.freshness(groups, document):
        yield Chart("freshness", ages.words, partial(fresh.draw, ages))
    if (laws := scaling.scaling(document)) is not None:
        yield Chart("scaling", laws.words, partial(scaling.draw, laws))


def fault_charts(document: Entry, trials: Trials | None) -> Iterator[Chart]:
    """The charts of a run's fault trials."""
    if (found := faults.fault_matrix(document)) is not None:
        yield Chart("faults", found.words, partial(faults.draw, found))
    if (around := outage.outages(document, trials)) is not None:
        yield Chart("outages", around.words, partial(outage.draw, around))


def trend_charts(title: str, tracks: Sequence[Track]) -> Iterator[Chart]:
    """The chart of several runs: see `analysis.trend`."""
    if (found := trends.trends(title, tracks)) is not None:
        yield Chart("trend", found.words, partial(trends.draw, found))
