"""All charts of a group, in the order in which a reader asks: how much, why, how sure, at what cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from benchkit.analysis.search_words import is_search
from benchkit.report.charts import capacity, cost, forest, percentiles, phases, timeline, waterfall
from benchkit.report.charts.canvas import Vectors, png, styled, svg
from benchkit.report.charts.chart import Words
from benchkit.report.groups import Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Chart:
    """One chart, drawn when its picture is asked for."""

    kind: str
    words: Words
    draw: Callable[[], Figure]

    @cached_property
    def _figure(self) -> Figure:
        return self.draw()

    def svg(self, name: str) -> Vectors:
        """As SVG; `name` is unique in a page."""
        with styled():
            return svg(self._figure, name, title=self.words.title, description=self.words.description)

    def png(self) -> bytes:
        """As PNG."""
        with styled():
            return png(self._figure)


def gallery(group: Group, slo: dict[str, float]) -> Iterator[Chart]:
    """The charts for which the group has something to show."""
    if (edges := capacity.capacities(group)) is not None:
        yield Chart("capacity", edges.words, lambda: capacity.draw(edges))
    if not is_search(group.rows[0].entry) and (ratios := forest.forest(group)) is not None:
        yield Chart("ratios", ratios.words, lambda: forest.draw(ratios))
    if (bars := phases.phase_bars(group)) is not None:
        yield Chart("phases", bars.words, lambda: phases.draw(bars))
    if (curves := percentiles.percentiles(group, slo)) is not None:
        yield Chart("percentiles", curves.words, lambda: percentiles.draw(curves))
    if (costs := cost.costs(group)) is not None:
        yield Chart("cost", costs.words, lambda: cost.draw(costs))
    if (tracks := timeline.timeline(group)) is not None:
        yield Chart("timeline", tracks.words, lambda: timeline.draw(tracks))
    if (falls := waterfall.waterfall(group)) is not None:
        yield Chart("waterfall", falls.words, lambda: waterfall.draw(falls))
