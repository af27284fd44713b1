"""Colours with a meaning that they keep in every chart, on light and on dark ground.

Six transports take the colours of Okabe and Ito ("Color Universal Design", 2008); the others' were picked by a
search for the largest distance in CIELAB from all before them under normal vision and simulated protanopia,
deuteranopia and tritanopia (Machado, Oliveira and Fernandes, IEEE TVCG 15 (2009) 1291-1298). Phases take those of
Paul Tol's muted scheme ("Colour Schemes", SRON/EPS/TN/09-002, 2021). A phase is also named inside its bar and a
transport has a marker of its own, for grey prints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
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
    """A colour for light ground, its twin for dark ground, and the words' colour on top of either.

    Words in GROUND are light on the one and dark on the other.
    """

    light: str
    dark: str
    words: str


@dataclass(frozen=True, slots=True)
class Look:
    """How a transport looks in every chart of a report."""

    hue: Hue
    marker: str
    """For prints without colours."""


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
_TRANSPORTS: Final[Mapping[str, Look]] = {
    "http": Look(Hue("#c75000", "#ee7733", _BLACK), "s"),
    "kserve-http": Look(Hue("#492d12", "#b08a5e", GROUND), "P"),
    "redis-list": Look(Hue("#0072b2", "#3399d6", GROUND), "o"),
    "redis-stream": Look(Hue("#56b4e9", "#7cc6f0", _BLACK), "D"),
    "shm": Look(Hue("#009e73", "#2dbb92", _BLACK), "^"),
    "iceoryx2": Look(Hue("#22228a", "#877ef0", GROUND), "h"),
    "unix": Look(Hue("#cc79a7", "#dd92bb", _BLACK), "v"),
    "zeromq": Look(Hue("#a50cf2", "#9247ee", _WHITE), "p"),
    "mp-queue": Look(Hue("#7fac52", "#9ccf6b", _BLACK), "<"),
    "inproc": Look(Hue("#666c73", "#657379", _WHITE), "X"),
}
_OTHERS: Final = (
    Hue("#7d066a", "#e35fcd", GROUND),
    Hue("#756038", "#c2a868", GROUND),
    Hue("#124940", "#3fa294", GROUND),
    Hue("#7e53d4", "#b7a2f2", GROUND),
)
_OTHER_MARKERS: Final = (">", "d", "*", "H", "8", "1", "2", "3", "4")
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


def looks(names: Iterable[str]) -> dict[str, Look]:
    """How each transport of a report looks: its own colour and marker, no two alike.

    One from outside the package has the same of four colours in every report, unless another from outside already
    has it there; the one that is later in the alphabet then takes the next, or another marker where all are taken.
    """
    found: dict[str, Look] = {}
    taken: Counter[int] = Counter()
    for name in sorted(set(names)):
        known = _TRANSPORTS.get(name)
        if known is None:
            first = crc32(name.encode("utf-8", "replace"))
            at = min(range(first, first + len(_OTHERS)), key=lambda at: taken[at % len(_OTHERS)]) % len(
                _OTHERS
            )
            known = Look(_OTHERS[at], _OTHER_MARKERS[(at + taken[at]) % len(_OTHER_MARKERS)])
            taken[at] += 1
        found[name] = known
    return found


def hues() -> list[Hue]:
    """Every hue that a chart may use."""
    return [*PHASES.values(), *PARTIES.values(), *(each.hue for each in _TRANSPORTS.values()), *_OTHERS]


def dark_twins() -> dict[str, str]:
    """The colour on dark ground of every colour of light ground that has another one there."""
    return {**_GROUNDS, **{hue.light: hue.dark for hue in hues() if hue.dark != hue.light}}


def dark_rules(used: str) -> str:
    """Style sheet of a drawing that stands alone: the twins of the colours in its text `used`, on dark ground."""
    each = (
        f'[{name}="{light}"]{{{name}:{twin}}}'
        for light, twin in dark_twins().items()
        for name in ("fill", "stroke")
        if f'{name}="{light}"' in used
    )
    return f"@media (prefers-color-scheme:dark){{{''.join(each)}}}"
