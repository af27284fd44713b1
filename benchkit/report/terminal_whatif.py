"""The terminal's what-if: what a change would buy, beside what it was seen to buy; pure functions of run.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from benchkit.report.text import rate, text
from benchkit.units import show_us

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Entry = Mapping[str, Any]
_WORTH: Final = 0.02
"""A phase whose halving changes neither capacity nor p50 by this share is told in one line with the others."""


def what_if(document: Entry) -> Iterator[RenderableType]:
    """For each cell with trials: what limits it, what halving and swapping would buy, what slowing did."""
    cells = [cell for cell in document["cells"] if cell.get("what_if") and _asked(cell["what_if"])]
    if not cells:
        return
    yield text("")
    yield text("What if", "bold")
    for cell in cells:
        yield from _cell(cell)
    yield text(
        "predicted: the measured capacity times the ratio of the bounds that the demands set; "
        "[ ] 95% of the rounds' ratios",
        "dim",
    )


def _asked(found: Entry) -> bool:
    """Cells that were only saturated for their demands are not told."""
    return bool(found["sensitivity"] or found["confirmed"] or found["left_out"])


def _cell(cell: Entry) -> Iterator[RenderableType]:
    found = cell["what_if"]
    yield text(f"{cell['labels']['row']} ({cell['group']})", "bold")
    if found["now"]:
        yield _lines([_now(found["now"])])
    yield _lines(list(_predictions(found)))
    if found["sensitivity"]:
        yield _slopes(found["sensitivity"])
    if found["left_out"]:
        yield _lines([f"not tried: {why}" for why in found["left_out"]], style="dim")


def _now(now: Entry) -> str:
    limit = next((each for each in now["resources"] if each["name"] == now["limited_by"]), None)
    busy = f", {min(1.0, limit['utilisation']):.0%} busy then" if limit else ""
    within = _interval(now["capacity_ci95"], rate)
    return (
        f"capacity now {rate(now['capacity_per_s'])}{within}, limited by {_resource(now['limited_by'])}{busy}"
    )


def _resource(name: str) -> str:
    return "what may be in flight" if name == "in flight" else f"the {name}"


def _predictions(found: Entry) -> Iterator[str]:
    seen = {each["change"]: each for each in found["confirmed"]}
    little = []
    for each in found["predictions"]:
        if each["kind"] == "phase" and not _matters(each):
            little.append(each["name"])
            continue
        yield f"{each['words']}: {_capacity(each, seen.get(each['change']))}{_latency(each, seen.get(each['change']))}"
    if little:
        yield f"{', '.join(little)} twice as fast: within {_WORTH:.0%} of now"


def _matters(each: Entry) -> bool:
    return any(
        figure["predicted"] is not None
        and figure["now"]
        and abs(figure["predicted"] / figure["now"] - 1) >= _WORTH
        for figure in (each["capacity_per_s"], each["latency_us"])
    )


def _capacity(each: Entry, seen: Entry | None) -> str:
    """`41/s -> 44/s predicted, 43/s measured [42/s, 45/s]`."""
    figure = each["capacity_per_s"]
    if seen is None or seen["capacity_per_s"] is None:
        failed = f"; could not be tried: {seen['failed']}" if seen and seen["failed"] else ""
        told = f"{rate(figure['predicted'])} predicted" if figure["predicted"] else f"? ({figure['why_not']})"
        return f"capacity {rate(figure['now'])} -> {told}{failed}"
    measured = seen["capacity_per_s"]
    told = f"{rate(measured['predicted'])} predicted, " if measured["predicted"] else ""
    return (
        f"capacity {rate(measured['now'])} -> {told}{rate(measured['measured'])} measured"
        f"{_interval(measured['ci95'], rate)}{_verdict(measured)}"
    )


def _latency(each: Entry, seen: Entry | None) -> str:
    figure = each["latency_us"]
    measured = seen["latency_us"] if seen else None
    if measured is not None:
        told = f"{show_us(measured['predicted'])} predicted, " if measured["predicted"] else ""
        return (
            f"; p50 {show_us(measured['now'])} -> {told}{show_us(measured['measured'])} measured"
            f"{_interval(measured['ci95'], show_us)}{_verdict(measured)}"
        )
    if figure["predicted"] is None:
        return f" (p50: {figure['why_not']})" if each["capacity_per_s"]["predicted"] else ""
    return f" (p50 {show_us(figure['now'])} -> {show_us(figure['predicted'])})"


def _interval(interval: Sequence[float] | None, show: Any) -> str:
    return "" if interval is None else f" [{show(interval[0])}, {show(interval[1])}]"


def _verdict(measured: Entry) -> str:
    return ", not as predicted" if measured["inside"] is False else ""


def _slopes(found: Sequence[Entry]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("slowed", no_wrap=True)
    for name in ("mean", "paid in throughput", "paid in latency"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("which means", overflow="fold")
    for each in found:
        table.add_row(
            text(each["phase"]),
            text(show_us(each["mean_us"])),
            text(_slope(each["throughput"], "per_added", "per_added_ci95")),
            text(_slope(each["latency"], "slope", "ci95")),
            text(each["words"]),
        )
    return table


def _slope(found: Entry | None, value: str, interval: str) -> str:
    if found is None:
        return "-"
    low, high = found[interval]
    return f"{found[value]:.2f} [{low:.2f}, {high:.2f}]"


def _lines(lines: Sequence[str], style: str = "") -> Table:
    from rich.table import Table

    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row(text("*", style), text(line, style))
    return grid
