"""The answer in three sentences: what is fastest, where the time goes, and how far that can be trusted.

Written from run.json alone; every sentence names the cells that it rests on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchkit.analysis.goodput_words import alone, delivered_more, falls_short, ranks_first
from benchkit.analysis.search_words import is_search, rate_with_interval
from benchkit.analysis.words import largest_phases, listed, times, us_with_interval
from benchkit.report.excerpt import excerpt, short
from benchkit.report.groups import Entry, Group, Row
from benchkit.words import named, say, word

_MOST_GROUPS: Final = 3
_MOST_CELLS: Final = 4
_MOST_NAMED: Final = 2


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of the answer, the number of the group that it is about, and its cells."""

    text: str
    group: int | None
    cells: tuple[tuple[int, str], ...] = ()
    """Numbers and labels of the cells that it names."""
    anchor: str = ""
    """Id of a part of the page with its evidence, where that is no group."""


def lead(document: Entry, found: Sequence[Group]) -> tuple[Claim, ...]:
    """Three sentences at most, the last one always there."""
    first = tuple(_collapsed(document, found)) or tuple(_best(document, found))
    return (*first, *_limits(found), _trust(document, found))


def _collapsed(document: Entry, found: Sequence[Group]) -> Iterator[Claim]:
    """Who fell behind a queue is the answer, whoever was fastest for the rest."""
    fallen = document.get("collapse") or ()
    if fallen:
        sentences = fallen[0]["sentences"]
        # The first that fell, and where the queue moved the wait; the others stand in the details.
        text = f"{sentences[0]} {sentences[-1]}"
        named_ids = {fallen[0]["best"], *(each["cell"] for each in fallen[0]["fallen"])}
        rows = [(group, row) for group in found for row in group.rows if row.entry["id"] in named_ids]
        groups = {group.number for group, _ in rows}
        cells = tuple((row.number, row.label) for _, row in rows)
        yield Claim(excerpt(text, 1500), groups.pop() if len(groups) == 1 else None, cells)


def crossings(document: Entry) -> list[str]:
    """Sentences about where one transport overtakes another; none in a run that swept nothing."""
    return [str(said) for each in document.get("crossover") or () for said in each.get("sentences") or ()]


def cells_named(sentence: str, rows: Sequence[Row]) -> tuple[tuple[int, str], ...]:
    """Numbers and labels of the cells that a sentence names; the longest labels are looked for first."""
    cells = []
    for row in sorted(rows, key=lambda row: -len(row.label)):
        if row.label and row.label in sentence:
            cells.append((row.number, row.label))
            sentence = sentence.replace(row.label, "\0")
    return tuple(sorted(cells))


def _best(document: Entry, found: Sequence[Group]) -> Iterator[Claim]:
    ranked = [(group, rows) for group in found if (rows := [row for row in group.rows if row.place])]
    if not ranked:
        return
    if len(ranked) > _MOST_GROUPS and (said := crossings(document)):
        yield Claim(excerpt(said[0], 1500), None, (), "overview")
        return
    told = ranked[:_MOST_GROUPS]
    if len(found) == 1:
        text = _first(told[0][1])
    else:
        text = "; ".join(f"{group.title}: {_first(rows)}" for group, rows in told)
    if more := len(ranked) - len(told):
        text += (
            say("; and 1 more group below") if more == 1 else say("; and {more} more groups below", more=more)
        )
    cells = tuple((row.number, row.label) for _, rows in told for row in (rows[0], *_tied(rows)))
    yield Claim(excerpt(f"{text}.", 1500), ranked[0][0].number if len(ranked) == 1 else None, cells)


def _tied(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows[1:] if row.place and row.place["tied_with_best"]][:_MOST_CELLS]


