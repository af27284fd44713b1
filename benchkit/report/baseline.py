"""A comparison with a stored baseline, and baselines themselves, for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchkit.report.text import text

Entry = Mapping[str, Any]
_STYLES: Final = {"FAIL": "red", "WARN": "yellow", "INCONCLUSIVE": "yellow", "PASS": "green"}
_MOST: Final = 40


def comparison(found: Entry) -> RenderableType:
    """The figures that did not pass, or else all of them; the reasons, the verdict."""
    rows = [row for row in found["rows"] if row["verdict"] != "PASS" or row["improved"]] or found["rows"]
    shown = [(row["cell"], _compared(row)) for row in rows[:_MOST]]
    more = len(rows) - _MOST
    passed = sum(row["verdict"] == "PASS" for row in found["rows"])
    lines = [f"and {more} more rows"] if more > 0 else []
    lines += [f"compared {found['mode']}; {passed} of {len(found['rows'])} rows pass"]
    lines += _once("!", [(row["cell"], row["why"]) for row in rows if row["why"]])
    lines += _once("not compared:", [_parted(each) for each in found["not_compared"]])
    lines += found["reasons"]
    told = [text(each, "dim") for each in lines]
    return Group(
        *_by_cell(("metric", "baseline", "now", "change (95%)", ""), shown),
        *told,
        text(f"{found['verdict']} against the baseline", _STYLES[found["verdict"]]),
    )


def _compared(row: Entry) -> list[Text]:
    said = row["verdict"] + (" (better)" if row["improved"] else "")
    plain = (row["metric"], figure(row["base"]), figure(row["now"]), change(row))
    return [*map(text, plain), text(said, _STYLES[row["verdict"]])]


def _parted(line: str) -> tuple[str, str]:
    cell, _, why = line.partition(": ")
    return cell, why


def _once(mark: str, found: Sequence[tuple[str, str]]) -> list[str]:
    """A line for each thing that is said, however many cells it is said of."""
    cells: dict[str, list[str]] = {}
    for cell, why in dict.fromkeys(found):
        cells.setdefault(why, []).append(cell)
    return [
        f"{mark} {own[0] if len(own) == 1 else f'{len(own)} cells, such as {own[0]}'}: {why}"
        for why, own in cells.items()
    ]


def content(found: Entry) -> RenderableType:
    """A baseline: its cells and figures."""
    rows = [
        (name, _kept(metric, kept))
        for name, own in sorted(found["cells"].items())
        for metric, kept in sorted(own.items())
    ]
    noise = found["noise"]
    size = "of each figure" if noise["log_sd"] is None else f"{noise['log_sd']:.0%}"
    return Group(
        *_by_cell(("metric", "value", "95%", "between runs"), rows),
        text(
            f"{len(found['runs'])} run(s), noise from run to run {noise['source']} ({size}); machine "
            f"{found['environment'].get('fingerprint')}; digest {found['digest'][:12]}",
            "dim",
        ),
    )


def _kept(metric: str, kept: Entry) -> list[Text]:
    spread = kept.get("log_sd")
    low, high = kept.get("ci95") or (None, None)
    ends = f"{figure(low)} to {figure(high)}" if low is not None else "exact"
    return [*map(text, (metric, figure(kept["value"]), ends, "-" if spread is None else f"{spread:.1%}"))]


def _by_cell(columns: Sequence[str], rows: Sequence[tuple[str, list[Text]]]) -> list[RenderableType]:
    """The name of each cell over its rows: beside them it would leave 80 columns no room for figures."""
    widths = [max(map(len, [name, *(own[at].plain for _, own in rows)])) for at, name in enumerate(columns)]
    found: list[RenderableType] = [_table(*columns, widths=widths)]
    for cell, together in groupby(rows, key=itemgetter(0)):
        table = _table(*columns, widths=widths, header=False)
        for _, own in together:
            table.add_row(*own)
        found += [text(cell, "bold"), table]
    return found


def shelf(found: Iterable[tuple[str, Entry | None, str]]) -> RenderableType:
    """The baselines of a folder: file, content, what is wrong with it."""
    table = _table("file", "scenario", "cells", "runs", "noise", "machine", "")
    for name, kept, wrong in found:
        if kept is None:
            table.add_row(text(name), *[text("")] * 5, text(wrong, "red"))
            continue
        table.add_row(
            text(name), text(str(kept["scenario"].get("name", ""))), text(str(len(kept["cells"]))),
            text(str(len(kept["runs"]))), text(kept["noise"]["source"]),
            text(str(kept["environment"].get("fingerprint"))), text(wrong),
        )  # fmt: skip
    return table


def figure(value: float | None) -> str:
    """Four digits, or all that stand before the point."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def change(row: Entry) -> str:
    """`+11% (+9% to +13%)`, or nothing."""
    if row["change"] is None:
        return ""
    low, high = row["interval"]
    return f"{row['change']:+.1%} ({low:+.1%} to {high:+.1%})"


def _table(*columns: str, widths: Sequence[int] = (), header: bool = True) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=header)
    for name, width in zip_longest(columns, widths):
        table.add_column(name, overflow="fold", min_width=width)
    return table
