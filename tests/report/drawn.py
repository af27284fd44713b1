"""What a figure shows, read back from its artists."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from benchkit.report.charts.canvas import artists, marks, styled


def says(drawing: Figure) -> list[str]:
    """What the marks carry."""
    return [str(artist.get_label()) for artist in marks(drawing)]


def marked(drawing: Figure, *words: str) -> list[Any]:
    """The artists whose words hold all of these."""
    return [artist for artist in marks(drawing) if all(word in str(artist.get_label()) for word in words)]


def words(drawing: Figure) -> list[str]:
    return [text.get_text() for text in artists(drawing) if isinstance(text, Text) and text.get_text()]


def boxes(drawing: Figure) -> dict[Text, Bbox]:
    """The bounding box of every text, in pixels."""
    renderer = FigureCanvasAgg(drawing).get_renderer()
    found = [text for text in artists(drawing) if isinstance(text, Text) and text.get_text().strip()]
    with styled():
        return {text: text.get_window_extent(renderer) for text in found}


def overlapping(drawing: Figure, slack: float = 1.5) -> list[tuple[str, str]]:
    """Pairs of texts that touch by more than `slack` pixels (at 100 per inch) both ways."""
    return [
        (one.get_text()[:40], other.get_text()[:40])
        for (one, a), (other, b) in combinations(boxes(drawing).items(), 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > slack and min(a.y1, b.y1) - max(a.y0, b.y0) > slack
    ]


def outside(drawing: Figure, slack: float = 1.0) -> list[str]:
    """Texts that the canvas cuts off."""
    right, top = drawing.get_size_inches() * drawing.get_dpi()
    return [
        text.get_text()[:60]
        for text, box in boxes(drawing).items()
        if box.x0 < -slack or box.y0 < -slack or box.x1 > right + slack or box.y1 > top + slack
    ]
