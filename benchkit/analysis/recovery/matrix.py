"""Trials put together: fault by transport, what each guarantee really delivered beside what it declares.

Nothing here is an order of merit. Rows stand by fault, then by what the transport declares, then by the cell's name;
`alike` numbers the classes of transports that declare the same, durability level included, since times and losses may
be held against each other inside one of them alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from benchkit.analysis.recovery.names import class_of
from benchkit.analysis.recovery.samples import repeated

Entry = Mapping[str, Any]
COUNTS: Final = (
    "attempted", "acknowledged", "delivered", "lost", "in_hand", "unknown", "recovered", "duplicated", "unexpected",
    "torn", "disowned", "overtaken", "contradictions", "caught",
)  # fmt: skip
_TIMES: Final = {
    "detect_s": "detect_s",
    "first_success_s": "first_success_s",
    "mttr_s": "steady_s",
    "drain_s": "drain_s",
}
"""Names here, by those of a trial's `recovery`."""


def classes(trials: Iterable[Entry]) -> list[str]:
    """What is declared, each class once: at its place is its number in `alike`."""
    return sorted({class_of(each["declared"]) for each in trials})


def matrix(trials: Sequence[Entry]) -> list[dict[str, Any]]:
    """One entry for each fault, moment and cell, of the entries that `document` makes of trials."""
    known = classes(trials)
    together: dict[tuple[str, str, str, str, str], list[Entry]] = {}
    for each in trials:
        if not each["control"]:
            declared = class_of(each["declared"])
            key = (each["label"], declared, each["cell"], each["moment"], each["transport"])
            together.setdefault(key, []).append(each)
    return [
        _entry(own, known.index(declared))
        for (_, declared, *_), own in sorted(together.items(), key=lambda item: item[0])
    ]


def _entry(own: Sequence[Entry], alike: int) -> dict[str, Any]:
    first = own[0]
    valid = [each for each in own if each["valid"]]
    accounts = [each["account"] for each in valid]
    ways = [each["recovery"] for each in valid]
    return {
        "fault": first["label"],
        "moment": first["moment"],
        "cell": first["cell"],
        "transport": first["transport"],
        "declared": first["declared"],
        "alike": alike,
        "trials": len(own),
        "valid": len(valid),
        "numbers": [each["number"] for each in own],
        "held": _held([each["held"] for each in valid]),
        "breaches": _most_common(breach for each in valid for breach in each["breaches"]),
        "allowed": next((each["allowed"] for each in valid if each["allowed"]), ""),
        **{name: sum(account[name] for account in accounts) for name in COUNTS},
        "lost_most": max((account["lost"] for account in accounts), default=0),
        "in_flight": sum(each["in_flight_at_injection"] for each in valid),
        "delayed": sum(account["delayed"] or 0 for account in accounts),
        "delayed_most_s": max((account["delayed_most_s"] or 0.0 for account in accounts), default=None),
        "detected_by": _most_common(way["detected_by"] for way in ways if way["detected_by"]),
        **{name: asdict(repeated([way[of] for way in ways])) for name, of in _TIMES.items()},
        "drain_per_s": _median([way["drain_per_s"] for way in ways]),
    }


def over_moments(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The matrix with the moments of a fault put together: one entry for each fault and cell."""
    together: dict[tuple[str, int, str], list[Entry]] = {}
    for each in entries:
        together.setdefault((each["fault"], each["alike"], each["cell"]), []).append(each)
    return [own[0] if len(own) == 1 else _over(own) for own in together.values()]


def _over(own: Sequence[Entry]) -> dict[str, Any]:
    measured = [each for each in own if each["valid"]]
    times = {
        name: asdict(repeated([sample for each in measured for sample in each[name]["samples_s"]]))
        for name in _TIMES
    }
    return {
        **own[0],
        "moment": ", ".join(each["moment"] for each in own),
        "held": _held([each["held"] for each in measured]),
        "breaches": _most_common(breach for each in measured for breach in each["breaches"]),
        "allowed": next((each["allowed"] for each in measured if each["allowed"]), ""),
        **{
            name: sum(each[name] for each in own)
            for name in (*COUNTS, "trials", "valid", "in_flight", "delayed")
        },
        "numbers": [number for each in own for number in each["numbers"]],
        "lost_most": max(each["lost_most"] for each in own),
        "detected_by": _most_common(by for each in measured for by in each["detected_by"]),
        **times,
    }


def _held(found: Sequence[bool | None]) -> bool | None:
    """False where it once was not; None where it once is unknown, or nothing is valid."""
    if any(each is False for each in found):
        return False
    return None if not found or None in found else True


def _most_common(words: Iterable[str]) -> list[str]:
    return [word for word, _ in Counter(words).most_common(3)]


def _median(values: Sequence[float | None]) -> float | None:
    return repeated([value for value in values if value is not None]).median_s
