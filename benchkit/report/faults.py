"""Fault trials as words and rows of tables, for a terminal, a page and a document; from run.json alone.

Rows stand by fault, and inside a fault by what is declared: nothing here is an order of merit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from benchkit.report.excerpt import excerpt, short
from benchkit.report.plain_table import MOST_ROWS, Table, Value
from benchkit.units import show_us
from benchkit.words import named, say

Entry = Mapping[str, Any]
_MOST_REASONS: Final = 20
_FIGURES: Final = re.compile(r"\d+(\.\d+)?")
_MOST_CLAIMS: Final = 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a cell of the matrix ended."""

    code: str
    """`kept`, `allowed` (lost, as its durability or guarantee allows), `broken`, `undecided`, `invalid`."""
    words: str


@dataclass(frozen=True, slots=True)
class Faults:
    """What a page says of fault trials, besides its charts."""

    claims: tuple[str, ...]
    """What was broken, first; what nothing can be said of."""
    notes: tuple[str, ...]
    tables: tuple[Table, ...]


def faults(document: Entry) -> Faults | None:
    """None where no fault was done."""
    found = document.get("faults")
    if not found:
        return None
    names = cell_names(document["cells"], found["matrix"])
    tables = [
        _matrix(found, names), _losses(found, names), _times(found, names), _not_valid(found), _left_out(found),
    ]  # fmt: skip
    return Faults(
        tuple(claims(found, names)), tuple(found["notes"]), tuple(each for each in tables if each is not None)
    )


def outcome(each: Entry) -> Outcome:
    """Of one entry of the matrix."""
    if not each["valid"]:
        return Outcome("invalid", say("not valid"))
    if each["held"] is False:
        return Outcome("broken", named("broken"))
    if each["held"] is None:
        return Outcome("undecided", named("undecided"))
    return Outcome("allowed", say("kept, with loss")) if each["lost"] else Outcome("kept", named("kept"))


def cell_names(cells: Sequence[Entry], entries: Sequence[Entry]) -> dict[str, str]:
    """Of the matrix' entries by id: the transport where that is enough, else the row in its table, with its load."""
    if len({each["transport"] for each in entries}) == len({each["cell"] for each in entries}):
        return {each["cell"]: excerpt(each["transport"], 60) for each in entries}
    labels = {each["id"]: each["labels"] for each in cells}
    ids = dict.fromkeys(each["cell"] for each in entries)
    if not ids.keys() <= labels.keys():
        return {cell: short(cell, 44) for cell in ids}
    rows = {cell: row_name(labels[cell]) for cell in ids}
    if len(set(rows.values())) == len(rows):
        return rows
    return {cell: f"{row}, {excerpt(labels[cell]['group'], 60)}" for cell, row in rows.items()}


def row_name(labels: Mapping[str, str]) -> str:
    """A cell's name in its table; what its options are can be broken between two of them."""
    return excerpt(labels["row"], 60).replace("/", ", ")


def letter(each: Entry) -> str:
    """Which declaration it has, by a letter: A, B, ..."""
    return chr(ord("A") + each["alike"]) if each["alike"] < 26 else str(each["alike"] + 1)


def alike_words(found: Entry) -> list[str]:
    """`A: at-least-once, memory (no persistence)`, one for each letter."""
    return [
        f"{letter({'alike': at})}: {excerpt(declared, 100) or say('nothing declared')}"
        for at, declared in enumerate(found["alike"])
    ]


def moments_words(each: Entry) -> str:
    """`idle, backlog`."""
    return excerpt(each["moment"], 60)


def lost_words(each: Entry) -> str:
    """`0`; `3 of 8 under way` where a loss is allowed; `-` where nothing is valid."""
    if not each["valid"]:
        return "-"
    if each["unknown"]:
        return say("{lost}, {unknown} unknown", lost=each["lost"], unknown=each["unknown"])
    if each["lost"] and each["allowed"]:
        return say("{lost} of {caught}", lost=each["lost"], caught=each["caught"])
    return str(each["lost"])


def lost_brief(each: Entry) -> str:
    """`0`, `3/8`, `0+2?`, for a narrow column."""
    if not each["valid"]:
        return "-"
    if each["unknown"]:
        return f"{each['lost']}+{each['unknown']}?"
    return f"{each['lost']}/{each['caught']}" if each["lost"] and each["allowed"] else str(each["lost"])


def seconds(value: float | None) -> str:
    """`0.61 s`, `12 ms`; `-` for none."""
    return "-" if value is None else "0 s" if value == 0 else show_us(1e6 * value)


