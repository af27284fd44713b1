"""Crossover map: payload by rate, the winner of each field, pale where it is a tie, empty where nothing is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchkit.analysis.crossover_words import show_rate
from benchkit.analysis.words import times, times_with_interval
from benchkit.report.charts import axes as on
from benchkit.report.charts.canvas import WIDTH_IN, figure, heading, heading_in, mark, place
from benchkit.report.charts.chart import Words
from benchkit.report.charts.letters import fitted
from benchkit.report.charts.palette import GROUND, INK, QUIET, SHADE, Look, looks
from benchkit.report.excerpt import excerpt, short
from benchkit.units import show_bytes
from benchkit.words import named, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Entry = Mapping[str, Any]
MOST_PAYLOADS: Final = 10
MOST_RATES: Final = 12
_ROW_IN: Final = 0.66
_PALE: Final = 0.3
_TIED: Final = 4
"""Of a tie so many are named."""


@dataclass(frozen=True, slots=True)
class Plot:
    """One field of the map."""

    column: int
    row: int
    state: str
    winners: tuple[str, ...]
    looks: tuple[Look, ...]
    margin: str
    """How far behind the next is, in words; empty where nothing is claimed."""
    says: str


@dataclass(frozen=True, slots=True)
class Map:
    """What is drawn."""

    words: Words
    payloads: tuple[str, ...]
    rates: tuple[str, ...]
    """From the highest to the lowest, as drawn from the top."""
    plots: tuple[Plot, ...]


def crossings(document: Entry) -> list[Map]:
    """The maps of a run, none where run.json holds none (a record of an older version is analysed anew)."""
    look = looks(str(cell["transport"]) for cell in document["cells"])
    counts: dict[str, list[int]] = {cell["group"]: [] for cell in document["cells"]}
    for cell in document["cells"]:
        if cell["validity"]["valid"]:
            counts[cell["group"]].append(int(cell["latency_us"]["count"]))
    return [_map(found, look, counts) for found in document.get("crossover", ())]


def _map(found: Entry, look: Mapping[str, Look], counts: Mapping[str, Sequence[int]]) -> Map:
    sizes = list(found["payloads_bytes"])[:MOST_PAYLOADS]
    rates = sorted(found["rates_per_s"], key=lambda rate: rate or 0.0, reverse=True)[:MOST_RATES]
    left_out = len(found["payloads_bytes"]) - len(sizes) + len(found["rates_per_s"]) - len(rates)
    fields = [
        each for each in found["fields"] if each["payload_bytes"] in sizes and each["rate_per_s"] in rates
    ]
    plots = tuple(
        Plot(
            column=sizes.index(each["payload_bytes"]),
            row=rates.index(each["rate_per_s"]),
            state=each["state"],
            winners=tuple(short(name, 26) for name in each["winners"]),
            looks=tuple(look[name] for name in each["transports"]),
            margin=_margin(each),
            says=_says(each, found["by"]),
        )
        for each in fields
    )
    sizes_seen = [count for each in fields for count in counts[each["group"]]]
    best = say("the highest capacity") if found["by"] == "rate" else say("the lowest p50")
    notes = (
        say(
            "Who has {best}. Full colour: one winner, and how many times worse the next is, with its "
            "95% interval.",
            best=best,
        ),
        say("Pale: a tie of those named. Empty: fewer than two valid cells, or too few rounds to tell."),
        say(
            "n={least} to {most} messages a cell.",
            least=min(sizes_seen, default=0),
            most=max(sizes_seen, default=0),
        ),
        *((say("{left_out} payloads or rates are left out", left_out=left_out),) if left_out else ()),
    )
    columns = ("payload", "rate", "result", "winners", say("next behind by"), "compared", say("not valid"))
    return Map(
        Words(
            say("Which wins where: {title}", title=excerpt(found["title"], 100)),
            notes,
            columns,
            tuple(map(_values, fields)),
        ),
        tuple(map(show_bytes, sizes)),
        tuple("" if rate is None else show_rate(rate) for rate in rates),
        plots,
    )


def _margin(field: Entry) -> str:
    if field["margin"] is None:
        return ""
    if field["margin_ci95"] is None:
        return times(field["margin"])
    return times_with_interval(field["margin"], field["margin_ci95"])


def _values(field: Entry) -> tuple[str, ...]:
    names = (
        ", ".join(short(name) for name in field[which]) or "-" for which in ("winners", "compared", "missing")
    )
    winners, compared, missing = names
    rate = "-" if field["rate_per_s"] is None else show_rate(field["rate_per_s"])
    return (
        show_bytes(field["payload_bytes"]), rate, named(field["state"]), winners, _margin(field) or "-", compared,
        missing,
    )  # fmt: skip


def _says(field: Entry, by: str) -> str:
    size, rate, _, winners, margin, compared, missing = _values(field)
    state = field["state"]
    where = size if rate == "-" else say("{size} at {rate}", size=size, rate=rate)
    said = {
        "won": say("{winners} is fastest, the next takes {margin}", winners=winners, margin=margin)
        if by != "rate"
        else say("{winners} holds the highest rate, {margin}", winners=winners, margin=margin),
        "tied": say("a tie of {winners}", winners=winners)
        + (say(", the next behind by {margin}", margin=margin) if margin != "-" else ""),
        "undecided": say("too few rounds to tell {compared} apart", compared=compared),
        "alone": say("only {compared} is valid", compared=compared),
        "blank": say("no valid measurement"),
    }[state]
    return f"{where}: {said}" + (
        "" if missing == "-" or state == "blank" else say("; not valid: {missing}", missing=missing)
    )


def draw(chart: Map) -> Figure:
    """A field for each payload (to the right) and rate (upwards)."""
    notes = chart.words.notes
    drawing = figure(heading_in(notes) + _ROW_IN * len(chart.rates) + 0.75)
    top = heading(drawing, chart.words.title, notes) + 0.1
    left = max(0.45, on.label_width_in(chart.rates))
    axes = place(drawing, left, 0.55, 0.15, top)
    axes.set_xlim(0, len(chart.payloads))
    axes.set_ylim(len(chart.rates), 0)
    width_in = (WIDTH_IN - left - 0.15) / len(chart.payloads)
    for plot in chart.plots:
        _field(axes, plot, width_in - 0.08)
    ticks = [(at + 0.5, words) for at, words in enumerate(chart.payloads)]
    on.across(axes, ticks, unit=named("payload"), grid=False)
    place_ = on.moved(axes, axes.get_yaxis_transform(), right=-4)
    for at, words in enumerate(chart.rates):
        axes.text(0, at + 0.5, words, transform=place_, ha="right", va="center", size=8, color=QUIET)
    return drawing


def _field(axes: Axes, plot: Plot, room_in: float) -> None:
    x, y = plot.column, plot.row
    ground = {"won": plot.looks[0].hue.light if plot.looks else SHADE, "tied": SHADE}.get(plot.state, GROUND)
    field = on.box(
        axes, (x, y), 1, 1, facecolor=ground, edgecolor=QUIET if ground == GROUND else GROUND, linewidth=1.0,
        linestyle=":" if ground == GROUND else "-",
    )  # fmt: skip
    mark(field, plot.says)
    lines = _lines(plot)
    share = 0.94 / max(1, len(lines))
    if plot.state == "tied":
        for at, look in enumerate(plot.looks[: len(lines)]):
            hue = look.hue.light if at < _TIED - 1 or len(plot.looks) <= _TIED else QUIET
            on.box(
                axes, (x + 0.01, y + 0.03 + at * share), 0.98, share, facecolor=hue, alpha=_PALE, linewidth=0
            )
    step = share if plot.state == "tied" else 0.24
    color = plot.looks[0].hue.words if plot.state == "won" else INK if plot.state == "tied" else QUIET
    for at, words in enumerate(lines):
        weight = "bold" if plot.state == "won" and not at else "normal"
        axes.text(
            x + 0.5, y + 0.5 + step * (at - (len(lines) - 1) / 2), fitted(words, room_in, 7.5, weight),
            ha="center", va="center",
            size=7.5, color=color, weight=weight,
        )  # fmt: skip


def _lines(plot: Plot) -> Sequence[str]:
    match plot.state:
        case "won":
            return [
                plot.winners[0],
                *([say("next {margin}", margin=plot.margin.partition(" [")[0])] if plot.margin else []),
            ]
        case "tied" if len(plot.winners) > _TIED:
            return [
                *plot.winners[: _TIED - 1],
                say("and {winners} more", winners=len(plot.winners) - _TIED + 1),
            ]
        case "tied":
            return plot.winners
        case "undecided":
            return [say("too few rounds")]
        case "alone":
            return [say("one valid cell")]
        case _:
            return []
