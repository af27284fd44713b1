"""What became of the messages: the account, their bytes, their order, their stamps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchkit.analysis.link import packets_lost
from benchkit.analysis.traffic import REFUSED, shed
from benchkit.analysis.validity.facts import Facts, Reason, blocks_named, graded, messages, percent, reason
from benchkit.analysis.validity.parties import COUNTED, cut_short, failures
from benchkit.units import show_us
from benchkit.words import named, say

_MAY_LOSE: Final = frozenset({"at-most-once", "unknown"})
_MAY_REPEAT: Final = frozenset({"at-least-once", "unknown"})


def account(facts: Facts) -> Iterator[Reason]:
    """Each message ended in exactly one place."""
    if facts.open_blocks:
        yield reason(
            "account-not-closed",
            say(
                "the messages of {which} do not add up: each must end in exactly one place",
                which=blocks_named(facts.open_blocks),
            ),
        )


def drain(facts: Facts) -> Iterator[Reason]:
    """Nothing was under way when the blocks ended."""
    cut = [cut_short(facts, block) for block in facts.blocks]
    stuck = sum(not block.drained and not short for block, short in zip(facts.blocks, cut, strict=True))
    # Where a block was cut short that is the reason, and what was under way then is no second one.
    if stuck or (facts.account["pending"] and not any(cut)):
        yield reason(
            "drain-timed-out",
            say(
                "{pending} messages were unsent or unanswered when the drain of {stuck} block(s) ended",
                pending=facts.account["pending"],
                stuck=stuck,
            ),
        )


def undelivered(facts: Facts) -> Iterator[Reason]:
    """No message was lost on the way, or few enough where that is allowed.

    What a link took away because it was asked to is what was to be measured: each lost message needs a lost datagram.
    """
    found = {name: facts.account[name] for name in ("dropped", "rejected", "dead_lettered", "lost")}
    asked = shed(facts.cell, facts.blocks)
    found["rejected"] -= asked.pop(REFUSED, 0)
    found["dropped"] -= sum(asked.values())
    gone = {name: count for name, count in found.items() if count > 0}
    if not gone:
        return
    by_link = min(gone.get("lost", 0), packets_lost(facts.cell, facts.blocks))
    share = sum(gone.values()) / facts.scheduled
    broken = bool(facts.account["lost"]) and facts.cell.delivery not in _MAY_LOSE
    text = ", ".join(f"{count} {named(name.replace('_', '-'))}" for name, count in gone.items())
    promise = say("; it promises {delivery}", delivery=facts.cell.delivery) if broken else ""
    refusal = next((failure for failure in failures(facts) if failure.type == COUNTED), None)
    why = f": {refusal.what}" if refusal else ""
    if by_link:
        why += say("; the link lost datagrams, as it was asked to")
    yield reason(
        "undelivered",
        say(
            "{share} of the messages were not delivered ({text}){promise}{why}",
            share=percent(share),
            text=text,
            promise=promise,
            why=why,
        ),
        "invalid" if broken else graded(share - by_link / facts.scheduled),
        refusal.remedy if refusal else "",
    )


def traffic(facts: Facts) -> Iterator[Reason]:
    """What was dropped because the scenario asks for it is told, and is no fault."""
    asked = shed(facts.cell, facts.blocks)
    if asked:
        text = ", ".join(f"{count} {name}" for name, count in asked.items())
        yield reason(
            "dropped-on-purpose",
            say(
                "{share} of the messages were dropped or refused as the scenario asks ({text})",
                share=percent(sum(asked.values()) / facts.scheduled),
                text=text,
            ),
        )


def integrity(facts: Facts) -> Iterator[Reason]:
    """Bytes arrived unchanged, replies are what they must be, nothing came that nobody sent."""
    if facts.account["corrupted"]:
        yield reason(
            "corrupted",
            say("{messages} arrived with changed bytes", messages=messages(facts.account["corrupted"])),
        )
    wrong, checked = (
        sum(getattr(block, name) for block in facts.blocks) for name in ("wrong_replies", "checked_replies")
    )
    if wrong:
        lossy = say(" (its codec is lossy)") if facts.cell.lossy else ""
        text = say(
            "{wrong} of {checked} checked replies differ from the stage run locally on the same input{lossy}",
            wrong=wrong,
            checked=checked,
            lossy=lossy,
        )
        yield reason("wrong-replies", text, "note" if facts.cell.lossy else "invalid")
    if facts.cell.replies and facts.replies_to_check and not checked and facts.account["delivered"]:
        yield reason(
            "replies-unchecked", say("no reply was compared with the stage run locally on the same input")
        )
    if facts.account["unexpected"]:
        yield reason(
            "unexpected-arrivals",
            say("{messages} arrived that nobody had sent", messages=messages(facts.account["unexpected"])),
        )


def guarantee(facts: Facts) -> Iterator[Reason]:
    """Nothing came twice or out of order where the transport promises that it does not."""
    if facts.account["duplicated"] and facts.cell.delivery not in _MAY_REPEAT:
        text = say(
            "{messages} arrived twice; it promises {delivery}",
            messages=messages(facts.account["duplicated"]),
            delivery=facts.cell.delivery,
        )
        yield reason("duplicated", text)
    if facts.account["reordered"] and facts.cell.ordering == "fifo" and facts.cell.most_workers == 1:
        yield reason(
            "reordered",
            say(
                "{messages} came after later ones; it promises fifo",
                messages=messages(facts.account["reordered"]),
            ),
        )


def stamps(facts: Facts) -> Iterator[Reason]:
    """The phases add up to the latency."""
    if facts.measure.residual_ns:
        text = say(
            "the phases of a message miss its latency by up to {residual_ns}",
            residual_ns=show_us(facts.measure.residual_ns / 1e3),
        )
        yield reason("stamps-disagree", say("{text}: stamps run backwards", text=text))


def little(facts: Facts) -> Iterator[Reason]:
    """Throughput and number in the system as they were counted agree with the stamps; see `analysis.little`."""
    found = facts.little.violated if facts.little else ()
    if not found:
        return
    worst = max(found, key=lambda each: max(abs(each.in_system - 1), abs(each.throughput - 1)))
    if abs(worst.in_system - 1) >= abs(worst.throughput - 1):
        seen, stamped = (
            value / max(1, worst.sends) for value in (worst.in_flight_counted, worst.in_flight_stamped)
        )
        text = say(
            "the producer counted {seen:.3g} messages under way on average, by the stamps there were "
            "{stamped:.3g}",
            seen=seen,
            stamped=stamped,
        )
    else:
        text = say(
            "the workers counted {messages}, {stamped} have their stamps",
            messages=messages(worst.counted),
            stamped=worst.stamped,
        )
    yield reason(
        "little-violated",
        say("in {which} {text}", which=blocks_named([each.block for each in found]), text=text),
    )


def foreign(facts: Facts) -> Iterator[Reason]:
    """Nobody else asked the stage for anything."""
    count = sum(block.foreign for block in facts.blocks)
    if count:
        yield reason(
            "foreign-requests",
            say("the stage answered {messages} of other clients meanwhile", messages=messages(count)),
        )
