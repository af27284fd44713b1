"""What the rules say: one short sentence each, with the figures that speak for it."""

from __future__ import annotations

from benchkit.analysis.validity.facts import percent
from benchkit.analysis.verdict.facts import Facts
from benchkit.analysis.verdict.signs import PARTIES, own_sending_us, sleeps, without_core_us
from benchkit.units import show_bytes, show_us


def _of(part_us: float, phase: str, facts: Facts) -> str:
    return f"{show_us(part_us)} of {show_us(facts.mean_us[phase])}"


def no_core(facts: Facts, phase: str) -> str:
    """Core contention."""
    waits = {role: without_core_us(facts, role) for role in PARTIES[phase]}
    who = max(waits, key=lambda role: waits[role])
    return f"{who} was ready to run and had no core for {show_us(waits[who])} a message"


def saturated(facts: Facts, phase: str) -> str:
    """Overload."""
    symptom = "messages left late" if phase == "lateness" else f"messages stood in {phase}"
    return f"{symptom} while the stage worked {percent(facts.busy.stage)} of the time"


def encoding(facts: Facts, phase: str) -> str:  # noqa: ARG001  (a sentence's signature)
    """Lateness from encoding."""
    return f"messages left late: the producer encoded {percent(facts.busy.encode)} of the time"


def late(facts: Facts, phase: str) -> str:  # noqa: ARG001  (a sentence's signature)
    """Lateness that no phase explains."""
    cpu = facts.busy.producer_cpu
    busy = "" if cpu is None else f", its CPU busy {percent(cpu)} of the time"
    return f"messages left late although neither send nor the stage held the producer up{busy}"


def collecting(facts: Facts, phase: str) -> str:
    """Garbage collection."""
    who = PARTIES[phase][0]
    return f"Python's garbage collector took {show_us(facts.gc_us[who])} a message in the {who}"


def coding(facts: Facts, phase: str) -> str:
    """Serialisation."""
    per_s = facts.wire_bytes / max(1e-9, facts.mean_us[phase]) * 1e6
    return f"{phase} makes {show_bytes(per_s)}/s of {show_bytes(facts.wire_bytes)} on the wire"


def in_flight(facts: Facts, phase: str) -> str:  # noqa: ARG001  (a sentence's signature)
    """Queueing in a closed loop."""
    busy = percent(facts.busy.stage)
    return f"a closed loop keeps more in flight than the stage takes, which worked {busy} of the time"


def bursts(facts: Facts, phase: str) -> str:  # noqa: ARG001  (a sentence's signature)
    """Queueing at a low mean load."""
    cv = (
        ""
        if facts.arrivals_cv is None
        else f", gaps between arrivals vary by {facts.arrivals_cv:.1f} of their mean"
    )
    return f"messages wait though the stage works only {percent(facts.busy.stage)} of the time{cv}"


def uneven_work(facts: Facts, phase: str) -> str:  # noqa: ARG001  (a sentence's signature)
    """Queueing behind slow messages."""
    return (
        f"messages wait behind slow ones: the stage's time varies by {facts.service_cv or 0.0:.1f} of its mean, "
        f"at {percent(facts.busy.stage)} load"
    )


def batching(facts: Facts, phase: str) -> str:
    """Batching."""
    return f"messages wait {show_us(facts.mean_us[phase])} for a batch of up to {facts.batch_size} to fill"


def waits_within(facts: Facts, phase: str) -> str:
    """A lock, a device, a server."""
    cpu = show_us(facts.cpu_us.get("stage"))
    return f"{phase} waits instead of computing (a lock, a device, a server): the stage's whole CPU is {cpu} a message"


def computing(facts: Facts, phase: str) -> str:  # noqa: ARG001  (a sentence's signature)
    """Compute."""
    per_s = 1e6 / facts.stage_work_us if facts.stage_work_us > 0 else 0.0
    return f"the stage works {show_us(facts.stage_work_us)} a message: at most {per_s:.0f}/s a worker"


def sending_cpu(facts: Facts, phase: str) -> str:
    """The client copies on the way out."""
    own_us = min(own_sending_us(facts), facts.mean_us[phase])
    return f"the client's own CPU in the producer is {_of(own_us, phase, facts)}{_floor(facts)}"


def receiving_cpu(facts: Facts, phase: str) -> str:
    """The client copies on the way in."""
    own = facts.cpu_us.get("stage", 0.0) - facts.stage_work_us - facts.integrity_us
    return f"the client's own CPU in the stage is {_of(min(own, facts.mean_us[phase]), phase, facts)}{_floor(facts)}"


def _floor(facts: Facts) -> str:
    if facts.floor_one_way_us is None:
        return ""
    return f"; by hand the same bytes take {show_us(facts.floor_one_way_us)}"


def broker_cpu(facts: Facts, phase: str) -> str:
    """A busy broker."""
    took = show_us(facts.mean_us[phase])
    return f"the broker's CPU is {show_us(facts.cpu_us.get('broker'))} a message; {phase} takes {took}"


def slow_broker(facts: Facts, phase: str) -> str:
    """A broker that is slow without being busy."""
    return (
        f"{phase} takes {show_us(facts.mean_us[phase])} for {show_bytes(facts.wire_bytes)}: too long for wake-ups, "
        "too few bytes for the link"
    )


def wake_ups(facts: Facts, phase: str) -> str:
    """Waking."""
    took, times = show_us(facts.mean_us[phase]), facts.mean_us[phase] / (facts.wake_us or 1.0)
    return f"{show_bytes(facts.wire_bytes)} in {took}: {times:.1f} wake-ups of a sleeping process"


def many_wake_ups(facts: Facts, phase: str) -> str:
    """Waking again and again."""
    who, took = PARTIES[phase][0], show_us(facts.mean_us[phase])
    return f"the {who} slept {sleeps(facts, phase):.0f} times a message and was woken; {phase} takes {took}"


def narrow_link(facts: Facts, phase: str) -> str:  # noqa: ARG001  (a sentence's signature)
    """A link that limits a rate."""
    took, busy = show_us(facts.link.transmission_us), percent(facts.link.busy_share)
    return f"{show_bytes(facts.wire_bytes)} take {took} at the link's rate, which was busy {busy} of the time"


def far_link(facts: Facts, phase: str) -> str:
    """A link that delays."""
    there, back = show_us(facts.link.delay_us), show_us(facts.link.back_us)
    return f"the link delays by {there} on the way there and {back} back; {phase} takes {show_us(facts.mean_us[phase])}"


def many_bytes(facts: Facts, phase: str) -> str:
    """Bandwidth."""
    per_s = facts.wire_bytes / max(1e-9, facts.mean_us[phase]) * 1e6
    return f"{show_bytes(facts.wire_bytes)} in {show_us(facts.mean_us[phase])} are {show_bytes(per_s)}/s{_floor(facts)}"


def replying(facts: Facts, phase: str) -> str:
    """Encoding and handing over the reply."""
    return f"encoding and handing over the reply takes {show_us(facts.mean_us[phase])}"


def way(facts: Facts, phase: str) -> str:
    """What is left of a way."""
    wake = "" if not facts.wake_us else f", {facts.mean_us[phase] / facts.wake_us:.0f} times a wake-up"
    took = f"{phase} takes {show_us(facts.mean_us[phase])} for {show_bytes(facts.wire_bytes)}{wake}"
    return f"{took}; no CPU, no bytes and no waiting for a core explain it"
