"""What the traced processes used during a block: their own readings, a second apart, interpolated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from benchkit.records.seen import Event, Usage
from benchkit.trace.join import Joined
from benchkit.trace.layout import UNKNOWN, USAGE, Kind
from benchkit.trace.reader import Traced

MOST_EVENTS: Final = 256
"""Of one party in one block; the longest are kept."""
_GROWING: Final = (
    "cpu_ns", "runnable_ns", "voluntary_switches", "involuntary_switches", "minor_faults", "major_faults",
    "gc_pause_ns", "gc_pauses",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Party:
    """One traced process and the part that it plays."""

    name: str
    """`producer-0`, ..., `stage-0`, ... after the number in the samples' `worker`; `process-0`, ... of others."""
    role: str
    process: int
    """Its place among the traced."""
    traced: Traced
    workers: int = 0
    """Threads that received messages."""


def parties(traced: Sequence[Traced], joined: Joined) -> list[Party]:
    """Who took part; a process that produces and works is a stage, one with several workers is of none of them."""
    senders = [at for at in joined.producers if at not in joined.stages]
    found = [Party(f"producer-{number}", "producer", at, traced[at]) for number, at in enumerate(senders)]
    for number, at in enumerate(joined.stages):
        own = [worker for worker, (process, _) in enumerate(joined.workers) if process == at]
        name = f"stage-{own[0]}" if len(own) == 1 else f"process-{number}"
        found.append(Party(name, "stage", at, traced[at], len(own)))
    return found


def untold(who: Sequence[Party], joined: Joined) -> dict[str, str]:
    """Workers of which nothing is known but their messages, with the reason."""
    shared = {party.process: party for party in who if party.role == "stage" and party.workers > 1}
    return {
        f"stage-{worker}": f"its process has {shared[process].workers} threads that work: what each used is not "
        f"known, all of it is {shared[process].name}'s"
        for worker, (process, _) in enumerate(joined.workers)
        if process in shared
    }


def usage(party: Party, begin_ns: int, end_ns: int, messages: int | None) -> Usage | None:
    """What it used in between; None where its readings do not reach into the block."""
    told = party.traced.events[party.traced.events["kind"] == Kind.USAGE]
    if len(told) < 2:
        return None
    begin, end = max(begin_ns, int(told["at"][0])), min(end_ns, int(told["at"][-1]))
    if end <= begin:
        return None
    grown = {name: _grown(told, name, begin, end) for name in _GROWING}
    within = told[min(int(np.searchsorted(told["at"], end)), len(told) - 1)]
    pauses = _pauses(party.traced, begin, end)
    threads = told["values"][:, USAGE.index("threads")]
    # Where there is only one, what the process used is what its thread used.
    single = bool((threads == 1).all())
    return Usage(
        cpu_ns=grown["cpu_ns"] or 0,
        threads=None if threads[-1] == UNKNOWN else int(threads[-1]),
        thread_cpu_ns=grown["cpu_ns"] if single else None,
        thread_runnable_ns=grown["runnable_ns"] if single else None,
        peak_rss_bytes=max(0, _value(within, "peak_rss_bytes")),
        rss_bytes=max(0, _value(within, "rss_bytes")),
        over_ns=end - begin,
        messages=messages,
        runnable_ns=grown["runnable_ns"],
        voluntary_switches=grown["voluntary_switches"],
        involuntary_switches=grown["involuntary_switches"],
        minor_faults=grown["minor_faults"],
        major_faults=grown["major_faults"],
        gc_pause_ns=grown["gc_pause_ns"],
        gc_pauses=grown["gc_pauses"],
        gc_longest_ns=int(pauses["values"][:, 0].max()) if len(pauses) else None,
    )


def together(parts: Mapping[Party, Usage], role: str) -> Usage | None:
    """All processes of one role as one; of producers' memory the largest, of stages' the sum."""
    own = [used for party, used in parts.items() if party.role == role]
    if not own:
        return None
    of_memory = max if role == "producer" else sum
    return Usage(
        cpu_ns=sum(each.cpu_ns for each in own),
        peak_rss_bytes=of_memory(each.peak_rss_bytes for each in own),
        rss_bytes=of_memory(each.rss_bytes for each in own),
    )


def pauses(party: Party, begin_ns: int, end_ns: int) -> Iterator[Event]:
    """Its collections of garbage in between, the longest ones, by moment."""
    found = _pauses(party.traced, begin_ns, end_ns)
    longest = np.sort(np.argsort(found["values"][:, 0], kind="stable")[-MOST_EVENTS:])
    for each in found[longest]:
        took, generation, collected = (int(value) for value in each["values"][:3])
        what = f"generation {generation}, {collected:,} objects collected"
        yield Event(int(each["at"]), max(0, took), party.name, "gc", what)


def _pauses(traced: Traced, begin_ns: int, end_ns: int) -> npt.NDArray[np.void]:
    told = traced.events[traced.events["kind"] == Kind.PAUSE]
    found: npt.NDArray[np.void] = told[(told["at"] >= begin_ns) & (told["at"] < end_ns)]
    return found


def _value(event: np.void, name: str) -> int:
    return int(event["values"][USAGE.index(name)])


def _grown(told: npt.NDArray[np.void], name: str, begin_ns: int, end_ns: int) -> int | None:
    """How much a counter grew, on straight lines between readings; None where one of them is unknown."""
    values = told["values"][:, USAGE.index(name)]
    if (values == UNKNOWN).any():
        return None
    first, last = np.interp([begin_ns, end_ns], told["at"], values.astype(np.float64))
    return max(0, round(last - first))
