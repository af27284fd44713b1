"""A figure without pyplot's global state, and the same as SVG: its marks, its colours, its ids."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from benchkit.report.charts.chart import Mark
from benchkit.report.charts.letters import FAMILY, fitted
from benchkit.report.charts.palette import GRID, GROUND, INK, QUIET, dark_rules
from benchkit.report.charts.scripts import painter, script
from benchkit.report.text import clean

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN: Final = 8.6
_MARK: Final = "mark"
_STYLE: Final[dict[str, Any]] = {
    "axes.edgecolor": QUIET,
    "axes.labelcolor": QUIET,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.family": [FAMILY],
    "font.size": 9.0,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "path.simplify": True,
    "svg.fonttype": "none",  # words stay words: they can be searched, read aloud and scaled
    "svg.hashsalt": "benchkit",
    "text.color": INK,
    "text.parse_math": False,  # a name with two dollars is a name
    "xtick.color": QUIET,
    "ytick.color": QUIET,
}
_NO_METADATA: Final = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_SVG: Final = "http://www.w3.org/2000/svg"
_ATTRIBUTES: Final = frozenset(
    {
        "fill", "fill-opacity", "fill-rule", "font-family", "font-size", "font-style", "font-weight",
        "opacity", "stroke", "stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-linejoin",
        "stroke-opacity", "stroke-width", "text-anchor",
    }
)  # fmt: skip
_REFERENCE: Final = re.compile(r"url\(#([^)]+)\)")
_FRACTION: Final = re.compile(r"-?\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Vectors:
    """One drawing as SVG: for inside a page, and as a file of its own."""

    inline: str
    alone: bytes
    marks: tuple[Mark, ...]


@contextmanager
def styled() -> Iterator[None]:
    """Everything drawn inside looks like a chart of benchkit, whatever the user's matplotlibrc says."""
    import matplotlib.style

    other = painter()
    families = {"font.family": [FAMILY, other]} if other else {}
    with matplotlib.style.context(["default", {**_STYLE, **families}]), warnings.catch_warnings():
        # Letters that the font lacks: the SVG keeps the words, and whoever shows it has its own fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        warnings.filterwarnings("ignore", message="Matplotlib currently does not", category=UserWarning)
        yield


def figure(height_in: float) -> Figure:
    """An empty figure, WIDTH_IN wide."""
    from matplotlib.figure import Figure

    return Figure((WIDTH_IN, height_in))


def place(drawing: Figure, left: float, bottom: float, right: float, top: float) -> Axes:
    """Axes by their distances in inches from the figure's edges, without spines and ticks: see `axes`."""
    height = drawing.get_figheight()
    axes = drawing.add_axes(
        (
            left / WIDTH_IN,
            bottom / height,
            (WIDTH_IN - left - right) / WIDTH_IN,
            (height - bottom - top) / height,
        )
    )
    axes.set_axis_off()
    return axes


def mark(artist: Artist, words: str) -> None:
    """The artist carries a value: `words` says which, exactly; letters that no XML may hold are shown as `?`."""
    artist.set_gid(_MARK)
    artist.set_label(clean(words))


def marks(drawing: Figure) -> list[Artist]:
    """The artists that carry a value, in the order in which they were added."""
    return [artist for artist in artists(drawing) if str(artist.get_gid() or "").startswith(_MARK)]


def artists(drawing: Figure) -> Iterator[Artist]:
    """Everything that is drawn; `Figure.findobj` would make all the ticks of axes that show none."""
    yield from drawing.texts
    yield from drawing.artists
    for axes in drawing.axes:
        for kind in (axes.collections, axes.lines, axes.patches, axes.texts):
            yield from kind


def heading(drawing: Figure, title: str, notes: Sequence[str]) -> float:
    """Title and notes at the top left; returns the height in inches that they take."""
    height, room = drawing.get_figheight(), WIDTH_IN - 0.2
    drawing.text(
        0.1 / WIDTH_IN,
        1 - 0.08 / height,
        fitted(title, room, 10.5, "bold"),
        va="top",
        weight="bold",
        size=10.5,
    )
    for at, note in enumerate(notes):
        y = 1 - (0.3 + 0.17 * at) / height
        drawing.text(0.1 / WIDTH_IN, y, fitted(note, room, 8), va="top", size=8, color=QUIET)
    return heading_in(notes)


