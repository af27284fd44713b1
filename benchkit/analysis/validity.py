"""Why a cell is not valid: a closed list of codes, each with its remedy.

A reason is `invalid` (the cell carries no verdict and is not ranked) or a `note` (what a reader must know).
Shares of up to 1% are tolerated where a single stray message should not spoil a block; LATE_NS says what
late is. One late message in fifteen is no evidence that more than 1% are late: a cell is invalid for it only
when so many late ones would come by chance in at most one of a hundred cells that are late 1% of the time
(one-sided binomial test); until then it is a note. Likewise a rate falls short by one message or by none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, Literal

import numpy as np
from scipy.special import bdtrc, fdtrc

from benchkit.analysis.drift import Drift, in_words
from benchkit.analysis.intervals import LEAST_BLOCKS
from benchkit.analysis.measure import LATE_NS, Measure
from benchkit.analysis.quantiles import PERCENTILES, minimum_samples
from benchkit.records.run import Block, Cell, Failure
from benchkit.units import show_us

Severity = Literal["invalid", "note"]
TOLERATED: Final = 0.01
_DISAGREE_P: Final = 0.01
_LATE_P: Final = 0.01
_DISAGREE_RATIO: Final = 1.1
_DIED: Final = frozenset({"PartyError", "BrokerError"})
_COUNTED: Final = "Rejected"
"""A failure that is a message's fate and stands in the account."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A code's usual severity and what to do about it."""

    severity: Severity
    remedy: str


CODES: Final[Mapping[str, Kind]] = {
    "skipped": Kind(
        "invalid", "see what is missing with `benchkit doctor`, or leave the cell out with --only"
    ),
    "not-measured": Kind("invalid", "let the run end, or ask for fewer cells with --only"),
    "party-died": Kind("invalid", "read the failure and its traceback in run.json"),
    "stage-failed": Kind("invalid", "read the stage's traceback in run.json; run it alone on one message"),
    "account-not-closed": Kind(
        "invalid", "a transport must deliver, reject or lose each message: run check_transport on it"
    ),
    "drain-timed-out": Kind("invalid", "lower the rate or the depth, or raise blocks.drain"),
    "undelivered": Kind(
        "invalid", "lower the rate, raise the transport's depth, or measure the loss on purpose"
    ),
    "corrupted": Kind("invalid", "do not use this transport or codec before its bytes arrive unchanged"),
    "wrong-replies": Kind(
        "invalid", "make the stage deterministic, or set replies unchecked if it cannot be"
    ),
    "replies-unchecked": Kind(
        "note",
        "let the source repeat its messages (source.distinct) and use a stage that repeats its answers",
    ),
    "unexpected-arrivals": Kind("invalid", "give the cell a queue, stream or segment of its own"),
    "duplicated": Kind(
        "invalid", "declare at-least-once in the transport's capabilities, or acknowledge in time"
    ),
    "reordered": Kind("invalid", "declare its ordering in the transport's capabilities"),
    "stamps-disagree": Kind("invalid", "run all parties on one host with one monotonic clock"),
    "source-too-slow": Kind(
        "invalid", "use a smaller or cheaper source, fewer distinct messages, or a lower rate"
    ),
    "offered-load-not-reached": Kind("invalid", "lower the rate, or measure the capacity with a closed loop"),
    "too-few-samples": Kind("note", "measure longer (blocks.duration, blocks.rounds) or at a higher rate"),
    "few-blocks": Kind("note", f"set blocks.rounds to {LEAST_BLOCKS} or more"),
    "blocks-disagree": Kind(
        "note", "stop what else runs on this machine, or raise blocks.rounds and blocks.duration"
    ),
    "drift": Kind(
        "note",
        "see the latency over time in the report; find what grows or wears out before trusting one figure",
    ),
    "core-shared": Kind("note", "use a machine with a core for every party"),
    "near-floor": Kind("note", "treat it as the cost of the tool itself; larger payloads stand clear of it"),
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, as run.json holds it."""

    code: str
    severity: Severity
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the checks look at: one cell, its blocks, its figures."""

    cell: Cell
    blocks: Sequence[Block]
    account: Mapping[str, int]
    open_blocks: Sequence[int]
    measure: Measure
    cores: int
    floor_us: float | None
    """p50 of an empty message through the engine and back; None when it was not measured."""
    replies_to_check: bool = False
    """The scenario asks for replies to be compared with the stage run locally."""
    stops_on_error: bool = False
    """A stage's exception ends its block."""
    drift: Mapping[str, Drift] = field(default_factory=dict)

    @property
    def scheduled(self) -> int:
        """At least 1, so that shares can be formed."""
        return max(1, self.account["scheduled"])


