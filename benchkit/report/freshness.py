"""Freshness, goodput and bulk work as rows of tables, for a terminal and for a page; from run.json alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchkit.analysis.goodput_words import drops, show_share
from benchkit.analysis.live_sets import LiveSet, live_sets
from benchkit.analysis.search_words import is_search
from benchkit.report.excerpt import excerpt, short
from benchkit.report.plain_table import MOST_ROWS, Value
from benchkit.report.plain_table import Table as PlainTable
from benchkit.report.text import text
from benchkit.units import show_seconds, show_us
from benchkit.words import named, say

if TYPE_CHECKING:
    from rich.table import Table

Entry = Mapping[str, Any]
FRESH: Final = ("cell", "age", "staleness", "jitter", "goodput", "dropped", "freezes")
BULK: Final = ("cell", "lead time", "backlog", "drain", "recovery", "goodput")
_BURSTY: Final = frozenset({"mmpp", "gamma", "trace", "ramp"})
MOST_SETS: Final = 12
"""Sets that a page tells; run.json has all."""
_WIDE: Final = 110
"""From this width on a terminal has room for all columns."""
_QUEUED: Final = 10
"""So many messages waiting for each worker are a backlog."""


def fresh_sets(cells: Sequence[Entry]) -> list[LiveSet]:
    """Cells that differ by policy, transport and codec: the sets in which something was dropped or asked to be live."""
    known = [
        cell
        for cell in cells
        if isinstance(cell.get("freshness"), Mapping)
        and cell["freshness"]["scheduled"]
        and not is_search(cell)
    ]
    return [each for each in live_sets(known) if any(map(_live, each.cells))]


def bulk_sets(cells: Sequence[Entry]) -> list[LiveSet]:
    """Cells that differ by workers too: the sets in which the load came unevenly or piled up."""
    known = [cell for cell in cells if isinstance(cell.get("bulk"), Mapping) and not is_search(cell)]
    return [each for each in live_sets(known, ("flow", "workers")) if any(map(_piled, each.cells))]


def _live(cell: Entry) -> bool:
    return bool(
        cell["account"]["dropped"]
        or cell.get("traffic")
        or cell.get("link")
        or cell["freshness"]["deadline_by"] == "flow"
    )


def _piled(cell: Entry) -> bool:
    if cell["load"]["offered_per_s"] is None:
        return False
    arrival = str(cell["load"]["arrival"])
    return arrival in _BURSTY or cell["bulk"]["backlog"]["most"] >= _QUEUED * max(1, cell["workers"])


def fresh_row(name: str, cell: Entry) -> tuple[str, ...]:
    """For FRESH."""
    found = cell["freshness"]
    stale, frozen = found["staleness_us"], found["freezes"]
    longest = f", {show_us(frozen['longest_us'])}" if frozen["count"] else ""
    return (
        name,
        _pair(found["age_us"]["p50"], found["age_us"]["p99"] or found["age_us"]["max"]),
        _pair(stale["mean"], stale["p99"]),
        show_us(found["jitter_us"]),
        _goodput(found),
        _dropped(cell),
        f"{frozen['count']}{longest}",
    )


def _bulk(name: str, cell: Entry) -> tuple[str, ...]:
    found, fresh = cell["bulk"], cell.get("freshness") or {}
    lead, backlog = found["lead_time_us"], found["backlog"]
    return (
        name,
        _pair(lead["p50"], lead["p99"] or lead["max"]),
        f"{backlog['most']} / {backlog['last']}",
        _duration(found["drain_s"]),
        _duration(found["recovery_s"] if backlog["most"] > 2 * max(1, cell["workers"]) else None),
        _goodput(fresh) if fresh else "-",
    )


def _dropped(cell: Entry) -> str:
    """`197 latest-only, 3 deadline`; the number alone where nobody counted by policy."""
    by = drops(cell)
    return (
        ", ".join(str(many) if name == "dropped" else f"{many} {named(name)}" for name, many in by.items())
        or "-"
    )


def _duration(seconds: float | None) -> str:
    return "-" if seconds is None else show_us(1e6 * seconds) if seconds < 60 else show_seconds(seconds)


def _pair(typical_us: float | None, late_us: float | None) -> str:
    """`12.1 / 90.4 ms`: a unit that both have is written once."""
    if typical_us is None and late_us is None:
        return "-"
    (one, unit), other = (
        show_us(typical_us).split(" ") if typical_us is not None else ("-", ""),
        show_us(late_us),
    )
    return (
        f"{one} / {other}" if other.endswith(f" {unit}") else f"{one} {unit} / {other}".replace("-  /", "- /")
    )


def _goodput(found: Entry) -> str:
    share = found["goodput_share"]
    return "-" if share is None else show_share(share)


def fresh_notes(cells: Sequence[Entry]) -> list[str]:
    """What the columns of FRESH mean, and which deadline goodput is about."""
    limits = sorted({cell["freshness"]["freezes"]["over_us"] for cell in cells if cell.get("freshness")})
    deadlines = sorted(
        {us for cell in cells if (us := (cell.get("freshness") or {}).get("deadline_us")) is not None}
    )
    within = (
        say("delivered within {deadlines} of being due", deadlines=", ".join(map(show_us, deadlines)))
        if deadlines
        else say("delivered")
    )
    return [
        say(
            "age: of what is processed when compute begins, p50 / p99 (or largest); staleness: age of the newest "
            "result over time, mean / p99"
        ),
        say(
            "goodput: share of the scheduled messages {within}; freezes: no result for over {limits}, the longest",
            within=within,
            limits=", ".join(map(show_us, limits)),
        ),
    ]


def bulk_notes() -> list[str]:
    """What the columns of BULK mean."""
    return [
        say(
            "lead time: from request to result, p50 / p99 (or largest); backlog: requests without a result, "
            "most / at the last arrival"
        ),
        say(
            "drain: from the last arrival until none was left; recovery: from the most backlog until none was left"
        ),
    ]


@dataclass(frozen=True, slots=True)
class Part:
    """One set on a page: a table, and what its columns mean."""

    table: PlainTable
    notes: tuple[str, ...]


def parts(cells: Sequence[Entry]) -> Iterator[Part]:
    """Of a whole run: freshness, then bulk work."""
    for each in fresh_sets(cells)[:MOST_SETS]:
        caption = say("{title}: freshness and goodput", title=each.title)
        yield Part(_plain(caption, FRESH, _fresh_rows(each)), tuple(fresh_notes(each.cells)))
    for each in bulk_sets(cells)[:MOST_SETS]:
        caption = say("{title}: bulk work", title=each.title)
        yield Part(_plain(caption, BULK, _bulk_rows(each)), tuple(bulk_notes()))


def _fresh_rows(found: LiveSet) -> list[tuple[str, ...]]:
    return [fresh_row(_named(name, cell), cell) for name, cell in zip(found.names, found.cells, strict=True)]


def _bulk_rows(found: LiveSet) -> list[tuple[str, ...]]:
    return [_bulk(_named(name, cell), cell) for name, cell in zip(found.names, found.cells, strict=True)]


def _named(name: str, cell: Entry) -> str:
    shown = short(name, 60)
    return shown if cell["validity"]["valid"] else say("{label} (not valid)", label=shown)


def _plain(caption: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> PlainTable:
    values = tuple((Value(row[0]), *(Value(value, number=True) for value in row[1:])) for row in rows)
    return PlainTable(
        excerpt(caption, 160), tuple(map(named, columns)), values[:MOST_ROWS], max(0, len(values) - MOST_ROWS)
    )


def terminal_parts(cells: Sequence[Entry], width: int) -> Iterator[tuple[str, Table, list[str]]]:
    """Title, table and notes of each set; a terminal of few columns leaves jitter to the page."""
    for each in fresh_sets(cells):
        rows = _fresh_rows(each)
        columns: Sequence[str] = FRESH
        if width < _WIDE:
            kept = [at for at, name in enumerate(FRESH) if name != "jitter"]
            counts = [
                str(cell["account"]["dropped"]) for cell in each.cells
            ]  # by policy they stand with the group
            rows = [(*row[:5], count, row[6]) for row, count in zip(rows, counts, strict=True)]
            rows, columns = [tuple(row[at] for at in kept) for row in rows], [FRESH[at] for at in kept]
        title = say("{title}: freshness and goodput", title=each.title)
        yield title, _terminal(columns, rows), fresh_notes(each.cells)
    for each in bulk_sets(cells):
        yield say("{title}: bulk work", title=each.title), _terminal(BULK, _bulk_rows(each)), bulk_notes()


def _terminal(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=False, show_edge=False)
    for at, name in enumerate(columns):
        told = name == "cell" or (name == "dropped" and not all(row[at].isdigit() for row in rows))
        table.add_column(
            name, justify="left" if told else "right", overflow="fold", no_wrap=not told,
            min_width=10 if told else None,
        )  # fmt: skip
    for row in rows:
        table.add_row(*map(text, row))
    return table
