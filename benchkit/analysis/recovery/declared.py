"""What a transport declares, as sums that a trial's account must keep.

| declared | lost | duplicated |
|---|---|---|
| at-least-once | nothing | anything |
| exactly-once-observed | nothing | nothing |
| at-most-once | only what was under way while the fault was on | nothing |

A guarantee says what happens when a worker dies before its acknowledgement. What a fault takes away together with
the memory that held it (the broker's where the durability is `memory`, an end's own where it is `process`, everybody's
where a broker comes back without its data) is no breach of it, as long as it is no more than what was under way: such
a loss is told, with its reason, and is what the durability declares. A stopped process keeps its memory, and a killed
one keeps its files: the kernel writes them. Whatever is declared, nothing may arrive that nobody sent, that was
refused, or that is torn; order is kept where `fifo` is declared; and the account closes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchkit.analysis.recovery.account import Accounted
from benchkit.records.faults import Trial
from benchkit.words import say, word

AT_MOST_ONCE: Final = "at-most-once"
_MAY_REPEAT: Final = "at-least-once"
_CAUGHT_BY: Final[Mapping[str, tuple[str, str]]] = {
    "memory": ("broker", word("the broker's memory held them, and it died with it")),
    "process": ("", word("a process held them in its own memory, and died with them")),
}
"""By durability: whose death takes messages along ("": any), and why that is no breach."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether a trial kept what its transport declares."""

    held: bool | None
    """None: messages are missing and the drain did not end, or nothing was declared."""
    breaches: tuple[str, ...] = ()
    """In words."""
    allowed: str = ""
    """Why messages may be lost here; empty where none may."""


def judged(trial: Trial, account: Accounted) -> Judged:
    """What is declared, beside what the account says."""
    delivery = trial.capabilities.get("delivery", "")
    allowed = _allowed(trial, delivery)
    breaches = tuple(_breaches(trial, account, delivery, allowed=bool(allowed)))
    if breaches:
        return Judged(False, breaches, allowed)
    open_ = account.unknown > 0 or (delivery != _MAY_REPEAT and not trial.drained)
    return Judged(None if open_ or not delivery else True, (), allowed)


def _allowed(trial: Trial, delivery: str) -> str:
    if trial.control:
        return ""
    if delivery == AT_MOST_ONCE:
        return say("at-most-once: what is under way may be lost")
    if any(_wiped(each) for each in parts(trial.fault)):
        return say("the broker came back without its data")
    party, why = _CAUGHT_BY.get(trial.capabilities.get("durability", ""), ("none", ""))
    if any(str(death["party"]).startswith(party) for death in trial.deaths):
        return say(why)
    return ""


def parts(fault: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A fault, or those that are combined in it."""
    inner = fault.get("faults")
    if isinstance(inner, (list, tuple)):
        for each in inner:
            if isinstance(each, Mapping):
                yield from parts(each)
    elif fault:
        yield fault


def _wiped(fault: Mapping[str, Any]) -> bool:
    return fault.get("keep_data") is False


def _breaches(trial: Trial, account: Accounted, delivery: str, *, allowed: bool) -> Iterator[str]:
    gone = account.stray if allowed else account.lost
    if gone and allowed:
        yield say("acknowledged and lost out of the fault's reach: {count}", count=gone)
    elif gone:
        yield say("acknowledged and lost: {count}", count=gone)
    if account.duplicated and delivery in (AT_MOST_ONCE, "exactly-once-observed"):
        yield say("delivered once too often: {count}", count=account.duplicated)
    if account.unexpected:
        yield say("arrived and never sent: {count}", count=account.unexpected)
    if account.torn:
        yield say("arrived torn: {count}", count=account.torn)
    if account.disowned:
        yield say("refused and delivered all the same: {count}", count=account.disowned)
    if account.overtaken and trial.capabilities.get("ordering") == "fifo":
        yield say("overtaken by later ones: {count}", count=account.overtaken)
    if account.contradictions:
        yield say("the account does not close, contradictions: {count}", count=account.contradictions)
