"""The closed list of codes.

| code | usually | the cell |
|---|---|---|
| skipped | invalid | could not be measured at all |
| not-measured | invalid | had no block when the run ended |
| party-died | invalid | lost a process |
| stage-failed | invalid | has messages on which the stage raised; up to 1%: note |
| account-not-closed | invalid | has messages that ended nowhere, or twice |
| drain-timed-out | invalid | had messages under way when the drain's time was up |
| undelivered | invalid | dropped, rejected or lost messages; up to 1%, where that is allowed: note |
| dropped-on-purpose | note | dropped messages because its traffic control was asked to |
| corrupted | invalid | changed bytes on the way |
| wrong-replies | invalid | answered otherwise than the stage run locally; with a lossy codec: note |
| replies-unchecked | note | has replies that could not be compared |
| unexpected-arrivals | invalid | received messages that nobody had sent |
| duplicated | invalid | delivered twice without declaring it |
| reordered | invalid | overtook without declaring it |
| path-not-as-claimed | invalid | used another socket family, server or mechanism than it said |
| link-not-as-asked | note | had a link that delayed otherwise than asked, or had another rate |
| stamps-disagree | invalid | has stamps that run backwards |
| little-violated | invalid | has stamps that contradict what producer and workers counted (Little's law) |
| foreign-requests | note | had its stage called by other clients |
| source-too-slow | invalid | waited for its source; up to 1%: note |
| offered-load-not-reached | invalid | was not offered the load that was asked for; within chance: note |
| warm-up-never-ended | invalid | had not settled when measuring began; up to half of its blocks, or one: note |
| too-few-samples | note | has no sample for a percentile; for p50: invalid |
| few-blocks | note | has too few blocks to see what a fresh start changes |
| blocks-disagree | note | has blocks that differ more than chance explains |
| drift | note | got slower, dearer or larger by more than a tenth while it ran |
| machine-disturbed | invalid | ran on a disturbed machine; up to a third of its blocks: note |
| core-shared | note | had fewer cores than parties; pinned apart and yet on one core: invalid |
| search-unfinished | note | was still searching when its time was up |
| no-level-keeps | note | found no rate that keeps its promise |
| search-given-up | invalid | searched, and a block of the search could not be measured |
| trace-damaged | note | was traced, and some of what was marked cannot be read |
| trace-not-ended | note | was traced, and a process ended without closing its trace |
| trace-unmatched | note | was traced, and has marks that no other process's marks go with |
| trace-cut | note | was traced, and what lies before or after the trace is left out |
| near-floor | note | takes little longer than the tool itself |
| effect-below-noise | note | differs from the best by less than the machine's own noise: a tie |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from benchkit.analysis.intervals import LEAST_BLOCKS
from benchkit.words import say, word

Severity = Literal["invalid", "note"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A code's usual severity and what to do about it."""

    severity: Severity
    template: str
    least: int | None = None
    """What the template's field of that name says."""

    @property
    def remedy(self) -> str:
        """In the language that is spoken."""
        return say(self.template, least=self.least)


CODES: Final[Mapping[str, Kind]] = {
    "skipped": Kind(
        "invalid", word("see what is missing with `benchkit doctor`, or leave the cell out with --only")
    ),
    "not-measured": Kind("invalid", word("let the run end, or ask for fewer cells with --only")),
    "party-died": Kind("invalid", word("read the failure and its traceback in run.json")),
    "stage-failed": Kind(
        "invalid", word("read the stage's traceback in run.json; run it alone on one message")
    ),
    "account-not-closed": Kind(
        "invalid", word("a transport must deliver, reject or lose each message: run check_transport on it")
    ),
    "drain-timed-out": Kind("invalid", word("lower the rate or the depth, or raise blocks.drain")),
    "undelivered": Kind(
        "invalid", word("lower the rate, raise the transport's depth, or measure the loss on purpose")
    ),
    "dropped-on-purpose": Kind(
        "note",
        word("judge it by goodput, frame age and what was dropped: latency alone is that of the rest"),
    ),
    "corrupted": Kind(
        "invalid", word("do not use this transport or codec before its bytes arrive unchanged")
    ),
    "wrong-replies": Kind(
        "invalid", word("make the stage deterministic, or set replies unchecked if it cannot be")
    ),
    "replies-unchecked": Kind(
        "note",
        word("let the source repeat its messages (source.distinct) and use a stage that repeats its answers"),
    ),
    "unexpected-arrivals": Kind("invalid", word("give the cell a queue, stream or segment of its own")),
    "duplicated": Kind(
        "invalid", word("declare at-least-once in the transport's capabilities, or acknowledge in time")
    ),
    "reordered": Kind("invalid", word("declare its ordering in the transport's capabilities")),
    "path-not-as-claimed": Kind(
        "invalid", word("correct the transport: what `prepare` claims is what its ends must use")
    ),
    "link-not-as-asked": Kind(
        "note",
        word(
            "judge by what the link did; leave the machine more cores, or lower the load: pieces of a "
            "stream wait for those before them"
        ),
    ),
    "stamps-disagree": Kind("invalid", word("run all parties on one host with one monotonic clock")),
    "little-violated": Kind(
        "invalid",
        word(
            "see whether the clock was set or the files were changed; check the transport with "
            "check_transport"
        ),
    ),
    "foreign-requests": Kind("note", word("let no other client call the stage while it is measured")),
    "source-too-slow": Kind(
        "invalid", word("use a smaller or cheaper source, fewer distinct messages, or a lower rate")
    ),
    "offered-load-not-reached": Kind(
        "invalid", word("lower the rate, or measure the capacity with a closed loop")
    ),
    "warm-up-never-ended": Kind(
        "invalid", word("raise blocks.warmup; lower the rate if the latency grows as long as the load lasts")
    ),
    "too-few-samples": Kind(
        "note", word("measure longer (blocks.duration, blocks.rounds) or at a higher rate")
    ),
    "few-blocks": Kind("note", word("set blocks.rounds to {least} or more"), least=LEAST_BLOCKS),
    "blocks-disagree": Kind(
        "note", word("stop what else runs on this machine, or raise blocks.rounds and blocks.duration")
    ),
    "machine-disturbed": Kind(
        "invalid",
        word("stop what else runs on this machine or its host, raise the CPU quota, or raise blocks.rounds"),
    ),
    "drift": Kind(
        "note",
        word(
            "see the latency over time in the report; find what grows or wears out before trusting one figure"
        ),
    ),
    "core-shared": Kind("note", word("use a machine with a core for every party")),
    "search-unfinished": Kind("note", word("raise load.longest, or ask for less precision (load.precision)")),
    "no-level-keeps": Kind(
        "note", word("promise more than the smallest latency seen, or make the stage or the path faster")
    ),
    "search-given-up": Kind("invalid", word("read the failures in run.json")),
    "trace-damaged": Kind("note", word("copy the trace files again, or trace again")),
    "trace-not-ended": Kind("note", word("see why the process was killed; what it had marked is analysed")),
    "trace-unmatched": Kind("note", word("give a message the same name in every call")),
    "trace-cut": Kind("note", word("raise BENCHKIT_TRACE_BYTES to keep more of each process's marks")),
    "near-floor": Kind(
        "note", word("treat it as the cost of the tool itself; larger payloads stand clear of it")
    ),
    "effect-below-noise": Kind(
        "note",
        word("take the two for equal; a quieter machine or larger payloads would show a smaller difference"),
    ),
}
