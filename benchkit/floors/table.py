"""The tables of `benchkit floors` at 80 columns: pure functions of its document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from benchkit.analysis.words import times
from benchkit.report.terminal import View
from benchkit.report.text import text, within
from benchkit.units import show_bytes, show_us

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Entry = Mapping[str, Any]


def report(document: Entry) -> View:
    """A table for each length, the bars, and what was not measured."""

    def build(width: int) -> Iterator[RenderableType]:
        del width
        if document["quick"]:
            yield text("quick run: few short blocks, wide intervals", "yellow")
        for nbytes in document["sizes"]:
            yield text(f"{show_bytes(nbytes)} ({nbytes} B)", "bold")
            yield _sizes(document, nbytes)
            yield text("")
        yield text("must reach (upper end of the 95% interval, two cores)", "bold")
        yield _bars(document)
        yield from _obstacles(document)
        yield from _missing(document)
        yield from _notes(document)

    return View(build)


def _table() -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=False, show_edge=False)


def _sizes(document: Entry, nbytes: int) -> Table:
    table = _table()
    table.add_column("", overflow="fold", min_width=18)
    for name in ("exchange p50", "one way"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("times", justify="right", no_wrap=True)
    table.add_column("of", overflow="fold")
    rows = {row["name"]: row for row in document["rows"] if row["bytes"] == nbytes and row["exchange_us"]}
    ratios = {each["of"]: each for each in document["ratios"] if each["bytes"] == nbytes}
    for name, indent in _order(rows, ratios):
        row = rows[name]
        compared = ratios.get(name)
        table.add_row(
            text(f"{row['name']}"), _figure(row["exchange_us"]), _us(row["one_way_us"]), *_ratio(compared),
            style="" if row["role"] == "transport" else "dim" if indent else "",
        )  # fmt: skip
    return table


def _order(rows: Mapping[str, Entry], ratios: Mapping[str, Entry]) -> Iterator[tuple[str, bool]]:
    """Floors first; then each transport, followed by what is compared with it; then what is beside nothing.

    With each name, whether it stands below a transport.
    """
    roles = {name: row["role"] for name, row in rows.items()}
    yield from ((name, False) for name, role in roles.items() if role == "floor")
    beside: dict[str, list[str]] = {name: [] for name, role in roles.items() if role == "transport"}
    for name in roles:
        against = ratios[name]["against"] if name in ratios else ""
        if against in beside:
            beside.pop(name, None)
            beside[against].append(name)
    for name, below in beside.items():
        yield name, False
        yield from ((each, True) for each in below)
    alone = roles.keys() - beside.keys() - {each for below in beside.values() for each in below}
    yield from ((name, False) for name, role in roles.items() if name in alone and role != "floor")


def _figure(estimate: Entry | None) -> RenderableType:
    return text("-" if estimate is None else within(estimate["value"], estimate["ci95"]))


def _us(estimate: Entry | None) -> RenderableType:
    return text("-" if estimate is None else show_us(estimate["value"]))


def _ratio(compared: Entry | None) -> tuple[RenderableType, RenderableType]:
    if compared is None or compared["ratio"] is None:
        return text(""), text("")
    return text(_times(compared["ratio"])), text(compared["against"])


def _times(estimate: Entry) -> str:
    """`1.04x [1.01, 1.08]`."""
    if estimate["ci95"] is None:
        return f"{times(estimate['value'])} [?]"
    low, high = (times(each).removesuffix("x") for each in estimate["ci95"])
    return f"{times(estimate['value'])} [{low}, {high}]"


def _bars(document: Entry) -> Table:
    table = _table()
    table.add_column("", overflow="fold")
    table.add_column("bytes", justify="right", no_wrap=True)
    table.add_column("must be", no_wrap=True)
    table.add_column("is", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for bar in document["bars"]:
        verdict = bar["verdict"]
        style = {"met": "green", "not met": "red", "undecided": "yellow"}.get(verdict, "dim")
        table.add_row(
            text(_about(bar)),
            text(show_bytes(bar["bytes"])),
            text(_limit(bar)),
            text(_is(bar)),
            text(verdict, style),
        )
    return table


def _about(bar: Entry) -> str:
    if bar["figure"] == "cpu":
        return "engine, inproc and null: CPU per message"
    first, second = (bar["against"], bar["of"]) if bar["sense"] == "at least" else (bar["of"], bar["against"])
    if bar["bytes"] != bar["against_bytes"]:
        second = f"its own {show_bytes(bar['against_bytes'])}"
    way = ", one way" if bar["figure"] == "one_way" else ""
    return f"{first} {'above' if bar['unit'] == 'us' else '/'} {second}{way}"


def _limit(bar: Entry) -> str:
    sign = ">=" if bar["sense"] == "at least" else "<="
    return f"{sign} {show_us(bar['limit'])}" if bar["unit"] == "us" else f"{sign} {times(bar['limit'])}"


def _is(bar: Entry) -> str:
    found = bar["measured"]
    if found is None:
        return "-"
    if bar["unit"] == "x":
        return _times(found)
    if found["ci95"] is None:
        return f"{found['value']:.1f} us [?]"
    return f"{found['value']:.1f} us [{found['ci95'][0]:.1f}, {found['ci95'][1]:.1f}]"


def _obstacles(document: Entry) -> Iterator[RenderableType]:
    """What was found in the way of the bars that are not met, each once."""
    found: dict[str, list[str]] = {}
    for bar in document["bars"]:
        if bar["obstacle"]:
            found.setdefault(bar["obstacle"], []).append(f"{_about(bar)}, {show_bytes(bar['bytes'])}")
    if found:
        yield text("")
        yield text("in the way", "bold")
    for obstacle, bars in found.items():
        yield text(f"{'; '.join(bars)}: {obstacle}.")


def _missing(document: Entry) -> Iterator[RenderableType]:
    told = {row["name"]: row for row in document["rows"] if row["missing"]}
    if told:
        yield text("")
        yield text("not measured", "bold")
    for name, row in told.items():
        remedy = f"; {row['remedy']}" if row["remedy"] else ""
        yield text(f"{name}: {row['missing']}{remedy}")


def _notes(document: Entry) -> Iterator[RenderableType]:
    yield text("")
    yield text(document["definition"], "dim")
    yield text("; ".join(f"{role}: {where}" for role, where in document["placement"].items()), "dim")