def heading_in(notes: Sequence[str]) -> float:
    """The height in inches that a title and these notes take."""
    return 0.4 + 0.17 * len(notes)


def svg(drawing: Figure, name: str, *, title: str, description: str) -> Vectors:
    """The figure as SVG; ids start with `name`, so that several live in one page."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    carry = {}
    for at, artist in enumerate(marks(drawing)):
        artist.set_gid(f"{_MARK}{at}")
        carry[f"{_MARK}{at}"] = str(artist.get_label())
    raw = io.BytesIO()
    # Figure.savefig would draw everything twice: once more for layout engines, of which there is none here.
    FigureCanvasSVG(drawing).print_svg(raw, metadata=_NO_METADATA)  # type: ignore[no-untyped-call]  # theirs
    tree = _tidy(raw.getvalue(), name, title, description, carry)
    return Vectors(
        ET.tostring(tree, encoding="unicode"), _alone(tree), tuple(Mark(*each) for each in carry.items())
    )


def _tidy(raw: bytes, name: str, title: str, description: str, carry: Mapping[str, str]) -> ET.Element:
    """Without style elements and style attributes, which a strict Content-Security-Policy forbids."""
    source = ET.fromstring(raw)  # noqa: S314  (written by matplotlib a moment ago, with all text escaped)
    tree = _without_namespaces(source, name)
    for attribute in ("width", "height", "version"):
        tree.attrib.pop(attribute, None)
    tree.set("class", "chart")
    tree.set("role", "img")
    tree.set("aria-labelledby", f"{name}-title {name}-desc")
    for at, (tag, words) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(tag, {"id": f"{name}-{tag}"})
        element.text = words
        tree.insert(at, element)
    for group in tree.iter("g"):
        value = carry.get(group.get("id", "").removeprefix(f"{name}-"))
        if value is not None:
            group.set("class", _MARK)
            said = ET.Element("title")
            said.text = value
            group.insert(0, said)
    return tree


def _without_namespaces(source: ET.Element, name: str) -> ET.Element:
    tag = source.tag.rpartition("}")[2]
    element = ET.Element(tag, dict(_attributes(source, name)))
    text = source.text or ""
    element.text = text if tag in ("text", "tspan") else text.strip()
    for child in source:
        if child.tag.rpartition("}")[2] not in ("style", "metadata"):
            element.append(_without_namespaces(child, name))
    return element


def _attributes(source: ET.Element, name: str) -> Iterator[tuple[str, str]]:
    for key, value in source.attrib.items():
        plain = key.rpartition("}")[2]
        if plain == "style":
            for declaration in value.split(";"):
                property_, _, setting = declaration.partition(":")
                if property_.strip() in _ATTRIBUTES:
                    yield property_.strip(), _REFERENCE.sub(rf"url(#{name}-\1)", _value(property_, setting))
        elif plain == "id":
            yield "id", f"{name}-{value}"
        elif plain == "href":
            yield "href", f"#{name}-{value.removeprefix('#')}"
        elif plain == "d":
            yield "d", _FRACTION.sub(_rounded, " ".join(value.split()))
        elif not (plain == "transform" and value.startswith("rotate(-0 ")):
            yield plain, _REFERENCE.sub(rf"url(#{name}-\1)", value)


def _value(property_: str, setting: str) -> str:
    # The letters of the two are equally wide; where both are missing any without serifs fits, because they are wide.
    if property_.strip() != "font-family":
        return setting.strip()
    other = script()
    return (
        ", ".join(["'DejaVu Sans'", "Verdana", other.readers, "sans-serif"])
        if other
        else f"{setting.strip()}, Verdana, sans-serif"
    )


def _rounded(number: re.Match[str]) -> str:
    """A hundredth of a point is finer than any screen, and a third of the bytes."""
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _alone(tree: ET.Element) -> bytes:
    """The same drawing as a file of its own, which turns dark where its reader prefers that."""
    whole = ET.Element("svg", {**tree.attrib, "xmlns": _SVG})
    ground = ET.Element("rect", {"width": "100%", "height": "100%", "fill": GROUND})
    whole.extend([*tree[:2], ground, *tree[2:]])
    style = ET.Element("style")
    style.text = dark_rules(ET.tostring(whole, encoding="unicode"))
    whole.insert(2, style)
    written: bytes = ET.tostring(whole, encoding="utf-8", xml_declaration=True)
    return written
