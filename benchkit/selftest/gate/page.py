"""The trials of the gate as a page of Markdown to keep: a pure function of their document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchkit.analysis.intervals import share_interval
from benchkit.selftest import machine
from benchkit.selftest.gate.rules import OURS
from benchkit.selftest.gate.told import bar_line, name
from benchkit.selftest.markdown import period, row

PAGE: Final = "gate.md"
Entry = Mapping[str, Any]
_NOTES: Final = """\
Each trial is a whole gate over two builds of which the truth is known: 20 blocks in each of which both run once, in an
order that chance decides and in fresh processes; what looks worse is measured again on 10, 20 or 40 fresh blocks, and
they alone say FAIL. Alike: both are the same. N% slower: the stage of one spins longer, by N% of what a message took
just before, with nothing beside it. Beside hogs: one other process a core takes it for 0.1 to 1.5 s and leaves it for
0.2 to 2.5 s. No two trials share a run.

The other rules are applied to the first run of each side of the very same trials: pytest-benchmark's
`--benchmark-compare-fail=mean:10%` against what the trial before had saved, and a p50 that was stored once, by the
first trial, with a limit of 10%.
"""


def page(document: Entry) -> str:
    """All of it, ends with a newline."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Entry) -> Iterator[str]:
    yield from ("# The gate: false alarms, and slow-downs found", "", _NOTES)
    yield f"{period(document['days'])}, {machine.told(document['machine'])}{_others(document['others'])};"
    minutes, most = document["minutes_per_gate"], document["most_measured_minutes"]
    took = "" if minutes is None else f", {minutes:.1f} min each, at most {most:.1f} min of it under load"
    yield f"{document['trials']} gates{took}{_latency(document['latency_us'])}."
    yield from ("", "## Says FAIL", "")
    yield from _rates(document["rates"])
    if document["simulated"]:
        yield from ("", "## Simulated over the recorded noise", "")
        few = document["simulated"][0]["slower_gates"]
        yield "Gates over whole blocks drawn with replacement from those of the trials in which nothing differs;"
        yield f"of each slow-down {few}."
        yield ""
        yield from _simulated(document["simulated"])
    yield from ("", "## Promised", "")
    yield from (f"- {bar_line(bar)}" for bar in document["bars"])


def _rates(rates: Sequence[Entry]) -> Iterator[str]:
    rules = list(rates[0]["rules"]) if rates else []
    yield row(["", "trials", *rules, "95% interval of ours", "what ours said", "minutes"])
    yield row(["---", *["---:"] * (len(rules) + 1), "---:", "---", "---:"])
    for each in rates:
        shares = ["-" if each["rules"][rule] is None else f"{each['rules'][rule]:.1%}" for rule in rules]
        low, high = share_interval(round(each["rules"][OURS] * each["trials"]), each["trials"])
        said = ", ".join(f"{count} {word}" for word, count in each["verdicts"].items())
        yield row(
            [
                name(each),
                each["trials"],
                *shares,
                f"{low:.1%} to {high:.1%}",
                said,
                f"{each['seconds'] / 60:.1f}",
            ]
        )


def _simulated(simulated: Sequence[Entry]) -> Iterator[str]:
    effects = list(simulated[0]["power"])
    found = [f"{float(effect):.0%} slower found" for effect in effects]
    yield row(["", "gates", "recorded blocks", "false alarms", *found, "nine in ten found of"])
    yield row(["---", *["---:"] * (len(effects) + 4)])
    for each in simulated:
        power = [f"{each['power'][effect]:.0%}" for effect in effects]
        smallest = each["smallest_effect"]
        told = "more than 40%" if smallest is None else f"{smallest:.0%}"
        yield row(
            [
                each["condition"],
                each["gates"],
                each["recorded_blocks"],
                f"{each['false_alarms']:.2%}",
                *power,
                told,
            ]
        )


def _latency(latency_us: Sequence[float] | None) -> str:
    if latency_us is None:
        return ""
    low, high = latency_us
    return f", of a pipeline in which a message takes {low:.0f} to {high:.0f} us (p50, by trial)"


def _others(others: float | None) -> str:
    return (
        "" if others is None else f", other programs used {others:.0%} of the cores before a trial (median)"
    )
