"""A comparison with a stored baseline, and baselines themselves, for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table

from benchkit.report.text import text

Entry = Mapping[str, Any]
_STYLES: Final = {"FAIL": "red", "WARN": "yellow", "INCONCLUSIVE": "yellow", "PASS": "green"}
_MOST: Final = 40


def comparison(found: Entry) -> RenderableType:
    """The table, the reasons, the verdict."""
    table = _table("cell", "metric", "baseline", "now", "change (95%)", "")
    rows = [row for row in found["rows"] if row["verdict"] != "PASS" or row["improved"]] or found["rows"]
    for row in rows[:_MOST]:
        said = row["verdict"] + (" (better)" if row["improved"] else "")
        table.add_row(
            text(row["cell"]), text(row["metric"]), text(figure(row["base"])), text(figure(row["now"])),
            text(change(row)), text(said, _STYLES[row["verdict"]]),
        )  # fmt: skip
    more = len(rows) - _MOST
    passed = sum(row["verdict"] == "PASS" for row in found["rows"])
    lines = [f"and {more} more rows"] if more > 0 else []
    lines += [f"compared {found['mode']}; {passed} of {len(found['rows'])} rows pass"]
    lines += [f"! {row['cell']}: {row['why']}" for row in rows[:_MOST] if row["why"]]
    lines += [f"not compared: {each}" for each in found["not_compared"][:_MOST]]
    lines += found["reasons"]
    told = [text(each, "dim") for each in lines]
    return Group(table, *told, text(f"{found['verdict']} against the baseline", _STYLES[found["verdict"]]))


def content(found: Entry) -> RenderableType:
    """A baseline: its cells and figures."""
    table = _table("cell", "metric", "value", "95%", "between runs")
    for name, own in sorted(found["cells"].items()):
        for metric, kept in sorted(own.items()):
            spread = kept.get("log_sd")
            low, high = kept.get("ci95") or (None, None)
            table.add_row(
                text(name), text(metric), text(figure(kept["value"])),
                text(f"{figure(low)} to {figure(high)}" if low is not None else "exact"),
                text("-" if spread is None else f"{spread:.1%}"),
            )  # fmt: skip
    noise = found["noise"]
    size = "of each figure" if noise["log_sd"] is None else f"{noise['log_sd']:.0%}"
    return Group(
        table,
        text(
            f"{len(found['runs'])} run(s), noise from run to run {noise['source']} ({size}); machine "
            f"{found['environment'].get('fingerprint')}; digest {found['digest'][:12]}",
            "dim",
        ),
    )


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
    """Four digits."""
    return "-" if value is None else f"{value:.4g}"


def change(row: Entry) -> str:
    """`+11% (+9% to +13%)`, or nothing."""
    if row["change"] is None:
        return ""
    low, high = row["interval"]
    return f"{row['change']:+.1%} ({low:+.1%} to {high:+.1%})"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, overflow="fold")
    return table
