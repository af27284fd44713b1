"""Colours with a meaning that they keep in every chart, on light and on dark ground.

Transports take the colours of Okabe and Ito ("Color Universal Design", 2008), phases those of Paul Tol's
muted scheme ("Colour Schemes", SRON/EPS/TN/09-002, 2021), both made to be told apart without red-green
vision. A phase is also named inside its bar and a transport has a marker of its own, for grey prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from zlib import crc32

INK: Final = "#1b1f24"
QUIET: Final = "#57606a"
GRID: Final = "#d8dee4"
GROUND: Final = "#fefefe"
"""The page behind a chart: the edge between two pieces of a bar has this colour."""
SHADE: Final = "#eef1f4"
ALARM: Final = "#b3261e"


@dataclass(frozen=True, slots=True)
class Hue:
    """A colour for light ground, its twin for dark ground, and the words' colour on top of either."""

    light: str
    dark: str
    words: str


_BLACK: Final = "#000000"
_WHITE: Final = "#ffffff"

PHASES: Final[Mapping[str, Hue]] = {
    "lateness": Hue("#882255", "#b0457e", _WHITE),
    "encode": Hue("#ddcc77", "#ddcc77", _BLACK),
    "send": Hue("#cc6677", "#cc6677", _BLACK),
    "queue": Hue("#332288", "#6a5acd", _WHITE),
    "transit": Hue("#88ccee", "#88ccee", _BLACK),
    "decode": Hue("#44aa99", "#44aa99", _BLACK),
    "batch": Hue("#999933", "#999933", _BLACK),
    "compute": Hue("#117733", "#1c8341", _WHITE),
    "reply": Hue("#c9cdd2", "#c9cdd2", _BLACK),
    "return": Hue("#aa4499", "#b24da2", _WHITE),
}
PARTIES: Final[Mapping[str, Hue]] = {
    "producer": Hue("#ddaa33", "#ddaa33", _BLACK),
    "stage": Hue("#004488", "#3a76b3", _WHITE),
    "broker": Hue("#bb5566", "#bb5566", _BLACK),
}
_TRANSPORTS: Final[Mapping[str, tuple[Hue, str]]] = {
    "http": (Hue("#c75000", "#ee7733", _BLACK), "s"),
    "redis-list": (Hue("#0072b2", "#3399d6", _BLACK), "o"),
    "redis-stream": (Hue("#56b4e9", "#7cc6f0", _BLACK), "D"),
    "shm": (Hue("#009e73", "#2dbb92", _BLACK), "^"),
    "unix": (Hue("#cc79a7", "#dd92bb", _BLACK), "v"),
    "inproc": (Hue("#666c73", "#9aa2ab", _BLACK), "X"),
}
_OTHERS: Final = (
    (Hue("#e69f00", "#eab030", _BLACK), "P"),
    (Hue("#7a4fa3", "#a98bcc", _BLACK), "h"),
    (Hue("#8c7a1f", "#bfa93c", _BLACK), "*"),
    (Hue("#1f6f78", "#4aa5af", _BLACK), "p"),
    (Hue("#a3364f", "#d66b84", _BLACK), "d"),
)
_GROUNDS: Final[Mapping[str, str]] = {
    INK: "#e6edf3",
    QUIET: "#9aa5b1",
    GRID: "#343b44",
    GROUND: "#12161b",
    SHADE: "#1d232a",
    ALARM: "#ff8a80",
}
DASHES: Final = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
"""Line styles: the codecs of one transport, in the order in which they appear."""


def transport(name: str) -> Hue:
    """The transport's colour: its own, or for one from outside the package always the same of five."""
    return _transport(name)[0]


def marker(name: str) -> str:
    """The transport's marker, for prints without colours."""
    return _transport(name)[1]


def _transport(name: str) -> tuple[Hue, str]:
    known = _TRANSPORTS.get(name)
    return known or _OTHERS[crc32(name.encode("utf-8", "replace")) % len(_OTHERS)]


def dark_twins() -> dict[str, str]:
    """The colour on dark ground of every colour of light ground that has another one there."""
    hues = [*PHASES.values(), *PARTIES.values(), *(hue for hue, _ in (*_TRANSPORTS.values(), *_OTHERS))]
    return {**_GROUNDS, **{hue.light: hue.dark for hue in hues if hue.dark != hue.light}}
