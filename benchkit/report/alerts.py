"""What alerts were told while a run was measured, for a page, a document and a terminal; from run.json alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from benchkit.analysis.alerting import times_s
from benchkit.report.excerpt import excerpt
from benchkit.report.plain_table import MOST_ROWS, Table, Value
from benchkit.units import show_us
from benchkit.words import retold, say

Entry = Mapping[str, Any]
_UNSEEN: Final = "it is observed no more"
"""As benchkit.alerts.notice says it."""


@dataclass(frozen=True, slots=True)
class Alerts:
    """What a page says of them."""

    claims: tuple[str, ...]
    table: Table | None
    """None where nothing was told."""


def alerts(document: Entry) -> Alerts | None:
    """None where no rules were set."""
    found = document.get("alerts")
    return None if found is None else Alerts(tuple(claims(document)), _table(found) if found else None)


def claims(document: Entry) -> Iterator[str]:
    """How many there were, how long they took, and what reached nobody; nothing where no rules were set."""
    found = document.get("alerts")
    if found is None:
        return
    firing = sum(each["state"] == "firing" and not each["repeat"] for each in found)
    if not firing:
        yield say("No rule had anything to tell.")
        return
    yield say("Alerts that began to fire: {count} ({rules}).", count=firing, rules=_by_rule(found))
    if times := times_s(found):
        yield say(
            "Time to alert: {median} in the middle, {longest} at the most, over {count}.",
            median=_seconds(median(times)),
            longest=_seconds(max(times)),
            count=len(times),
        )
    if failed := sorted({each["sink"] for told in found for each in told["delivered"] if each["error"]}):
        yield say("Some did not get through: {sinks}.", sinks=", ".join(excerpt(each, 40) for each in failed))


def _by_rule(found: Any) -> str:
    counts: dict[str, int] = {}
    for each in found:
        if each["state"] == "firing" and not each["repeat"]:
            counts[each["rule"]] = counts.get(each["rule"], 0) + 1
    return ", ".join(f"{excerpt(rule, 60)}: {count}" for rule, count in counts.items())


def _table(found: Any) -> Table:
    columns = (
        say("rule"),
        say("state"),
        say("about"),
        say("what"),
        say("after its cause"),
        say("told within"),
    )
    rows = tuple(_row(each) for each in found[:MOST_ROWS])
    return Table(say("Alerts, in the order in which they were told"), columns, rows, len(found) - len(rows))


def _row(each: Entry) -> tuple[Value, ...]:
    took = each["to_alert_s"] if each["after_injection_s"] is None else each["after_injection_s"]
    firing = each["state"] == "firing"
    state = say("still firing") if each["repeat"] else say("firing") if firing else _over(each)
    return (
        Value(excerpt(each["rule"], 60)),
        Value(state),
        Value(excerpt(", ".join(str(value) for value in each["labels"].values()), 120) or "-"),
        Value(excerpt(retold(each["summary"]), 160)),
        Value(_seconds(took) if firing and took is not None else "-", number=True),
        Value(_deliveries(each)),
    )


def _over(each: Entry) -> str:
    """Whoever was killed is not well because the run ended with it."""
    return say("ended") if each["summary"] == _UNSEEN else say("resolved")


def _deliveries(each: Entry) -> str:
    """`terminal 0.2 ms, webhook: it answered 500`."""
    told = [
        f"{excerpt(one['sink'], 40)}: {excerpt(one['error'], 80)}"
        if one["error"]
        else f"{excerpt(one['sink'], 40)} {_seconds(one['after_s'])}"
        for one in each["delivered"]
    ]
    return ", ".join(told) or "-"


def _seconds(value: float) -> str:
    return show_us(1e6 * max(0.0, value))
