"""`alerts` of run.json: every notice, how long it took from its cause and to whoever was told.

The cause is known as well as the notice knows it (`since_ns`: the last sign of life, the first value beyond the limit).
In a trial of a fault it is known better: the fault was done at `injected_ns`, so what fires first of each rule after
that has `after_injection_s` as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchkit.records.run import Run

Entry = Mapping[str, Any]


def as_document(run: Run) -> dict[str, Any]:
    """The field, where rules were set; an empty list says that they had nothing to say."""
    if run.alerts is None:
        return {}
    injected = dict(_injected(run))
    return {"alerts": [_told(each, injected.get(_identity(each))) for each in run.alerts]}


def _identity(notice: Entry) -> tuple[Any, ...]:
    return notice["state"], notice["rule"], notice["at_ns"], tuple(sorted(notice["labels"].items()))


def _injected(run: Run) -> Iterator[tuple[tuple[Any, ...], tuple[int, float | None]]]:
    """Of notices of trials: the trial's number, and for what its fault was told first by, how long after it."""
    for trial in run.faults.all if run.faults else ():
        first: set[str] = set()
        for each in trial.alerts:
            news = each["state"] == "firing" and not each["repeat"] and each["rule"] not in first
            after = news and 0 < trial.injected_ns <= each["at_ns"]
            if after:
                first.add(each["rule"])
            yield (
                _identity(each),
                (trial.number, _seconds(trial.injected_ns, each["at_ns"]) if after else None),
            )


def _told(notice: Entry, trial: tuple[int, float | None] | None) -> dict[str, Any]:
    number, after_s = trial or (None, None)
    return {
        **notice,
        "to_alert_s": _seconds(notice["since_ns"], notice["at_ns"]) if notice["since_ns"] else None,
        "delivered": [
            {**each, "after_s": _seconds(notice["at_ns"], each["at_ns"])} for each in notice["delivered"]
        ],
        "trial": number,
        "after_injection_s": after_s,
    }


def _seconds(from_ns: int, until_ns: int) -> float:
    return (until_ns - from_ns) / 1e9


def times_s(notices: Sequence[Entry]) -> list[float]:
    """The times to alert of what began to fire: from the injection where there is one, else from what is known."""
    found = [
        each["to_alert_s"] if each["after_injection_s"] is None else each["after_injection_s"]
        for each in notices
        if each["state"] == "firing" and not each["repeat"]
    ]
    return [each for each in found if each is not None]