def typical(repeated: Entry) -> str:
    """The median, and how many trials have no end."""
    if not repeated["n"]:
        return "-"
    if repeated["median_s"] is None:
        if repeated["never"] == repeated["n"]:
            return say("never")
        return say("never ({never} of {n})", never=repeated["never"], n=repeated["n"])
    never = say(", {never} never", never=repeated["never"]) if repeated["never"] else ""
    return f"{seconds(repeated['median_s'])}{never}"


def with_interval(repeated: Entry) -> str:
    """`0.61 s [0.5 s, 0.7 s], n=10`; the samples themselves where they are too few for an interval."""
    told = typical(repeated)
    if not repeated["n"]:
        return told
    interval = repeated["ci95_s"]
    if interval is not None:
        told += f" [{seconds(interval[0])}, {seconds(interval[1])}]"
    return f"{told}, n={repeated['n']}"


def claims(found: Entry, names: Mapping[str, str]) -> Iterator[str]:
    """In sentences: what was broken, what could not be told, and what was kept; `names` are those of cells."""
    rows = found["matrix"]
    broken = [each for each in rows if outcome(each).code == "broken"]
    for each in broken[:_MOST_CLAIMS]:
        yield (
            say(
                "{cell} does not keep what it declares ({declared}) under {fault}, {moment}: {breaches}",
                cell=names[each["cell"]],
                declared=excerpt(found["alike"][each["alike"]], 100),
                fault=excerpt(each["fault"], 60),
                moment=moments_words(each),
                breaches=excerpt("; ".join(each["breaches"])),
            )
        )
    if len(broken) > _MOST_CLAIMS:
        yield say("and {count} more that do not keep it", count=len(broken) - _MOST_CLAIMS)
    counted = [outcome(each).code for each in rows]
    trials = sum(each["trials"] for each in rows)
    yield say(
        "{trials} trials of {cells} cells of the matrix: {kept} kept what they declare, {allowed} of them with a loss "
        "that they allow; {broken} broke it, {undecided} undecided, {invalid} without a valid trial",
        trials=trials,
        cells=len(rows),
        kept=counted.count("kept") + counted.count("allowed"),
        allowed=counted.count("allowed"),
        broken=counted.count("broken"),
        undecided=counted.count("undecided"),
        invalid=counted.count("invalid"),
    )


def _matrix(found: Entry, names: Mapping[str, str]) -> Table | None:
    rows = found["matrix"]
    columns = (
        say("fault"), say("moment"), named("cell"), say("declares"), say("kept what it declares"), named("lost"),
        named("duplicated"), say("noticed after"), say("steady after (MTTR)"), say("trials"),
    )  # fmt: skip
    values = [
        (
            excerpt(each["fault"], 60), moments_words(each), names[each["cell"]], letter(each), outcome(each).words,
            lost_words(each), _count(each, "duplicated"), typical(each["detect_s"]), with_interval(each["mttr_s"]),
            str(each["trials"]) if each["trials"] == each["valid"] else f"{each['valid']}/{each['trials']}",
        )
        for each in rows
    ]  # fmt: skip
    return _table(say("What each guarantee delivered, beside what it declares"), columns, values, words=5)


def _count(each: Entry, name: str) -> str:
    return str(each[name]) if each["valid"] else "-"


def _losses(found: Entry, names: Mapping[str, str]) -> Table | None:
    """Where anything but an undisturbed delivery came about."""
    rows = found["matrix"]
    shown = (
        "lost",
        "in_hand",
        "caught",
        "recovered",
        "duplicated",
        "unexpected",
        "torn",
        "disowned",
        "overtaken",
    )
    columns = (
        say("fault"), say("moment"), named("cell"), say("acknowledged"), named("lost"), say("in a worker's hand"),
        say("under way"), say("came unacknowledged"), named("duplicated"), named("unexpected"), say("torn"),
        say("refused, yet came"), say("overtaken"),
    )  # fmt: skip
    values = [
        (
            excerpt(each["fault"], 60), moments_words(each), names[each["cell"]], str(each["acknowledged"]),
            *(str(each[name]) for name in shown),
        )
        for each in rows
        if each["valid"] and any(each[name] for name in shown if name != "caught")
    ]  # fmt: skip
    return _table(say("Messages that a fault touched, all trials together"), columns, values, words=3)


