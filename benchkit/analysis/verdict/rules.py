"""The table of rules, in order of precedence: the first whose phase is the largest and whose sign holds is taken.

Each phase ends with a rule that always holds, so every cell finds one. `carrier` is the broker where the cell has
one, else the link; `waiter` is the party that has to run for the phase to end and waited longest for a core.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchkit.analysis.verdict import grade, signs
from benchkit.analysis.verdict import words as say
from benchkit.analysis.verdict.facts import Facts
from benchkit.analysis.verdict.model import Kind
from benchkit.analysis.verdict.signs import PARTIES, Sign
from benchkit.records.samples import PHASES

Sentence = Callable[[Facts, str], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table."""

    kind: Kind
    at: tuple[str, ...]
    """The largest phase, for which the rule is meant."""
    sign: Sign
    resource: str
    because: Sentence
    names: str = ""
    """What the verdict calls the bottleneck; the phase itself where this is empty, `work` is the stage's largest."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A phase that is a symptom, and the phase that it comes from."""

    symptom: str
    sign: Sign
    cause: str


_WAYS = ("send", "transit", "reply", "return")

TRACES: Final[tuple[Trace, ...]] = (
    # Messages leave late because the one before them was still being handed over.
    Trace("lateness", signs.held_in_send, "send"),
)

# fmt: off
RULES: Final[tuple[Rule, ...]] = (
    # kind                  largest phase        sign                  resource    sentence            called
    Rule("core-contention",     PHASES,            signs.no_core,        "waiter",   say.no_core),
    Rule("overload",            ("lateness",),     signs.saturated,      "stage",    say.saturated,      "work"),
    Rule("producer-bound",      ("lateness",),     signs.held_in_encode, "producer", say.encoding,       "encode"),
    Rule("producer-bound",      ("lateness",),     signs.always,         "producer", say.late,           "producer"),
    Rule("gc-bound",            ("encode",),       signs.collecting,     "producer", say.collecting),
    Rule("serialisation-bound", ("encode",),       signs.always,         "producer", say.coding),
    Rule("gc-bound",            ("decode",),       signs.collecting,     "stage",    say.collecting),
    Rule("serialisation-bound", ("decode",),       signs.always,         "stage",    say.coding),
    Rule("overload",            ("send", "queue"), signs.saturated,      "stage",    say.saturated),
    Rule("gc-bound",            ("queue",),        signs.collecting,     "stage",    say.collecting),
    Rule("overload",            ("queue",),        signs.in_flight,      "stage",    say.in_flight),
    Rule("burst-queueing",      ("queue",),        signs.bursts,         "stage",    say.bursts),
    Rule("compute-bound",       ("queue",),        signs.uneven_work,    "stage",    say.uneven_work),
    Rule("burst-queueing",      ("queue",),        signs.always,         "stage",    say.bursts),
    Rule("batching-wait",       ("batch",),        signs.always,         "stage",    say.batching),
    Rule("gc-bound",            ("compute",),      signs.collecting,     "stage",    say.collecting),
    Rule("lock-bound",          ("compute",),      signs.waits_within,   "stage",    say.waits_within),
    Rule("compute-bound",       ("compute",),      signs.always,         "stage",    say.computing),
    Rule("bandwidth-bound",     ("send", "transit"), signs.narrow_link,  "link",     say.narrow_link),
    Rule("delay-bound",         ("send", "transit", "return"), signs.far_link, "link", say.far_link),
    Rule("wake-up-bound",       _WAYS,             signs.many_wake_ups, "carrier",  say.many_wake_ups),
    Rule("client-copy-bound",   ("send",),         signs.sending_cpu,    "producer", say.sending_cpu),
    Rule("client-copy-bound",   ("transit",),      signs.receiving_cpu,  "stage",    say.receiving_cpu),
    Rule("broker-bound",        ("send", "transit", "return"), signs.broker_cpu,  "broker", say.broker_cpu),
    Rule("wake-up-bound",       _WAYS,             signs.wake_ups,       "carrier",  say.wake_ups),
    Rule("broker-bound",        ("send", "transit", "return"), signs.slow_broker, "broker", say.slow_broker),
    Rule("bandwidth-bound",     ("send", "transit"), signs.many_bytes,   "link",     say.many_bytes),
    Rule("serialisation-bound", ("reply",),        signs.always,         "stage",    say.replying),
    Rule("unclear",             ("send", "transit", "return"), signs.always,      "carrier",  say.way),
)
# fmt: on


def cause_of(facts: Facts, phase: str) -> str:
    """The phase itself, or the one that it is a symptom of."""
    if phase == "lateness" and signs.saturated(facts, phase) >= 1:
        return phase
    found = (row.cause for row in TRACES if row.symptom == phase and row.sign(facts, phase) >= 1)
    return next(found, phase)


def matching(facts: Facts, phase: str) -> tuple[Rule, float]:
    """The first rule that holds for a largest phase, and how near the decision was: 0 (a hair) to 1 (clear)."""
    clear = 1.0
    for rule in RULES:
        if phase not in rule.at:
            continue
        strength = rule.sign(facts, phase)
        clear = min(clear, abs(strength - 1.0) / grade.CLEAR)
        if strength >= 1:
            return rule, clear
    raise AssertionError(phase)  # every phase has a rule that always holds: tested


def resource_of(rule: Rule, facts: Facts, phase: str) -> str:
    """The rule's resource, its placeholders filled in."""
    if rule.resource == "carrier":
        return facts.carrier
    if rule.resource == "waiter":
        return max(PARTIES[phase], key=lambda role: signs.without_core_us(facts, role))
    return rule.resource


def called(rule: Rule, facts: Facts, phase: str) -> str:
    """What the verdict calls the bottleneck."""
    if rule.names == "work":
        return max(("decode", "compute", "reply"), key=lambda name: facts.mean_us[name])
    return rule.names or name_of(phase)


def name_of(phase: str) -> str:
    """Lateness is a symptom: what a verdict names is the producer."""
    return "producer" if phase == "lateness" else phase