def _first(rows: Sequence[Row]) -> str:
    """`shm raw is fastest, p50 2.8 ms [2.7 ms, 2.9 ms], ahead of http raw (1.99x)`."""
    best, tied = rows[0], _tied(rows)
    if len(rows) == 1 and not is_search(best.entry) and falls_short(best.entry):
        return alone(best.entry, best.label, _p50(best))
    behind = [row for row in rows[1:] if row.place and not row.place["tied_with_best"]]
    if is_search(best.entry):
        rates = best.entry.get("capacity") or best.entry["backlog"]
        known = rates["rate_per_s"] is not None
        found = rate_with_interval(rates) if known else named("none")
        text = say("{label} holds the highest rate, {rate}", label=best.label, rate=found)
    elif falls_short(best.entry):
        text = ranks_first(best.entry, best.label, _p50(best))
    else:
        p50 = _p50(best)
        text = (
            say("{label} is fastest, p50 {p50}", label=best.label, p50=p50)
            if behind and not tied
            else say("{label} has the lowest p50, {p50}", label=best.label, p50=p50)
        )
    if tied:
        text += say(", tied with {label}", label=", ".join(row.label for row in tied))
    if behind and behind[0].place:
        text += say(
            ", ahead of {label} ({ratio_to_best})",
            label=behind[0].label,
            ratio_to_best=times(behind[0].place["ratio_to_best"]),
        )
    if not is_search(best.entry) and falls_short(best.entry):
        text += delivered_more(best.entry, [(row.label, row.entry) for row in rows[1:] if row.place])
    return text if len(rows) > 1 else say("{text}, with no other valid cell to compare it with", text=text)


def _p50(row: Row) -> str:
    latency = row.entry["latency_us"]
    return us_with_interval(latency["p50"], latency["p50_ci95"])


def _limits(found: Sequence[Group]) -> Iterator[Claim]:
    valid = [row for group in found for row in group.rows if row.valid]
    if not valid:
        return
    kinds = Counter(_kind(row) for row in valid)
    parts = []
    for at, (kind, many) in enumerate(kinds.most_common(_MOST_CELLS)):
        parts.append(
            say("{kind} in {many} of {valid} valid cells", kind=kind, many=many, valid=len(valid))
            if at == 0
            else say("{kind} in {many}", kind=kind, many=many)
        )
    best = next((row for row in valid if row.place), valid[0])
    text = say(
        "What limits them: {parts}; {label} spends its time on {largest_phases}",
        parts=", ".join(parts),
        label=best.label,
        largest_phases=largest_phases(dict(best.entry)),
    )
    yield Claim(excerpt(f"{text}.", 700), None, ((best.number, best.label),))


def _kind(row: Row) -> str:
    verdict = row.entry["verdict"]
    kind = verdict.get("kind") or verdict["bottleneck"]
    if kind in ("none", "unclear"):
        return say("no single bottleneck")
    resource = verdict["resource"]
    plain = verdict.get("kind") or resource == "none"
    return named(str(kind)) if plain else f"{named(str(kind))} ({named(resource)})"


def _trust(document: Entry, found: Sequence[Group]) -> Claim:
    rows = [row for group in found for row in group.rows]
    invalid = [row for row in rows if not row.valid]
    if not rows:
        return Claim(say("Nothing was measured: the run holds no cell."), None)
    text = say("All {rows} cells are valid", rows=len(rows)) if len(rows) > 1 else say("The cell is valid")
    if invalid:
        valid = say("{valid} of {all} cells are valid", valid=len(rows) - len(invalid), all=len(rows))
        why = _why(invalid, several=len(found) > 1)
        text = (
            say("{valid}; not to be used: {why}", valid=valid, why=why)
            if len(rows) > 1
            else say("The cell is not valid: {why}", why=why)
        )
    text += _promises(document)
    return Claim(
        excerpt(f"{text}.", 900), None, tuple((row.number, row.label) for row in invalid[:_MOST_CELLS])
    )


def _why(invalid: Sequence[Row], *, several: bool) -> str:
    """Each cell with its reasons, or where they are many each reason with its number of cells."""
    if len(invalid) <= _MOST_NAMED:
        return ", ".join(
            say(
                word("{cell} under {group} ({codes})") if several else word("{cell} ({codes})"),
                cell=row.label,
                group=short(row.entry["group"]),
                codes=", ".join(row.codes),
            )
            for row in invalid
        )
    codes = Counter(code for row in invalid for code in row.codes)
    told = ", ".join(
        say("{code} in {many}", code=code, many=many) for code, many in codes.most_common(_MOST_CELLS)
    )
    return say("the other {invalid} ({told})", invalid=len(invalid), told=told)


def _promises(document: Entry) -> str:
    promises = document["promises"]
    if not promises:
        return ""
    broken = sum(each["kept"] is False for each in promises)
    open_ = sum(each["kept"] is None for each in promises)
    if not broken and not open_:
        return say("; every promise of the scenario is kept")
    parts = [say("{broken} broken", broken=broken)] if broken else []
    parts += [say("{open} not decidable with this sample", open=open_)] if open_ else []
    return say("; of {promises} promises {parts}", promises=len(promises), parts=listed(parts))