def _times(found: Entry, names: Mapping[str, str]) -> Table | None:
    rows = found["matrix"]
    columns = (
        say("fault"), say("moment"), named("cell"), say("noticed by"), say("noticed after"), say("first success after"),
        say("steady after, every trial"), say("drain"), say("delayed messages"),
    )  # fmt: skip
    values = [
        (
            excerpt(each["fault"], 60), moments_words(each), names[each["cell"]],
            excerpt(", ".join(each["detected_by"]), 60) or "-", typical(each["detect_s"]),
            typical(each["first_success_s"]), _samples(each["mttr_s"]), _drain(each), str(each["delayed"]),
        )
        for each in rows
        if each["valid"]
    ]  # fmt: skip
    return _table(say("From the injection until all was as before"), columns, values, words=4)


def _samples(repeated: Entry) -> str:
    """Every one, in the order of the trials, the first dozen."""
    told = [say("never") if each is None else seconds(each) for each in repeated["samples_s"]]
    return excerpt(", ".join(told[:12]) + (", ..." if len(told) > 12 else ""), 160) or "-"


def _drain(each: Entry) -> str:
    took = each["drain_s"]["median_s"]
    if took is None or each["drain_per_s"] is None:
        return "-"
    return say("{took} at {rate:.0f}/s", took=seconds(took), rate=each["drain_per_s"])


def reasons(found: Entry) -> list[tuple[str, str, str, list[Entry]]]:
    """Code, message and remedy of what speaks against trials, with the trials; what makes them invalid first."""
    together: dict[tuple[bool, str, str, str], list[tuple[Entry, str]]] = {}
    for trial in found["trials"]:
        for each in trial["reasons"]:
            # The same but for its figures is the same.
            key = (
                each["severity"] != "invalid",
                each["code"],
                _FIGURES.sub("", each["message"]),
                each["remedy"],
            )
            together.setdefault(key, []).append((trial, each["message"]))
    ordered = sorted(together.items(), key=lambda item: item[0][0])
    return [
        (code, _first(told), remedy, [trial for trial, _ in told]) for (_, code, _, remedy), told in ordered
    ][:_MOST_REASONS]


def _first(told: Sequence[tuple[Entry, str]]) -> str:
    """The message, which is that of the first where they differ in their figures."""
    messages = [message for _, message in told]
    if len(set(messages)) == 1:
        return messages[0]
    return say("{message} (the first of them)", message=messages[0])


def trials_named(trials: Sequence[Entry]) -> str:
    """`trial 3 (kill stage, shm), trial 4 (...) and 7 more`."""
    told = ", ".join(
        f"{each['number']} ({excerpt(each['label'], 40)}, {excerpt(each['transport'], 40)})"
        for each in trials[:3]
    )
    more = say(" and {count} more", count=len(trials) - 3) if len(trials) > 3 else ""
    return say("trial {told}{more}", told=told, more=more)


def _not_valid(found: Entry) -> Table | None:
    columns = (say("why"), named("message"), say("remedy"), say("trials"))
    values = [
        (excerpt(code, 60), excerpt(message), excerpt(remedy), trials_named(trials))
        for code, message, remedy, trials in reasons(found)
    ]
    return _table(say("What speaks against trials"), columns, values, words=4)


def left_out(found: Entry, names: Mapping[str, str] = MappingProxyType({})) -> list[tuple[str, str, str]]:
    """What could not be done, why, and to which cells (by `names`, where there is one), each reason once."""
    cells_of: dict[tuple[str, str], list[str]] = {}
    for each in found.get("left_out", ()):
        own = cells_of.setdefault((each["why"], each["fault"] or say("any fault")), [])
        own.append(names.get(each["cell"], each["cell"]))
    together: dict[tuple[str, str], list[str]] = {}
    for (why, fault), cells in cells_of.items():
        together.setdefault((why, _listed(cells)), []).append(fault)
    return [(_listed(faults), excerpt(why, 200), cells) for (why, cells), faults in together.items()]


def _listed(names: Sequence[str]) -> str:
    return excerpt(", ".join(excerpt(name, 60) for name in dict.fromkeys(names)), 200)


def _left_out(found: Entry) -> Table | None:
    columns = (say("fault"), say("why"), named("cells"))
    return _table(say("Faults that could not be done"), columns, left_out(found)[:MOST_ROWS], words=3)


def _table(caption: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]], words: int) -> Table | None:
    """The first `words` columns hold words, the others figures."""
    if not rows:
        return None
    values = tuple(
        tuple(Value(value, number=at >= words) for at, value in enumerate(row)) for row in rows[:MOST_ROWS]
    )
    return Table(caption, tuple(columns), values, max(0, len(rows) - MOST_ROWS))
