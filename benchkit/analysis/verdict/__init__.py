"""The verdict of a cell: which phase holds the time, whose it is, of what kind, and what speaks for it.

What is asked is where the mean latency goes, and what would have to change for it to shrink.

* The phases add up to the latency, so the largest part is known. It is a bottleneck where it reaches the limit
  (`grade.DOMINATES`). A stage that computes for most of the latency of an idle pipeline is compute-bound, and
  rightly so: nothing else can make that pipeline faster. "Healthy" is no grade of speed. It means that there is
  no single thing to attack.
* So `none` is said where no phase reaches the limit, and where the latency is so near that of an empty message
  through the engine and back that what is left belongs to the tool (`FLOOR_TIMES`).
* Waiting for cores may be spread over all phases: it is found by the kernel's account, also where no phase
  reaches the limit or none leads.
* `unclear`, in words "no single bottleneck", is said where two phases that have nothing to do with each other
  reach the limit and neither leads, or where blocks do not agree on the largest. Both name `none` as phase.
* Why the phase is large is decided by a table (`rules.RULES`): signs (`signs`) such as CPU per message beside the
  phase's duration, waiting for a core, bytes against the floor beneath, the unevenness of arrivals. Lateness and
  queueing are symptoms: the table names what they come from. What the record does not know (a kernel without
  the accounts, floors not measured) speaks for nothing; the kind is then the plainest of its phase.
* `resource` is whose time it is: `producer` and `stage` where their CPU or their waiting fills the phase,
  `broker`, or `link` for the way between them. A party that waits for a core is named itself; the kind says
  core-contention.

Which of this holds is measured: `benchkit selftest --truth` plants bottlenecks and counts.
"""

from __future__ import annotations

from typing import Final

from benchkit.analysis.validity.facts import percent
from benchkit.analysis.verdict import grade, signs
from benchkit.analysis.verdict.busy import Busy, busy
from benchkit.analysis.verdict.facts import Facts, gather
from benchkit.analysis.verdict.model import KINDS, NONE, Kind, Verdict
from benchkit.analysis.verdict.rules import called, cause_of, matching, name_of, resource_of
from benchkit.analysis.verdict.signs import PARTIES
from benchkit.records.samples import PHASES
from benchkit.units import show_us
from benchkit.words import named, say

__all__ = ["KINDS", "NONE", "OWNER", "Busy", "Facts", "Kind", "Verdict", "busy", "gather", "verdict"]

FLOOR_TIMES: Final = 2.0
"""Below so many times an empty message's latency most of a latency is the tool's own; as the note `near-floor`."""
_LEAD: Final = 0.04
_AGREE: Final = 0.5

OWNER: Final = {
    "lateness": "producer", "encode": "producer", "send": "carrier", "transit": "carrier", "reply": "carrier",
    "return": "carrier", "queue": "stage", "decode": "stage", "batch": "stage", "compute": "stage",
}  # fmt: skip
"""Whose a phase is as long as nothing more is known of it; `carrier` is the broker, else the link."""


def verdict(facts: Facts) -> Verdict:
    """The verdict of a valid cell; of one without a message, NONE."""
    if facts.latency_us <= 0:
        return NONE
    first, second = sorted(PHASES, key=lambda phase: -facts.share(phase))[:2]
    evidence = [_largest(facts, first, second)]
    if at_floor(facts):
        return _at_floor(facts, first, evidence)
    if facts.share(first) < grade.DOMINATES:
        return _crowded(facts, evidence) if signs.crowded(facts) >= 1 else _below(facts, first, evidence)
    agreed = grade.agreement(facts, first)
    if len(facts.block_means_us) > 1:
        evidence.append(
            say(
                "{first} is the largest in {agreed} of {count} blocks",
                first=named(first),
                agreed=percent(agreed),
                count=len(facts.block_means_us),
            )
        )
    if facts.share(first) - grade.rival(facts, first) < _LEAD or agreed < _AGREE:
        if signs.crowded(facts) >= 1:
            return _crowded(facts, evidence)
        return _unclear(facts, first, second, evidence)
    return _named(facts, first, evidence)


def _largest(facts: Facts, first: str, second: str) -> str:
    whole = say(
        "{mean_us} of {latency_us}",
        mean_us=show_us(facts.mean_us[first]),
        latency_us=show_us(facts.latency_us),
    )
    next_ = say("next is {second} with {share}", second=named(second), share=percent(facts.share(second)))
    return say(
        "{first} is {share} of the mean latency, {whole}; {next}",
        first=named(first),
        share=percent(facts.share(first)),
        whole=whole,
        next=next_,
    )


