"""What lies behind a cell's figures: its blocks and samples, its ledger, resources, predictions, profiles.

Whatever a run does not hold, because an older benchkit wrote it or nobody asked for it, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchkit.records.samples import PHASES
from benchkit.report.excerpt import excerpt
from benchkit.report.grid import Piece, phase_pieces
from benchkit.report.groups import Entry, Row
from benchkit.report.hops import hop_row
from benchkit.report.plain_table import Table, table
from benchkit.words import named, retold, say, word

_KEPT: Final = re.compile(r"(samples|profiles)/[A-Za-z0-9_+=,@][A-Za-z0-9_+=,@.-]*")
_PARTS: Final[Mapping[str, str]] = {
    "predictions": word("What a change would buy, predicted"),
    "sensitivity": word("What halving each phase would buy"),
    "confirmed": word("Predictions that were tried"),
}


_SAID_IN_WORDS: Final = ("kind", "name", "from", "change", "words", "added_us")


@dataclass(frozen=True, slots=True)
class Bar:
    """The phases of some messages, as pieces of one whole."""

    name: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One cell's: the verdict in a word and a sentence, tables, and where its records lie."""

    kind: str
    line: str
    bars: tuple[Bar, ...]
    notes: tuple[str, ...]
    """Sentences: what slow messages differ in, what profiling cost, what could not be tried."""
    tables: tuple[Table, ...]
    blocks: Table | None
    files: tuple[str, ...]
    """Paths within the run directory, none that leads out of it."""


def evidence(row: Row) -> Evidence:
    """Of one cell of run.json."""
    entry, verdict = row.entry, row.entry["verdict"]
    ledger = entry.get("ledger")
    return Evidence(
        kind=excerpt(verdict.get("kind") or "", 60) if row.valid else "",
        line=excerpt(verdict.get("line") or "") if row.valid else "",
        bars=tuple(_bars(ledger)) if isinstance(ledger, Mapping) else (),
        notes=tuple(_notes(entry)),
        tables=tuple(each for each in _tables(entry) if each is not None),
        blocks=_blocks(entry),
        files=tuple(_files(entry)),
    )


def _bars(ledger: Mapping[str, Any]) -> Iterator[Bar]:
    for name, phases in ledger.items():
        if pieces := tuple(phase_pieces(_numbers(phases))):
            yield Bar(named(excerpt(name, 40)), pieces)


def _numbers(phases: Any) -> dict[str, float]:
    if not isinstance(phases, Mapping):
        return {}
    known = {name: phases.get(name) for name in PHASES}
    return {name: float(us) for name, us in known.items() if isinstance(us, (int, float))}


def _notes(entry: Entry) -> Iterator[str]:
    ledger, profiles = _mapping(entry.get("ledger")), _mapping(entry.get("profiles"))
    what_if = _mapping(entry.get("what_if"))
    told = [ledger.get("words"), profiles.get("cost"), profiles.get("gap")]
    told += [f"{name}: {party['gap']}" for name, party in profiles.items() if _mapping(party).get("gap")]
    told += [say("not tried: {each}", each=retold(str(each))) for each in _entries(what_if.get("left_out"))]
    yield from (excerpt(each) for each in told if isinstance(each, str) and each)


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _tables(entry: Entry) -> Iterator[Table | None]:
    yield _ledger(entry.get("ledger"))
    yield table(say("The stages of the pipeline"), map(hop_row, _entries(entry.get("hops"))))
    yield table(say("Single messages: a typical one and slow ones"), _entries(entry.get("exemplars")))
    yield _resources(entry.get("resources"))
    laws = _mapping(entry.get("laws"))
    yield table(say("What the operational laws say"), [_scalars(laws)] if laws else ())
    what_if = _mapping(entry.get("what_if"))
    for name, found in what_if.items():
        if name not in ("now", "left_out"):
            yield table(
                say(_PARTS[name]) if name in _PARTS else excerpt(name, 60),
                map(_worded, _entries(found)),
                _SAID_IN_WORDS,
            )
    yield from _profiles(entry.get("profiles"))


def _resources(found: Any) -> Table | None:
    """First what every resource has, then what some have; sentences about them are in run.json."""
    rows = [each for each in _entries(found) if isinstance(each, Mapping)]
    first = ("name", "role", "servers", "utilisation", "demand_us_per_message", "saturates_per_s")
    ordered = [
        {key: row.get(key) for key in (*(each for each in first if each in row), *_scalars(row))}
        for row in rows
    ]
    return table(say("What each party used and waited for"), ordered)


def _scalars(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in found.items() if value is None or isinstance(value, (int, float, str))
    }


def _worded(entry: Any) -> Any:
    """A change in words, where there are some, before everything that is known of it."""
    return {"what": entry["words"], **entry} if isinstance(entry, Mapping) and entry.get("words") else entry


def _ledger(ledger: Any) -> Table | None:
    """Phases down, kinds of messages across."""
    if not isinstance(ledger, Mapping):
        return None
    kinds = {str(kind): found for kind, phases in ledger.items() if (found := _numbers(phases))}
    rows = [
        {"phase": named(phase), **{f"{kind}_us": phases.get(phase) for kind, phases in kinds.items()}}
        for phase in PHASES
        if any(phases.get(phase) for phases in kinds.values())
    ]
    return table(say("Where the time goes in typical and in slow messages"), rows)


def _profiles(profiles: Any) -> Iterator[Table | None]:
    if not isinstance(profiles, Mapping):
        return
    for party, found in profiles.items():
        if party == "operators":
            yield table(say("Operators of the model"), _entries(found))
        elif isinstance(found, Mapping):
            slower = found.get("slowdown")
            who = excerpt(party, 60)
            caption = say("Profile of {party}", party=who)
            if isinstance(slower, (int, float)):
                caption = say(
                    "Profile of {party}, {slower:.2f}x as slow while it was looked at",
                    party=who,
                    slower=slower,
                )
            frames = [
                each if isinstance(each, Mapping) else {"frame": each} for each in _entries(found.get("top"))
            ]
            yield table(caption, frames)


def _entries(found: Any) -> list[Any]:
    """A list as it is, a mapping by its names, nothing of anything else."""
    if isinstance(found, Mapping):
        return [{"name": name, **each} for name, each in found.items() if isinstance(each, Mapping)]
    return list(found) if isinstance(found, (list, tuple)) else []


def _blocks(entry: Entry) -> Table | None:
    rows = [
        {
            "block": block["index"],
            "round": block["round"],
            "messages": block["count"],
            "p50_us": block["p50_us"] if block["count"] else None,
            "warm-up": say(
                word("{messages} messages, {warmup_s:.2f} s")
                if block["warmup_settled"]
                else word("{messages} messages, {warmup_s:.2f} s, not settled"),
                messages=block["warmup_messages"],
                warmup_s=block["warmup_s"],
            ),
            "largest phase_us": _largest(block["phase_means_us"]) if block["count"] else None,
        }
        for block in entry.get("blocks_detail") or ()
    ]
    return table(say("Blocks"), rows)


def _largest(means_us: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(means_us.items(), key=lambda item: -item[1])[:1])


def _files(entry: Entry) -> Iterator[str]:
    profiles = entry.get("profiles")
    named = [entry.get("samples")]
    if isinstance(profiles, Mapping):
        for found in map(_mapping, profiles.values()):
            named += [found.get("file"), *_entries(found.get("files"))]
    paths = dict.fromkeys(path for path in named if isinstance(path, str))
    yield from (path for path in paths if _KEPT.fullmatch(path))