def reasons(facts: Facts) -> list[Reason]:
    """All reasons of one cell; it is valid when none is `invalid`."""
    if facts.cell.skipped:
        remedy = facts.cell.skipped_remedy or CODES["skipped"].remedy
        return [Reason("skipped", "invalid", facts.cell.skipped, remedy)]
    if not facts.blocks:
        return [_reason("not-measured", "no block of it was measured before the run ended")]
    return [reason for check in _CHECKS for reason in check(facts)]


def is_valid(found: Sequence[Reason]) -> bool:
    """No reason among them invalidates."""
    return all(reason.severity != "invalid" for reason in found)


def _reason(code: str, message: str, severity: Severity | None = None, remedy: str = "") -> Reason:
    return Reason(code, severity or CODES[code].severity, message, remedy or CODES[code].remedy)


def _graded(share: float) -> Severity:
    return "invalid" if share > TOLERATED else "note"


def percent(share: float) -> str:
    """0.0734 -> '7.3%', 0.0004 -> '0.04%', 0.5 -> '50%'."""
    points = 100 * share
    return f"{points:.0f}%" if points >= 10 or points == 0 else f"{points:.2g}%"


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _failures(facts: Facts) -> Iterator[Failure]:
    for block in facts.blocks:
        yield from block.failures


def _party_died(facts: Facts) -> Iterator[Reason]:
    died = [each for each in _failures(facts) if _is_death(each)]
    for party, what, remedy in dict.fromkeys((each.party, each.what, each.remedy) for each in died):
        yield _reason("party-died", f"{party} failed: {what}", remedy=remedy)


def _is_death(failure: Failure) -> bool:
    return failure.type in _DIED or not (failure.party.startswith("stage") or failure.type == _COUNTED)


def _stage_failed(facts: Facts) -> Iterator[Reason]:
    own = [each for each in _failures(facts) if each.party.startswith("stage") and not _is_death(each)]
    if own:
        count = sum(each.count for each in own)
        share = count / facts.scheduled
        text = f"the stage failed on {count} of {facts.scheduled} messages ({percent(share)})"
        text += f": {own[0].type}: {own[0].what}"
        yield _reason("stage-failed", text, _graded(share), own[0].remedy)


def _account(facts: Facts) -> Iterator[Reason]:
    if facts.open_blocks:
        numbers = ", ".join(str(index) for index in facts.open_blocks[:5])
        more = ", ..." if len(facts.open_blocks) > 5 else ""
        yield _reason(
            "account-not-closed",
            f"the messages of block {numbers}{more} do not add up: each must end in exactly one place",
        )


def _cut_short(facts: Facts, block: Block) -> bool:
    """The block ended early because a party died, or because the stage failed and was not to go on."""
    return any(
        _is_death(failure) or (facts.stops_on_error and failure.type != _COUNTED)
        for failure in block.failures
    )


def _drain(facts: Facts) -> Iterator[Reason]:
    cut = [_cut_short(facts, block) for block in facts.blocks]
    stuck = sum(not block.drained and not short for block, short in zip(facts.blocks, cut, strict=True))
    # Where a block was cut short that is the reason, and what was under way then is no second one.
    if stuck or (facts.account["pending"] and not any(cut)):
        yield _reason(
            "drain-timed-out",
            f"{facts.account['pending']} messages were unsent or unanswered when the drain of {stuck} block(s) ended",
        )


