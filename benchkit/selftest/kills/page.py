"""The matrix as a page of Markdown: a pure function of its document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchkit.faults.base import PARTIES
from benchkit.selftest import machine
from benchkit.selftest.kills.plan import FAULTS, MOMENTS
from benchkit.selftest.markdown import period, row

Entry = Mapping[str, Any]
_NOTES: Final = """\
Each party is killed (SIGKILL) and stopped (SIGSTOP) while messages flow: when nothing is under way, when a worker has
received a message and not acknowledged it, and when messages wait in the queue. Every trial shows that its fault was
done (the exit status that waitpid gave; state T of every thread and nothing done until it went on) and that it came at
its moment; then all is drained and every message accounted for.

A cell says in how many trials what is declared was kept. *lost*: acknowledged and never delivered, in all its trials
together; at-least-once may lose nothing, at-most-once no more than what was under way while the party was away; what
only a broker's memory held dies with that broker. *twice*: further deliveries, which at-least-once allows.
Killing a process proves no durability: what it had written and not synced stays in the kernel's memory.
"""


def page(document: Entry) -> str:
    """All of it, ends with a newline."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Entry) -> Iterator[str]:
    yield from ("# Parties killed and stopped, and what each transport kept", "", _NOTES)
    yield f"{_when(document)}, {machine.told(document['machine'])}, {_load(document)};"
    yield f"{document['trials']} trials, {document['invalid']} of them invalid, {_kept(document)}"
    names = list(dict.fromkeys(cell["transport"] for cell in document["cells"]))
    cells = {
        (cell["transport"], cell["fault"], cell["party"], cell["moment"]): cell for cell in document["cells"]
    }
    for party in PARTIES:
        own = [
            name
            for name in names
            if any((name, fault, party, moment) in cells for fault in FAULTS for moment in MOMENTS)
        ]
        if own:
            yield from ("", f"## {party}", "")
            yield from _table(party, own, cells)
    yield from ("", "## Nothing done (control)", "")
    yield row(["transport", "declares", "trials", "kept", "lost", "twice"])
    yield row(["---", "---", "---:", "---:", "---:", "---:"])
    for name in names:
        if control := cells.get((name, "none", "", "")):
            counts = [control[key] for key in ("valid", "held", "lost", "duplicated")]
            yield row([name, _declared(control), *counts])
    broken = [cell for cell in document["cells"] if cell["breaches"]]
    if broken:
        yield from ("", "## Not kept", "")
        yield from (f"- {_name(cell)}: {'; '.join(cell['breaches'])}" for cell in broken)
    yield from _left(document)


def _table(
    party: str, names: Sequence[str], cells: Mapping[tuple[str, str, str, str], Entry]
) -> Iterator[str]:
    columns = [(fault, moment) for fault in FAULTS for moment in MOMENTS]
    yield row(["transport", *(f"{fault}, {moment}" for fault, moment in columns)])
    yield row(["---", *["---"] * len(columns)])
    for name in names:
        yield row([name, *(_cell(cells.get((name, fault, party, moment))) for fault, moment in columns)])


def _cell(cell: Entry | None) -> str:
    if cell is None or not cell["trials"]:
        return "-"
    told = [f"{cell['held']}/{cell['valid']}" if cell["valid"] else "invalid"]
    told += [f"{cell['lost']} lost"] if cell["lost"] else []
    told += [f"{cell['unknown']} unknown"] if cell["unknown"] else []
    told += [f"{cell['duplicated']} twice"] if cell["duplicated"] else []
    text = ", ".join(told)
    return f"**{text}**" if cell["broken"] else text


def _declared(cell: Entry) -> str:
    declared = cell["declared"]
    level = f" ({declared['level']})" if declared.get("level") else ""
    return f"{declared.get('delivery', '?')}, {declared.get('durability', '?')}{level}"


def _name(cell: Entry) -> str:
    return f"{cell['transport']}, {cell['fault']} {cell['party']}, {cell['moment']}"


def _when(document: Entry) -> str:
    days = [each[:10] for each in document["measured_utc"]]
    return period(days)


def _load(document: Entry) -> str:
    loads = document["loads"]
    return f"load average {loads[0]:.1f} to {loads[-1]:.1f}" if loads else "load unknown"


def _kept(document: Entry) -> str:
    if document["broken"]:
        return f"**what is declared was not kept in {len(document['broken'])}**"
    kept = f"{len(document['open'])} open" if document["open"] else "every declared guarantee kept"
    return (
        f"{kept} so far; {document['to_go']} trials of the matrix are still to be run"
        if document["to_go"]
        else kept
    )


def _left(document: Entry) -> Iterator[str]:
    if document["left_out"]:
        yield from ("", "Not in it:", "")
        yield from (f"- {kind}: {why}" for kind, why in document["left_out"].items())
    invalid = [cell for cell in document["cells"] if cell["valid"] < cell["trials"]]
    if invalid:
        yield from ("", "Invalid trials:", "")
        yield from (
            f"- {_name(cell)}: {cell['trials'] - cell['valid']}; {'; '.join(cell['reasons'])}"
            for cell in invalid
        )
