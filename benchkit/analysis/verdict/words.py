"""What the rules say: one short sentence each, with the figures that speak for it."""

from __future__ import annotations

from benchkit.analysis.validity.facts import percent
from benchkit.analysis.verdict.facts import Facts
from benchkit.analysis.verdict.signs import PARTIES, own_sending_us, sleeps, without_core_us
from benchkit.units import show_bytes, show_us
from benchkit.words import named, say


def _of(part_us: float, phase: str, facts: Facts) -> str:
    return say("{part_us} of {mean_us}", part_us=show_us(part_us), mean_us=show_us(facts.mean_us[phase]))


def no_core(facts: Facts, phase: str) -> str:
    """Core contention."""
    waits = {role: without_core_us(facts, role) for role in PARTIES[phase]}
    who = max(waits, key=lambda role: waits[role])
    return say(
        "{who} was ready to run and had no core for {waits} a message",
        who=named(who),
        waits=show_us(waits[who]),
    )


def saturated(facts: Facts, phase: str) -> str:
    """Overload."""
    symptom = (
        say("messages left late")
        if phase == "lateness"
        else say("messages stood in {phase}", phase=named(phase))
    )
    return say(
        "{symptom} while the stage worked {stage} of the time",
        symptom=symptom,
        stage=percent(facts.busy.stage),
    )


def encoding(facts: Facts, phase: str) -> str:
    """Lateness from encoding."""
    return say(
        "messages left late: the producer encoded {encode} of the time", encode=percent(facts.busy.encode)
    )


def late(facts: Facts, phase: str) -> str:
    """Lateness that no phase explains, but maybe a limit that was asked for."""
    if facts.held_back_by:
        return say("messages waited in the producer's own queue: {limits}", limits=facts.held_back_by)
    cpu = facts.busy.producer_cpu
    busy = "" if cpu is None else say(", its CPU busy {cpu} of the time", cpu=percent(cpu))
    return say("messages left late although neither send nor the stage held the producer up{busy}", busy=busy)


def collecting(facts: Facts, phase: str) -> str:
    """Garbage collection."""
    who = PARTIES[phase][0]
    return say(
        "Python's garbage collector took {gc_us} a message in the {who}",
        gc_us=show_us(facts.gc_us[who]),
        who=named(who),
    )


def coding(facts: Facts, phase: str) -> str:
    """Serialisation."""
    per_s = facts.wire_bytes / max(1e-9, facts.mean_us[phase]) * 1e6
    return say(
        "{phase} makes {per_s}/s of {wire_bytes} on the wire",
        phase=named(phase),
        per_s=show_bytes(per_s),
        wire_bytes=show_bytes(facts.wire_bytes),
    )


def in_flight(facts: Facts, phase: str) -> str:
    """Queueing in a closed loop."""
    busy = percent(facts.busy.stage)
    return say(
        "a closed loop keeps more in flight than the stage takes, which worked {busy} of the time", busy=busy
    )


def bursts(facts: Facts, phase: str) -> str:
    """Queueing at a low mean load."""
    cv = (
        ""
        if facts.arrivals_cv is None
        else say(
            ", gaps between arrivals vary by {arrivals_cv:.1f} of their mean", arrivals_cv=facts.arrivals_cv
        )
    )
    return say(
        "messages wait though the stage works only {stage} of the time{cv}",
        stage=percent(facts.busy.stage),
        cv=cv,
    )


def uneven_work(facts: Facts, phase: str) -> str:
    """Queueing behind slow messages."""
    return say(
        "messages wait behind slow ones: the stage's time varies by {service_cv:.1f} of its mean, "
        "at {stage} load",
        service_cv=facts.service_cv or 0.0,
        stage=percent(facts.busy.stage),
    )


def batching(facts: Facts, phase: str) -> str:
    """Batching."""
    return say(
        "messages wait {mean_us} for a batch of up to {batch_size} to fill",
        mean_us=show_us(facts.mean_us[phase]),
        batch_size=facts.batch_size,
    )


def waits_within(facts: Facts, phase: str) -> str:
    """A lock, a device, a server."""
    cpu = show_us(facts.cpu_us.get("stage"))
    return say(
        "{phase} waits instead of computing (a lock, a device, a server): the stage's whole CPU is "
        "{cpu} a message",
        phase=named(phase),
        cpu=cpu,
    )


def computing(facts: Facts, phase: str) -> str:
    """Compute."""
    per_s = 1e6 / facts.stage_work_us if facts.stage_work_us > 0 else 0.0
    return say(
        "the stage works {stage_work_us} a message: at most {per_s:.0f}/s a worker",
        stage_work_us=show_us(facts.stage_work_us),
        per_s=per_s,
    )