def _undelivered(facts: Facts) -> Iterator[Reason]:
    gone = {
        name: facts.account[name]
        for name in ("dropped", "rejected", "dead_lettered", "lost")
        if facts.account[name]
    }
    if not gone:
        return
    share = sum(gone.values()) / facts.scheduled
    broken = bool(facts.account["lost"]) and facts.cell.delivery != "at-most-once"
    text = ", ".join(f"{count} {name.replace('_', '-')}" for name, count in gone.items())
    promise = f"; it promises {facts.cell.delivery}" if broken else ""
    refusal = next((failure for failure in _failures(facts) if failure.type == _COUNTED), None)
    why = f": {refusal.what}" if refusal else ""
    yield _reason(
        "undelivered",
        f"{percent(share)} of the messages were not delivered ({text}){promise}{why}",
        "invalid" if broken else _graded(share),
        refusal.remedy if refusal else "",
    )


def _integrity(facts: Facts) -> Iterator[Reason]:
    if facts.account["corrupted"]:
        yield _reason("corrupted", f"{_messages(facts.account['corrupted'])} arrived with changed bytes")
    wrong, checked = (
        sum(getattr(block, name) for block in facts.blocks) for name in ("wrong_replies", "checked_replies")
    )
    if wrong:
        lossy = " (its codec is lossy)" if facts.cell.lossy else ""
        text = (
            f"{wrong} of {checked} checked replies differ from the stage run locally on the same input{lossy}"
        )
        yield _reason("wrong-replies", text, "note" if facts.cell.lossy else "invalid")
    if facts.cell.replies and facts.replies_to_check and not checked and facts.account["delivered"]:
        yield _reason(
            "replies-unchecked", "no reply was compared with the stage run locally on the same input"
        )
    if facts.account["unexpected"]:
        yield _reason(
            "unexpected-arrivals", f"{_messages(facts.account['unexpected'])} arrived that nobody had sent"
        )


def _guarantee(facts: Facts) -> Iterator[Reason]:
    if facts.account["duplicated"] and facts.cell.delivery != "at-least-once":
        text = f"{_messages(facts.account['duplicated'])} arrived twice; it promises {facts.cell.delivery}"
        yield _reason("duplicated", text)
    if facts.account["reordered"] and facts.cell.ordering == "fifo" and facts.cell.workers == 1:
        yield _reason(
            "reordered", f"{_messages(facts.account['reordered'])} came after later ones; it promises fifo"
        )


def _stamps(facts: Facts) -> Iterator[Reason]:
    if facts.measure.residual_ns:
        text = f"the phases of a message miss its latency by up to {show_us(facts.measure.residual_ns / 1e3)}"
        yield _reason("stamps-disagree", f"{text}: stamps run backwards")


def _source(facts: Facts) -> Iterator[Reason]:
    starved = sum(block.starved for block in facts.blocks)
    if starved:
        share = starved / facts.scheduled
        text = f"the source had no message ready for {starved} of {facts.scheduled} ({percent(share)})"
        yield _reason("source-too-slow", text, _graded(share))


def _offered(facts: Facts) -> Iterator[Reason]:
    pace = facts.measure.pace
    if all(block.offered_per_s is None for block in facts.blocks):
        return
    if any(_cut_short(facts, block) for block in facts.blocks):
        return
    kept = 1.0 if pace.kept is None else pace.kept
    count = facts.measure.pace.count
    slow = kept < 1 - TOLERATED
    if pace.late_share <= TOLERATED and not slow:
        return
    late_beyond_chance = bdtrc(round(pace.late_share * count) - 1, count, TOLERATED) <= _LATE_P
    severity: Severity = "invalid" if late_beyond_chance or (slow and (1 - kept) * count >= 1) else "note"
    encode, send = (show_us(facts.measure.phases[name].mean_ns / 1e3) for name in ("encode", "send"))
    late = f"{percent(pace.late_share)} of the messages left more than {show_us(LATE_NS / 1e3)} late"
    yield _reason(
        "offered-load-not-reached",
        f"{late} and {percent(min(kept, 1))} of the schedule's rate was reached; per message the producer "
        f"spent {encode} encoding and {send} in send",
        severity,
    )


