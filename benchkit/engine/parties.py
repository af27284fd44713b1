"""What the parties of a block tell of themselves, as its record keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchkit.engine.fan_in import Produced
from benchkit.engine.outside import Seen
from benchkit.records.seen import BrokerCounts, Event, InFlight, Usage

Reports = Sequence[Mapping[str, Any] | None]
"""Of each party of one kind; None: it died."""


def accounts(
    producers: Reports,
    stage: Mapping[str, Mapping[str, Any] | None],
    outside: Seen,
    produced: Produced | None,
    messages: int,
    *,
    replies: bool,
) -> dict[str, Any]:
    """The fields of Block that tell who used what: `parties`, `events`, `gaps`, `in_flight`, and what was seen.

    `stage` holds what each worker of a stage tells, by what it is called.
    """
    told = {
        **{f"producer-{at}": report for at, report in enumerate(producers)},
        **stage,
    }
    parties: dict[str, Usage] = {}
    gaps, events = dict(outside.gaps), list(_broker_events(outside))
    for party, report in told.items():
        account = report["account"] if report else None
        if report is None or not account or not account["used"]:
            gaps[party] = "it ended without telling"
            continue
        parties[party] = Usage(
            **account["used"], peak_rss_bytes=report["peak_rss_bytes"], rss_bytes=report["rss_bytes"]
        )
        gaps |= {f"{party}.{name}": why for name, why in account["gaps"].items()}
        events += [Event(at_ns, took_ns, party, "gc", what) for at_ns, took_ns, what in account["pauses"]]
    if outside.broker is not None:
        parties["broker"] = replace(outside.broker, messages=messages)
    return {
        "parties": parties,
        "events": tuple(sorted(events, key=lambda event: event.at_ns)),
        "gaps": gaps,
        "cores": outside.cores,
        "broker": outside.counts,
        "in_flight": _in_flight(produced) if replies else None,
    }


def _in_flight(produced: Produced | None) -> InFlight | None:
    if produced is None or produced.silent:
        return None
    return InFlight(produced.told["turned"], produced.told["seen_in_flight"])


_TOLD = {
    "evicted_keys": "{} keys evicted for want of memory",
    "rejected_connections": "{} connections refused",
    "forks": "it copied itself {} times, to write its data to a disk or a replica",
    "delayed_fsyncs": "{} writes to the disk waited for an earlier one",
}


def _broker_events(outside: Seen) -> Iterator[Event]:
    """Its counters tell that something happened in the block, and not when."""
    counts = outside.counts or BrokerCounts()
    for name, text in _TOLD.items():
        grown = getattr(counts, name)
        if grown:
            yield Event(
                outside.from_ns, outside.until_ns - outside.from_ns, "broker", "broker", text.format(grown)
            )