def sending_cpu(facts: Facts, phase: str) -> str:
    """The client copies on the way out."""
    own_us = min(own_sending_us(facts), facts.mean_us[phase])
    return say(
        "the client's own CPU in the producer is {of}{floor}",
        of=_of(own_us, phase, facts),
        floor=_floor(facts),
    )


def receiving_cpu(facts: Facts, phase: str) -> str:
    """The client copies on the way in."""
    own = facts.cpu_us.get("stage", 0.0) - facts.stage_work_us - facts.integrity_us
    return say(
        "the client's own CPU in the stage is {of}{floor}",
        of=_of(min(own, facts.mean_us[phase]), phase, facts),
        floor=_floor(facts),
    )


def _floor(facts: Facts) -> str:
    if facts.floor_one_way_us is None:
        return ""
    return say(
        "; by hand the same bytes take {floor_one_way_us}", floor_one_way_us=show_us(facts.floor_one_way_us)
    )


def broker_cpu(facts: Facts, phase: str) -> str:
    """A busy broker."""
    took = show_us(facts.mean_us[phase])
    return say(
        "the broker's CPU is {broker} a message; {phase} takes {took}",
        broker=show_us(facts.cpu_us.get("broker")),
        phase=named(phase),
        took=took,
    )


def slow_broker(facts: Facts, phase: str) -> str:
    """A broker that is slow without being busy."""
    return say(
        "{phase} takes {mean_us} for {wire_bytes}: too long for wake-ups, too few bytes for the link",
        phase=named(phase),
        mean_us=show_us(facts.mean_us[phase]),
        wire_bytes=show_bytes(facts.wire_bytes),
    )


def wake_ups(facts: Facts, phase: str) -> str:
    """Waking."""
    took, times = show_us(facts.mean_us[phase]), facts.mean_us[phase] / (facts.wake_us or 1.0)
    return say(
        "{wire_bytes} in {took}: {times:.1f} wake-ups of a sleeping process",
        wire_bytes=show_bytes(facts.wire_bytes),
        took=took,
        times=times,
    )


def many_wake_ups(facts: Facts, phase: str) -> str:
    """Waking again and again."""
    who, took = PARTIES[phase][0], show_us(facts.mean_us[phase])
    return say(
        "the {who} slept {sleeps:.0f} times a message and was woken; {phase} takes {took}",
        who=named(who),
        sleeps=sleeps(facts, phase),
        phase=named(phase),
        took=took,
    )


def narrow_link(facts: Facts, phase: str) -> str:
    """A link that limits a rate."""
    took, busy = show_us(facts.link.transmission_us), percent(facts.link.busy_share)
    return say(
        "{wire} take {took} at the link's rate, which was busy {busy} of the time",
        wire=show_bytes(facts.wire_bytes), took=took, busy=busy,
    )  # fmt: skip


def far_link(facts: Facts, phase: str) -> str:
    """A link that delays."""
    there, back = show_us(facts.link.delay_us), show_us(facts.link.back_us)
    return say(
        "the link delays by {there} on the way there and {back} back; {phase} takes {took}",
        there=there, back=back, phase=named(phase), took=show_us(facts.mean_us[phase]),
    )  # fmt: skip


def many_bytes(facts: Facts, phase: str) -> str:
    """Bandwidth."""
    per_s = facts.wire_bytes / max(1e-9, facts.mean_us[phase]) * 1e6
    return say(
        "{wire_bytes} in {mean_us} are {per_s}/s{floor}",
        wire_bytes=show_bytes(facts.wire_bytes),
        mean_us=show_us(facts.mean_us[phase]),
        per_s=show_bytes(per_s),
        floor=_floor(facts),
    )


def replying(facts: Facts, phase: str) -> str:
    """Encoding and handing over the reply."""
    return say("encoding and handing over the reply takes {mean_us}", mean_us=show_us(facts.mean_us[phase]))


def way(facts: Facts, phase: str) -> str:
    """What is left of a way."""
    wake = (
        ""
        if not facts.wake_us
        else say(", {mean_us:.0f} times a wake-up", mean_us=facts.mean_us[phase] / facts.wake_us)
    )
    took = say(
        "{phase} takes {mean_us} for {wire_bytes}{wake}",
        phase=named(phase),
        mean_us=show_us(facts.mean_us[phase]),
        wire_bytes=show_bytes(facts.wire_bytes),
        wake=wake,
    )
    return say("{took}; no CPU, no bytes and no waiting for a core explain it", took=took)