def _samples(facts: Facts) -> Iterator[Reason]:
    short = [name for name, value in facts.measure.latency.quantiles_ns.items() if value is None]
    if short:
        needs = ", ".join(f"{name} (needs {minimum_samples(PERCENTILES[name])})" for name in short)
        count = facts.measure.latency.count
        severity: Severity = "invalid" if "p50" in short else "note"
        yield _reason("too-few-samples", f"{count} samples are too few for {needs}", severity)


def _few_blocks(facts: Facts) -> Iterator[Reason]:
    if len(facts.measure.blocks) < LEAST_BLOCKS and facts.measure.latency.count:
        yield _reason(
            "few-blocks",
            f"{len(facts.measure.blocks)} block(s): the interval cannot see what a fresh start would change",
        )


def _disagree(facts: Facts) -> Iterator[Reason]:
    """Analysis of variance of log piece medians: do blocks differ more than pieces of one block do?

    Medians of contiguous pieces keep most of what neighbours depend on (the method of batch means); the
    level of 1% and the least spread of 10% keep the claim conservative.
    """
    blocks = [block for block in facts.measure.blocks if block.piece_medians_ns]
    if len(blocks) < 2:
        return
    medians = [block.p50_ns for block in blocks]
    ratio = max(medians) / max(1, min(medians))
    logs = np.log(np.maximum(1, np.array([block.piece_medians_ns for block in blocks], np.float64)))
    if ratio > _DISAGREE_RATIO and _anova_p_value(logs) < _DISAGREE_P:
        low, high = show_us(min(medians) / 1e3), show_us(max(medians) / 1e3)
        yield _reason(
            "blocks-disagree", f"block medians range from {low} to {high}, more than chance explains"
        )


def _drifts(facts: Facts) -> Iterator[Reason]:
    """The cell's figures are means over something that moved: by more than a tenth, and not by chance."""
    large = {name: each for name, each in facts.drift.items() if each.clear and _large(each)}
    if large:
        told = "; ".join(in_words(name, asdict(each)) for name, each in large.items())
        yield _reason("drift", f"over the run, {told}")


def _large(found: Drift) -> bool:
    return not 1 / _DISAGREE_RATIO <= 1 + found.over_run <= _DISAGREE_RATIO


def _anova_p_value(table: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """P value of one-way analysis of variance; `table` has one row per group."""
    groups, each = table.shape
    between = each * float(np.var(table.mean(axis=1), ddof=1))
    within = float(np.mean(np.var(table, axis=1, ddof=1)))
    if within == 0:
        return 1.0 if between == 0 else 0.0
    return float(fdtrc(groups - 1, groups * (each - 1), between / within))


def _cores(facts: Facts) -> Iterator[Reason]:
    broker = any("broker" in block.usage for block in facts.blocks)
    parties = 1 + facts.cell.workers + broker
    if 0 < facts.cores < parties:
        yield _reason(
            "core-shared",
            f"{parties} parties shared {facts.cores} cores: waiting for a core is in every phase",
        )


def _floor(facts: Facts) -> Iterator[Reason]:
    p50 = facts.measure.latency.quantiles_ns["p50"]
    if p50 is not None and facts.floor_us is not None and facts.floor_us * 1e3 > 0.5 * p50:
        text = (
            f"p50 is {show_us(p50 / 1e3)}, an empty message between threads takes {show_us(facts.floor_us)}"
        )
        yield _reason("near-floor", f"{text}: much of it may be the tool's own cost")


# In the order in which a person should read them: what broke, then what was asked for, then how sure it is.
_CHECKS: Final[tuple[Callable[[Facts], Iterator[Reason]], ...]] = (
    _party_died, _stage_failed, _account, _drain, _undelivered, _integrity, _guarantee, _stamps, _source,
    _offered, _samples, _few_blocks, _disagree, _drifts, _cores, _floor,
)  # fmt: skip
