"""Freshness, goodput and bulk work as rows of tables, for a terminal and for a page; from run.json alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from benchkit.analysis.goodput_words import drops, show_share
from benchkit.analysis.search_words import is_search
from benchkit.report.plain_table import Table as PlainTable
from benchkit.report.plain_table import Value
from benchkit.report.text import text
from benchkit.units import show_seconds, show_us
from benchkit.words import named, say

if TYPE_CHECKING:
    from rich.table import Table

Entry = Mapping[str, Any]
FRESH: Final = ("cell", "age", "staleness", "jitter", "goodput", "dropped", "freezes")
BULK: Final = ("cell", "lead time", "backlog", "drain", "recovery", "goodput")
_BURSTY: Final = frozenset({"mmpp", "gamma", "trace", "ramp"})
_QUEUED: Final = 10
"""So many messages waiting for each worker are a backlog."""


def fresh_cells(cells: Sequence[Entry]) -> list[Entry]:
    """Those of a group to show; none where nothing was dropped and nothing live was asked for."""
    known = [
        cell
        for cell in cells
        if isinstance(cell.get("freshness"), Mapping)
        and cell["freshness"]["scheduled"]
        and not is_search(cell)
    ]
    return known if any(map(_live, known)) else []


def bulk_rows(cells: Sequence[Entry]) -> list[tuple[str, ...]]:
    """For BULK, one row a cell; empty where the load came evenly and nothing piled up."""
    known = [cell for cell in cells if isinstance(cell.get("bulk"), Mapping) and not is_search(cell)]
    return [_bulk(cell) for cell in known] if any(map(_piled, known)) else []


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


def fresh_row(cell: Entry) -> tuple[str, ...]:
    """For FRESH."""
    found = cell["freshness"]
    stale, frozen = found["staleness_us"], found["freezes"]
    longest = f", {show_us(frozen['longest_us'])}" if frozen["count"] else ""
    return (
        str(cell["labels"]["row"]),
        _pair(found["age_us"]["p50"], found["age_us"]["p99"] or found["age_us"]["max"]),
        _pair(stale["mean"], stale["p99"]),
        show_us(found["jitter_us"]),
        _goodput(found),
        _dropped(cell),
        f"{frozen['count']}{longest}",
    )


def _bulk(cell: Entry) -> tuple[str, ...]:
    found, fresh = cell["bulk"], cell.get("freshness") or {}
    lead, backlog = found["lead_time_us"], found["backlog"]
    return (
        str(cell["labels"]["row"]),
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


def plain_tables(title: str, cells: Sequence[Entry]) -> Iterator[PlainTable]:
    """Both for a page, each with a caption that names the group."""
    for rows, columns, caption in (
        (list(map(fresh_row, fresh_cells(cells))), FRESH, say("{title}: freshness and goodput", title=title)),
        (bulk_rows(cells), BULK, say("{title}: bulk work", title=title)),
    ):
        if rows:
            values = tuple((Value(row[0]), *(Value(value, number=True) for value in row[1:])) for row in rows)
            yield PlainTable(caption, tuple(map(named, columns)), values)


def notes(cells: Sequence[Entry]) -> list[str]:
    """What the columns of the tables of these cells mean."""
    fresh = fresh_cells(cells)
    return [*(fresh_notes(fresh) if fresh else ()), *(bulk_notes() if bulk_rows(cells) else ())]


def terminal_tables(cells: Sequence[Entry]) -> Iterator[tuple[Table, list[str]]]:
    """The same for a terminal, each with its notes."""
    if fresh := fresh_cells(cells):
        yield _terminal(FRESH, [fresh_row(cell) for cell in fresh]), fresh_notes(fresh)
    if rows := bulk_rows(cells):
        yield _terminal(BULK, rows), bulk_notes()


def _terminal(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=False, show_edge=False)
    for name in columns:
        told = name in ("cell", "dropped")
        table.add_column(
            name, justify="left" if told else "right", overflow="fold", no_wrap=not told,
            min_width=10 if told else None,
        )  # fmt: skip
    for row in rows:
        table.add_row(*map(text, row))
    return table
