"""The team's figures on a terminal, 80 columns wide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from benchkit.report.text import text
from benchkit.units import show_seconds, show_us
from benchkit.words import say

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Entry = Mapping[str, Any]
MOST_GROUPS: Final = 12
_MOST_LEFT: Final = 5


def kpi(told: Entry) -> RenderableType:
    """The figures of each group, recovery by transport, lead times by scenario, and what it all means."""
    from rich.console import Group

    return Group(*_parts(told))


def _parts(told: Entry) -> Iterator[RenderableType]:
    groups = [*told["groups"][-MOST_GROUPS:], told["total"]]
    by = say("month") if told["by"] == "month" else say("release")
    yield _overview(groups, by)
    if (older := len(told["groups"]) - MOST_GROUPS) > 0:
        yield text(
            say("{older} older ones are left out here; --json and --csv have them", older=older), "dim"
        )
    if any(group["mttr_s"] for group in groups):
        yield from ("", text(say("Time to recover, by transport"), "bold"), _recoveries(groups, by))
    if any(group["message_lead_us"] for group in groups):
        yield from ("", text(say("Lead time of a message, by scenario"), "bold"), _leads(groups, by))
    yield ""
    yield from _notes(told)


def _table(*heads: str) -> Table:
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    made.add_column(heads[0], overflow="fold", min_width=10, max_width=18)
    for head in heads[1:]:
        made.add_column(head, justify="right", overflow="fold")
    return made


def _overview(groups: Sequence[Entry], by: str) -> Table:
    made = _table(
        by,
        say("speed"),
        say("passed"),
        say("stability"),
        say("passed"),
        "MTTR",
        say("takes"),
        say("caught"),
    )
    for group in groups:
        speed, stability, caught = group["performance"], group["stability"], group["regressions"]
        made.add_row(
            text(say("all") if group is groups[-1] else group["name"]),
            str(speed["runs"]),
            _rate(speed),
            str(stability["runs"]),
            _rate(stability),
            _mttr(group["mttr_s"]),
            _seconds(group["run_lead_s"]["median"]),
            f"{caught['caught']}/{caught['checks']}" if caught["checks"] else "-",
        )
    return made


def _rate(passed: Entry) -> str:
    if passed["pass_rate"] is None:
        return "-"
    decided = passed["runs"] - passed["interrupted"]
    return f"{passed['pass_rate']:.0%} ({passed['passed']}/{decided})"


def _mttr(by_transport: Mapping[str, Entry]) -> str:
    """The mean of all faults of all transports that were recovered from, and how many of all these were."""
    known = [
        (each["mean"], each["n"] - each["never"])
        for each in by_transport.values()
        if each["mean"] is not None
    ]
    count, faults = sum(n for _, n in known), sum(each["n"] for each in by_transport.values())
    if not faults:
        return "-"
    mean = show_seconds(sum(mean * n for mean, n in known) / count) if count else say("never")
    return f"{mean} ({count}/{faults})"


def _seconds(value: float | None) -> str:
    return "-" if value is None else show_seconds(value)


def _recoveries(groups: Sequence[Entry], by: str) -> Table:
    made = _table(
        say("transport"),
        by,
        say("faults"),
        say("mean"),
        say("median"),
        say("longest"),
        say("never"),
    )
    for group in groups[:-1]:
        for transport, times in group["mttr_s"].items():
            made.add_row(
                text(transport), text(group["name"]), str(times["n"]), _seconds(times["mean"]),
                _seconds(times["median"]), _seconds(times["longest"]), str(times["never"]),
            )  # fmt: skip
    return made


def _leads(groups: Sequence[Entry], by: str) -> Table:
    made = _table(say("scenario"), by, say("cells"), "p50", "p99")
    for group in groups[:-1]:
        for scenario, lead in group["message_lead_us"].items():
            tail = "-" if lead["p99"] is None else show_us(lead["p99"])
            made.add_row(text(scenario), text(group["name"]), str(lead["n"]), show_us(lead["p50"]), tail)
    return made


def _notes(told: Entry) -> Iterator[RenderableType]:
    names = {
        "performance": say("speed"), "stability": say("stability"), "pass_rate": say("passed"), "mttr_s": "MTTR",
        "run_lead_s": say("takes"), "message_lead_us": say("lead time"), "regressions": say("caught"),
    }  # fmt: skip
    for figure, meaning in told["definitions"].items():
        yield text(f"{names[figure]}: {meaning}", "dim")
    if told["never_ended"]:
        yield text(
            say("{count} run(s) never ended and are in no figure", count=told["never_ended"]), "yellow"
        )
    for each in told["left_out"][:_MOST_LEFT]:
        yield text(say("left out: {name}: {why}", name=each["name"], why=each["why"]), "yellow")
    if len(told["left_out"]) > _MOST_LEFT:
        yield text(
            say("and {count} more that cannot be read", count=len(told["left_out"]) - _MOST_LEFT), "yellow"
        )
