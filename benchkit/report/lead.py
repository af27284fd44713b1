"""The answer in three sentences: what is fastest, where the time goes, and how far that can be trusted.

Written from run.json alone; every sentence names the cells that it rests on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchkit.analysis.search_words import is_search, rate_with_interval
from benchkit.analysis.words import largest_phases, times, us_with_interval
from benchkit.report.excerpt import excerpt, short
from benchkit.report.groups import Entry, Group, Row

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
    return (*_best(document, found), *_limits(found), _trust(document, found))


def crossings(document: Entry) -> list[str]:
    """Sentences about where one transport overtakes another; none in a run that swept nothing."""
    return [str(said) for each in document.get("crossover") or () for said in each.get("sentences") or ()]


def named(sentence: str, rows: Sequence[Row]) -> tuple[tuple[int, str], ...]:
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
        text += f"; and {more} more {'group' if more == 1 else 'groups'} below"
    cells = tuple((row.number, row.label) for _, rows in told for row in (rows[0], *_tied(rows)))
    yield Claim(excerpt(f"{text}.", 1500), ranked[0][0].number if len(ranked) == 1 else None, cells)


def _tied(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows[1:] if row.place and row.place["tied_with_best"]][:_MOST_CELLS]


def _first(rows: Sequence[Row]) -> str:
    """`shm raw is fastest, p50 2.8 ms [2.7 ms, 2.9 ms], ahead of http raw (1.99x)`."""
    best, tied = rows[0], _tied(rows)
    behind = [row for row in rows[1:] if row.place and not row.place["tied_with_best"]]
    if is_search(best.entry):
        rates = best.entry.get("capacity") or best.entry["backlog"]
        known = rates["rate_per_s"] is not None
        text = f"{best.label} holds the highest rate, {rate_with_interval(rates) if known else 'none'}"
    else:
        verb = "is fastest" if behind and not tied else "has the lowest p50"
        latency = best.entry["latency_us"]
        p50 = us_with_interval(latency["p50"], latency["p50_ci95"])
        text = f"{best.label} {verb}, {p50}" if verb.endswith("p50") else f"{best.label} {verb}, p50 {p50}"
    if tied:
        text += f", tied with {', '.join(row.label for row in tied)}"
    if behind and behind[0].place:
        text += f", ahead of {behind[0].label} ({times(behind[0].place['ratio_to_best'])})"
    return text if len(rows) > 1 else f"{text}, with no other valid cell to compare it with"


def _limits(found: Sequence[Group]) -> Iterator[Claim]:
    valid = [row for group in found for row in group.rows if row.valid]
    if not valid:
        return
    kinds = Counter(_kind(row) for row in valid)
    of = f" of {len(valid)} valid cells"
    parts = []
    for at, (kind, many) in enumerate(kinds.most_common(_MOST_CELLS)):
        parts.append(f"{kind} in {many}{of if at == 0 else ''}")
    best = next((row for row in valid if row.place), valid[0])
    text = f"What limits them: {', '.join(parts)}; {best.label} spends its time on {largest_phases(dict(best.entry))}"
    yield Claim(excerpt(f"{text}.", 700), None, ((best.number, best.label),))


def _kind(row: Row) -> str:
    verdict = row.entry["verdict"]
    kind = verdict.get("kind") or verdict["bottleneck"]
    if kind in ("none", "unclear"):
        return "no single bottleneck"
    resource = verdict["resource"]
    return str(kind) if verdict.get("kind") or resource == "none" else f"{kind} ({resource})"


def _trust(document: Entry, found: Sequence[Group]) -> Claim:
    rows = [row for group in found for row in group.rows]
    invalid = [row for row in rows if not row.valid]
    if not rows:
        return Claim("Nothing was measured: the run holds no cell.", None)
    text = f"All {len(rows)} cells are valid" if len(rows) > 1 else "The cell is valid"
    if invalid:
        valid = f"{len(rows) - len(invalid)} of {len(rows)} cells are valid"
        why = _why(invalid, several=len(found) > 1)
        text = f"{valid}; not to be used: {why}" if len(rows) > 1 else f"The cell is not valid: {why}"
    text += _promises(document)
    return Claim(
        excerpt(f"{text}.", 900), None, tuple((row.number, row.label) for row in invalid[:_MOST_CELLS])
    )


def _why(invalid: Sequence[Row], *, several: bool) -> str:
    """Each cell with its reasons, or where they are many each reason with its number of cells."""
    if len(invalid) <= _MOST_NAMED:
        under = [f" under {short(row.entry['group'])}" if several else "" for row in invalid]
        named_ = (
            f"{row.label}{place} ({', '.join(row.codes)})" for row, place in zip(invalid, under, strict=True)
        )
        return ", ".join(named_)
    codes = Counter(code for row in invalid for code in row.codes)
    told = ", ".join(f"{code} in {many}" for code, many in codes.most_common(_MOST_CELLS))
    return f"the other {len(invalid)} ({told})"


def _promises(document: Entry) -> str:
    promises = document["promises"]
    if not promises:
        return ""
    broken = sum(each["kept"] is False for each in promises)
    open_ = sum(each["kept"] is None for each in promises)
    if not broken and not open_:
        return "; every promise of the scenario is kept"
    parts = [f"{broken} broken"] if broken else []
    parts += [f"{open_} not decidable with this sample"] if open_ else []
    return f"; of {len(promises)} promises {' and '.join(parts)}"