def _at_floor(facts: Facts, first: str, evidence: list[str]) -> Verdict:
    """The figure is the tool's own, and so is what little is left beneath it."""
    why = say(
        "p50 {p50_us} is the tool's own: an empty message takes {null_us}",
        p50_us=show_us(facts.p50_us),
        null_us=show_us(facts.null_us),
    )
    sure = 0.9 * grade.clear_below((facts.p50_us or 0.0) / (FLOOR_TIMES * (facts.null_us or 1.0)))
    return _none(facts, first, [*evidence, why], say("no bottleneck: {why}", why=why), sure)


def _below(facts: Facts, first: str, evidence: list[str]) -> Verdict:
    """No phase reaches the limit."""
    why = say("no phase reaches {limit} of the mean latency", limit=percent(grade.DOMINATES))
    line = say(
        "no bottleneck: {why}, the largest is {first} with {share}",
        why=why,
        first=named(first),
        share=percent(facts.share(first)),
    )
    # It was near to being called contention: half a grade less where it was a hair.
    clear = grade.clear_below(signs.crowded(facts))
    return _none(facts, first, [*evidence, why], line, grade.of_none(facts, first) * clear)


def _unclear(facts: Facts, first: str, second: str, evidence: list[str]) -> Verdict:
    line = say(
        "no single bottleneck: {first} {share} and {second} {share2}",
        first=named(first),
        share=percent(facts.share(first)),
        second=named(second),
        share2=percent(facts.share(second)),
    )
    return Verdict("none", "none", facts.share(first), evidence, 0.0, "unclear", line)


def _named(facts: Facts, first: str, evidence: list[str]) -> Verdict:
    phase = cause_of(facts, first)
    rule, clear = matching(facts, phase)
    called_, resource = called(rule, facts, phase), resource_of(rule, facts, phase)
    why = rule.because(facts, phase)
    if phase != first:
        why = say("{first} comes from {phase}: {why}", first=named(first), phase=named(phase), why=why)
    share = facts.share(first)
    whose, resource = staged(facts, resource)
    line = say(
        "{kind} ({called}, {resource}): {share} of the latency is {first}; {why}",
        kind=named(rule.kind),
        called=in_hop(called_, whose),
        resource=named(resource),
        share=percent(share),
        first=named(first),
        why=why,
    )
    confidence = grade.of_phase(facts, first, clear)
    return Verdict(
        called_, resource, share, [*evidence[:1], why, *evidence[1:]], confidence, rule.kind, line, whose
    )


def staged(facts: Facts, resource: str) -> tuple[str, str]:
    """Which stage of a pipeline has the resource, and what it is then: a stage's producer is the stage before it."""
    if not facts.stage or resource != "producer":
        return facts.stage, resource
    return facts.fed_by, "stage" if facts.fed_by else resource


def in_hop(called_: str, stage: str) -> str:
    """What the verdict calls the bottleneck, with the stage where there are several."""
    if not stage:
        return named(called_)
    return say("{called} of `{stage}`", called=named(called_), stage=stage)


def _crowded(facts: Facts, evidence: list[str]) -> Verdict:
    """Waiting for cores is in every phase: the largest of those that the party which waits most has to end."""
    who = max(facts.waiting_us, key=lambda role: signs.without_core_us(facts, role))
    phase = max((each for each in PHASES if who in PARTIES[each]), key=facts.share)
    why = say(
        "{who} was ready to run and had no core for {without_core_us} a message",
        who=named(who),
        without_core_us=show_us(signs.without_core_us(facts, who)),
    )
    line = say(
        "{kind} ({called}, {who}): no phase stands out; {why}",
        kind=named("core-contention"),
        called=named(name_of(phase)),
        who=named(who),
        why=why,
    )
    confidence = min(1.0, signs.crowded(facts) - 0.5)
    whose, who = staged(facts, who)
    return Verdict(
        name_of(phase), who, facts.share(phase), [*evidence, why], confidence, "core-contention", line, whose
    )


def at_floor(facts: Facts) -> bool:
    """Most of the latency is what an empty message costs as well."""
    p50, null = facts.p50_us, facts.null_us
    return p50 is not None and bool(null) and p50 < FLOOR_TIMES * (null or 0.0)


def _none(facts: Facts, first: str, evidence: list[str], line: str, confidence: float) -> Verdict:
    return Verdict("none", "none", facts.share(first), evidence, confidence, "none", line)
