"""All charts of a report, in the order in which a reader asks: who wins, how much, why, how sure, at what cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from benchkit.analysis.search_words import is_search
from benchkit.analysis.trend import Track
from benchkit.report.charts import (
    capacity,
    cost,
    crossing,
    floors,
    forest,
    percentiles,
    phases,
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
    if (edges := capacity.capacities(group)) is not None:
        yield Chart("capacity", edges.words, partial(capacity.draw, edges))
    if not is_search(group.rows[0].entry) and (ratios := forest.forest(group)) is not None:
        yield Chart("ratios", ratios.words, partial(forest.draw, ratios))
    if (bars := phases.phase_bars(group)) is not None:
        yield Chart("phases", bars.words, partial(phases.draw, bars))
    if (curves := percentiles.percentiles(group, slo)) is not None:
        yield Chart("percentiles", curves.words, partial(percentiles.draw, curves))
    if (levers := sensitivity.sensitivity(group)) is not None:
        yield Chart("sensitivity", levers.words, partial(sensitivity.draw, levers))
    if (heights := floors.floors(group)) is not None:
        yield Chart("floors", heights.words, partial(floors.draw, heights))
    if (costs := cost.costs(group)) is not None:
        yield Chart("cost", costs.words, partial(cost.draw, costs))
    if (tracks := timeline.timeline(group)) is not None:
        yield Chart("timeline", tracks.words, partial(timeline.draw, tracks))
    if (falls := waterfall.waterfall(group)) is not None:
        yield Chart("waterfall", falls.words, partial(waterfall.draw, falls))


def overview(groups: Sequence[Group], document: Entry) -> Iterator[Chart]:
    """The charts of a whole run, over its groups."""
    for found in crossing.crossings(document):
        yield Chart("crossover", found.words, partial(crossing.draw, found))
    for edges in swept.swept(groups, document):
        yield Chart("throughput", edges.words, partial(capacity.draw, edges))


def trend_charts(title: str, tracks: Sequence[Track]) -> Iterator[Chart]:
    """The chart of several runs: see `analysis.trend`."""
    if (found := trends.trends(title, tracks)) is not None:
        yield Chart("trend", found.words, partial(trends.draw, found))
