"""What faults want to know of journals while their trial runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from benchkit.engine.faulted.incarnation import Incarnation
from benchkit.engine.faulted.journal import What


def service_ns(lives: Iterable[Incarnation], from_ns: int, until_ns: int) -> list[int]:
    """How long the stage took for each message that it began within these moments and has done, in order."""
    found = []
    for life in lives:
        begun: dict[int, int] = {}
        for event in life.events():
            what, seq, at_ns = int(event["what"]), int(event["seq"]), int(event["at_ns"])
            if what == What.STARTED:
                begun[seq] = at_ns
            elif what in (What.FINISHED, What.FAILED) and seq in begun:
                found.append((begun.pop(seq), at_ns))
    return [end - start for start, end in sorted(found) if from_ns <= start < until_ns]


def of(lives: Iterable[Incarnation], seq: int) -> dict[str, int]:
    """How often each thing happened to one message, by what it is called."""
    counts: Counter[int] = Counter()
    for life in lives:
        events = life.events()
        counts.update(events["what"][events["seq"] == seq].tolist())
    return {What(what).name: many for what, many in counts.items()}
