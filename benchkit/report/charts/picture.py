"""A figure as PNG, on light ground or on dark.

Agg, matplotlib's painter, takes half a millisecond for a word (3.11), which is most of a chart's time; so it paints
everything but the words, and Pillow writes them where matplotlib's layout has put them. Words that are turned or
that the font lacks letters for stay with Agg, which knows other fonts.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from benchkit.report.charts.canvas import artists
from benchkit.report.charts.letters import font
from benchkit.report.charts.palette import GROUND, dark_twins

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure
    from matplotlib.text import Text

DPI: Final = 144
_ANCHORS: Final = {
    "left": "l", "center": "m", "right": "r", "top": "a", "baseline": "s", "bottom": "d", "center_baseline": "m"
}  # fmt: skip
_LAST_LETTER: Final = 0x24F
"""Latin letters, which the font has; what else is drawn often is in _SIGNS."""
_SIGNS: Final = frozenset("≤≥±…·→")


def png(drawing: Figure, *, dark: bool = False) -> bytes:
    """The figure as PNG, 144 dots per inch; the figure is not changed."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image, ImageDraw

    twins = dark_twins() if dark else {}
    with _prepared(drawing, twins):
        written = [text for text in artists(drawing) if _is_plain(text)]
        for text in written:
            text.set_visible(False)
        canvas = FigureCanvasAgg(drawing)
        canvas.draw()  # type: ignore[no-untyped-call]  # theirs
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3])  # type: ignore[no-untyped-call]  # theirs
        pen = ImageDraw.Draw(picture)
        for text in written:
            text.set_visible(True)
            _write(pen, text, picture.height)
    raw = io.BytesIO()
    picture.save(raw, "png", dpi=(DPI, DPI), compress_level=3)
    return raw.getvalue()


def _is_plain(artist: Artist) -> TypeGuard[Text]:
    from matplotlib.text import Text

    return (
        isinstance(artist, Text)
        and bool(artist.get_text())
        and not artist.get_rotation()
        and all(ord(letter) <= _LAST_LETTER or letter in _SIGNS for letter in artist.get_text())
    )


def _write(pen: Any, text: Text, height: int) -> None:
    from matplotlib.colors import to_hex

    x, y = text.get_transform().transform(text.get_unitless_position())
    size_px = round(float(text.get_fontsize()) * DPI / 72)
    letters = font(str(text.get_fontstyle()), str(text.get_fontweight()), size_px)
    anchor = _ANCHORS[text.get_horizontalalignment()] + _ANCHORS[text.get_verticalalignment()]
    pen.text((float(x), height - float(y)), text.get_text(), to_hex(text.get_color()), letters, anchor)


@contextmanager
def _prepared(drawing: Figure, twins: dict[str, str]) -> Iterator[None]:
    """With the picture's dots per inch, ground and colours; as it was, afterwards."""
    dpi = drawing.get_dpi()
    drawing.set_dpi(DPI)
    drawing.set_facecolor(twins.get(GROUND, GROUND))
    undo = _recolour(drawing, twins) if twins else []
    try:
        yield
    finally:
        for write, was in reversed(undo):
            write(was)
        drawing.set_facecolor("none")
        drawing.set_dpi(dpi)


def _recolour(drawing: Figure, twins: dict[str, str]) -> list[tuple[Callable[[Any], None], Any]]:
    """Each colour of each artist becomes its twin, by whatever name; returns what to call to undo it."""
    undo = []
    for artist in artists(drawing):
        for name in ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor"):
            read, write = (getattr(artist, f"{verb}_{name}", None) for verb in ("get", "set"))
            if read is None or write is None:
                continue
            was = read()
            found = twins.get(was) if isinstance(was, str) else _twin(was, twins)
            if found is not None:
                write(found)
                undo.append((write, was))
    return undo


def _twin(colour: Any, twins: dict[str, str]) -> Any:
    """The twin of a colour, or of each of several, given as numbers, with their opacity; None where there is none."""
    import numpy as np
    from matplotlib.colors import to_hex, to_rgba

    rows = np.atleast_2d(np.asarray(colour, float))
    if rows.shape[-1] != 4 or not len(rows):
        return None
    found = [(*to_rgba(twins.get(to_hex(row[:3]), to_hex(row[:3])))[:3], row[3]) for row in rows]
    return found[0] if np.ndim(colour) == 1 else found
