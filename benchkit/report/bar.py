"""One stacked bar of a message's phases: a letter and a colour each, so that it reads without colours too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.measure import Measurement
    from rich.text import Text

# Neighbours differ in hue and lightness: the producer's are warm, the carrier's blue, the stage's green.
PHASES: Final[Mapping[str, tuple[str, str]]] = {
    "lateness": ("L", "white on red3"),
    "encode": ("E", "black on orange1"),
    "send": ("S", "black on yellow3"),
    "queue": ("Q", "white on purple"),
    "transit": ("T", "black on sky_blue1"),
    "decode": ("D", "black on sea_green2"),
    "batch": ("B", "white on grey42"),
    "compute": ("C", "white on dark_green"),
    "reply": ("R", "black on light_pink1"),
    "return": ("U", "white on dodger_blue3"),
}
_NARROWEST: Final = 10
_WIDEST: Final = 48


@dataclass(frozen=True, slots=True)
class PhaseBar:
    """The shares (0 to 1) of a cell's phases, as wide as there is room."""

    shares: Mapping[str, float]

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement

        return Measurement(_NARROWEST, min(_WIDEST, options.max_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.text import Text

        bar = Text(no_wrap=True, overflow="crop")
        for phase, width in widths(self.shares, min(_WIDEST, options.max_width)).items():
            letter, style = PHASES[phase]
            bar.append(letter * width, style)
        yield bar


def widths(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Whole columns for each phase, `total` together, by largest remainder; none without any share."""
    known = {phase: max(0.0, shares.get(phase, 0.0)) for phase in PHASES}
    whole = sum(known.values())
    if whole <= 0:
        return dict.fromkeys(PHASES, 0)
    exact = {phase: share / whole * total for phase, share in known.items()}
    found = {phase: int(width) for phase, width in exact.items()}
    left = total - sum(found.values())
    for phase in sorted(exact, key=lambda phase: found[phase] - exact[phase])[:left]:
        found[phase] += 1
    return found


def legend(phases: Sequence[str], width: int) -> list[Text]:
    """What the letters of these phases stand for, in lines of at most `width` columns, no entry broken."""
    from rich.text import Text

    lines = [Text()]
    for phase in phases:
        letter, style = PHASES[phase]
        entry = Text.assemble((f" {letter} ", style), f" {phase} ")
        if lines[-1].cell_len + entry.cell_len > max(width, entry.cell_len):
            lines.append(Text())
        lines[-1].append_text(entry)
    return lines
