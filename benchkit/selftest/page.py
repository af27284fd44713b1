"""The self-test's result as a page of Markdown to keep: a pure function of its document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchkit.selftest import machine
from benchkit.selftest.markdown import period, row
from benchkit.selftest.table import grades, told

Entry = Mapping[str, Any]
_COLUMNS: Final = {
    "trials": "trials", "repeated": "repeated", "no verdict": "abstained", "phase": "phase", "resource": "resource",
    "kind": "of_kind", "confidently wrong": "confidently_wrong", "refused": "refused",
}  # fmt: skip
_NOTES: Final = """\
Pipelines with a planted bottleneck, and how often the verdict names it. `repeated`: runs beyond the first, because
the cell was not valid (the machine disturbed it, or the load was not offered); what its verdict said plays no part.
`no verdict`: still not valid after that. `phase`, `resource`, `kind`: right ones among the trials with a verdict.
`confidently wrong`: anything wrong about it at a confidence above 0.7.
"""


def page(document: Entry) -> str:
    """All of it, ends with a newline."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Entry) -> Iterator[str]:
    asked = document["asked"]
    first = asked["first_seed"]
    seeds = f"seed {first}" if asked["quick"] else f"seeds {first} to {first + asked['seeds'] - 1}"
    shares = "80%" if asked["quick"] else ", ".join(f"{share:.0%}" for share in asked["shares"])
    yield from ("# Planted bottlenecks and the verdict", "", _NOTES)
    yield f"{_when(document['trials'])}, {machine.told(document['machine'])},"
    yield f"{_load(document['trials'])}; {seeds}, planted shares of the latency {shares}"
    yield ""
    yield row(["planted", *_COLUMNS])
    yield row(["---", *["---:"] * len(_COLUMNS)])
    for count in document["kinds"]:
        yield row([count["kind"], *(count[field] for field in _COLUMNS.values())])
    yield ""
    yield from (f"- {told(bar)}" for bar in document["bars"] if bar["reached"] is not None)
    yield ""
    yield from (f"- {line}" for line in grades(document))


def _when(trials: Sequence[Entry]) -> str:
    days = sorted({each["measured_utc"][:10] for each in trials if "measured_utc" in each})
    return period(days)


def _load(trials: Sequence[Entry]) -> str:
    """What else went on: the load average and the cores that others used, while trials were run."""
    loads = sorted(each["load"] for each in trials if each.get("load") is not None)
    others = sorted(each["others"] for each in trials if each.get("others") is not None)
    said = f"load average {loads[0]:.1f} to {loads[-1]:.1f}" if loads else "load unknown"
    return (
        f"{said}, other programs used {others[len(others) // 2]:.0%} of the cores (median)"
        if others
        else said
    )
