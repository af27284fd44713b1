"""Signs by which the rules tell causes apart: each is a number over its threshold, so that 1 or more means yes.

A sign that cannot be seen (the kernel did not say, no floor was measured) is 0: what is unknown speaks for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from benchkit.analysis.verdict.facts import Facts
from benchkit.records.samples import PHASES

Sign = Callable[[Facts, str], float]
"""Of a cell and the phase in question."""

EXPLAINS: Final = 0.4
"""A cost explains a phase when it is this part of it: what is left is then spread over everything else."""
CROWDED: Final = 0.3
"""Waiting for cores is a cause as a phase is one: from the share on that makes a phase a bottleneck."""
BUSY: Final = 0.85
HELD: Final = 0.5
"""Of the time, in one phase: what holds a producer up."""
IDLE_CPU: Final = 0.5
"""Work whose CPU is below this part of its duration waits for something."""
LARGE_BYTES: Final = 65536
"""From here on moving bytes costs more than waking who waits for them."""
ABOVE_FLOOR: Final = 2.0
"""Times what the same bytes take by hand over the same path."""
WAKES: Final = 6.0
"""A way of a message that is nothing but wake-ups takes at most so many: two parties and a broker sleep, and a
wake-up on an idle core takes longer than one of a core that was just used."""
BURSTY: Final = 1.2
"""Coefficient of variation of the gaps between arrivals; independent arrivals (Poisson) have 1."""
MANY_SLEEPS: Final = 8.0
"""Times a message; who waits for one message, a reply and a lock sleeps less often."""
WAKING: Final = 0.25
"""As EXPLAINS, of wake-ups counted alone: what is done between two of them belongs to them as well."""
SLEEPS: Final = 0.5
"""Times a message that a stage gives up its core within its work."""

PARTIES: Final[Mapping[str, tuple[str, ...]]] = {
    "lateness": ("producer",), "encode": ("producer",), "send": ("producer",), "queue": ("stage",),
    "transit": ("stage", "broker"), "decode": ("stage",), "batch": ("stage",), "compute": ("stage",),
    "reply": ("stage",), "return": ("producer", "broker"),
}  # fmt: skip
"""Who has to run for a phase to end."""
CODING: Final = frozenset({"encode", "decode"})


def _over(value: float, threshold: float) -> float:
    return value / threshold if threshold > 0 else 0.0


def always(facts: Facts, phase: str) -> float:
    """The last rule of a phase."""
    return 2.0


def no_core(facts: Facts, phase: str) -> float:
    """Who has to run waits for a core, for a good part of the phase; a queue is made of the stage's work."""
    if phase == "queue":
        return _over(
            without_core_us(facts, "stage"), EXPLAINS * (facts.stage_work_us + facts.mean_us["transit"])
        )
    waited = sum(waited_in_us(facts, role, phase) for role in PARTIES[phase])
    return _over(waited, EXPLAINS * facts.mean_us[phase])


def crowded(facts: Facts) -> float:
    """All parties together waited for cores for a good part of the latency, in whichever phases.

    Queueing is left out: it consists of the work for other messages and of the waits within that.
    """
    waited = sum(waited_under_way_us(facts, role) for role in facts.waiting_us)
    own_us = facts.latency_us - facts.mean_us["queue"] - facts.mean_us["lateness"]
    return _over(waited, CROWDED * own_us)


def waited_in_us(facts: Facts, role: str, phase: str) -> float:
    """Of a party's waiting for a core, what fell into a phase.

    When it waited nobody saw. It is spread over the phases that it ends by their length; but coding never sleeps, so
    what is longer than all the CPU time that the party used is waiting.
    """
    took = facts.mean_us[phase]
    waited = waited_under_way_us(facts, role)
    spread = waited * _over(took, _ended_us(facts, role))
    least = max(0.0, took - facts.cpu_us[role]) if phase in CODING and role in facts.cpu_us else 0.0
    return min(waited, took, max(spread, least))


def waited_under_way_us(facts: Facts, role: str) -> float:
    """How long a party waited for a core while a message was in its phases; a producer waits between them as well.

    What of those phases it was running, it did not wait.
    """
    held = _ended_us(facts, role)
    if role == "stage":
        # A worker is at work for a while beyond the reply, and the next message queues meanwhile.
        held = max(held, facts.stage_work_us + facts.mean_us["transit"])
    return min(without_core_us(facts, role), max(0.0, held - facts.thread_cpu_us.get(role, 0.0)))


def _ended_us(facts: Facts, role: str) -> float:
    return sum(facts.mean_us[name] for name in PHASES if role in PARTIES[name] and name != "queue")


def without_core_us(facts: Facts, role: str) -> float:
    """How long a party waited for a core; that a woken one does not run at once on a free core is no such wait."""
    woken_us = facts.switches.get(role, 0.0) * (facts.wake_us or 0.0)
    return max(0.0, facts.waiting_us.get(role, 0.0) - woken_us)


def collecting(facts: Facts, phase: str) -> float:
    """Python's collector is a good part of the phase, or of the work that a queue waits for."""
    spent = sum(facts.gc_us.get(role, 0.0) for role in PARTIES[phase])
    work_us = facts.stage_work_us if phase == "queue" else facts.mean_us[phase]
    return _over(spent, EXPLAINS * work_us)


def waits_within(facts: Facts, phase: str) -> float:
    """The stage's CPU is far below what the phase takes, and it gave up its core to wait."""
    cpu = facts.cpu_us.get("stage")
    work_us = facts.stage_work_us * facts.share(phase) / max(1e-9, _work_share(facts))
    if cpu is None or work_us <= 0:
        return 0.0
    others_us = facts.stage_work_us - work_us + facts.integrity_us
    computed = max(0.0, cpu - others_us) + without_core_us(facts, "stage")
    slept = facts.switches.get("stage")
    gave_up = 2.0 if slept is None else _over(slept, SLEEPS)
    return min(_over(IDLE_CPU * work_us, max(1e-9, computed)), gave_up)


def _work_share(facts: Facts) -> float:
    return sum(facts.share(name) for name in ("decode", "compute", "reply"))


def saturated(facts: Facts, phase: str) -> float:
    """The stage works all the time."""
    return _over(facts.busy.stage, BUSY)


def in_flight(facts: Facts, phase: str) -> float:
    """A closed loop keeps more messages in flight than the stage can take."""
    return 2.0 * facts.closed


def bursts(facts: Facts, phase: str) -> float:
    """Messages are due in bursts, and these are more uneven than the stage's work."""
    if facts.arrivals_cv is None:
        return 0.0
    service = facts.service_cv or 0.0
    return min(_over(facts.arrivals_cv, BURSTY), _over(facts.arrivals_cv, service) if service else 2.0)


def uneven_work(facts: Facts, phase: str) -> float:
    """The stage's work varies more from message to message than the gaps between them."""
    if not facts.service_cv:
        return 0.0
    return _over(facts.service_cv, max(0.3, facts.arrivals_cv or 0.0))


def sending_cpu(facts: Facts, phase: str) -> float:
    """The producer's CPU that is not encoding fills a good part of `send`."""
    return min(_over(own_sending_us(facts), EXPLAINS * facts.mean_us[phase]), above_floor(facts, phase))


def own_sending_us(facts: Facts) -> float:
    """CPU time a message that the producer spends besides encoding."""
    process = facts.cpu_us.get("producer", 0.0)
    thread = process if facts.sender_cpu_us is None else min(process, facts.sender_cpu_us)
    return max(0.0, thread - facts.mean_us["encode"])


def receiving_cpu(facts: Facts, phase: str) -> float:
    """The stage's CPU that is neither its work nor a checksum fills a good part of `transit`."""
    own = facts.cpu_us.get("stage", 0.0) - facts.stage_work_us - facts.integrity_us
    return min(_over(own, EXPLAINS * facts.mean_us[phase]), above_floor(facts, phase))


def above_floor(facts: Facts, phase: str) -> float:
    """A way takes well more than the same bytes by hand over the same path (else: than copying them thrice)."""
    floor_us = facts.floor_one_way_us
    if floor_us is None:
        copy_us = 3e6 * facts.wire_bytes / facts.memcpy_bytes_per_s if facts.memcpy_bytes_per_s else 0.0
        floor_us = copy_us + 2 * (facts.wake_us or 0.0)
    return _over(facts.mean_us[phase], ABOVE_FLOOR * floor_us)


def broker_cpu(facts: Facts, phase: str) -> float:
    """The broker's own CPU is a good part of the phase."""
    spent = facts.cpu_us.get("broker", 0.0)
    # It handles the message and its reply: of small ones each is half of its work.
    there = spent if not facts.replies or facts.wire_bytes >= LARGE_BYTES else spent / 2
    return _over(there, EXPLAINS * facts.mean_us[phase]) if facts.has_broker else 0.0


def narrow_link(facts: Facts, phase: str) -> float:
    """The link between the parties needs so long for the bytes, or is busy nearly all the time."""
    needed = _over(facts.link.transmission_us, EXPLAINS * (facts.mean_us["send"] + facts.mean_us["transit"]))
    return max(needed, _over(facts.link.busy_share, BUSY))


def far_link(facts: Facts, phase: str) -> float:
    """The link between the parties delays what passes; a client that waits for answers is in `send` there and back."""
    delays = {"send": facts.link.delay_us + facts.link.back_us, "return": facts.link.back_us}
    return _over(delays.get(phase, facts.link.delay_us), EXPLAINS * facts.mean_us[phase])


def wake_ups(facts: Facts, phase: str) -> float:
    """The phase is about as short as a few wake-ups of sleeping parties, and the payload is small."""
    if not facts.wake_us or facts.wire_bytes >= LARGE_BYTES:
        return 0.0
    return _over(WAKES * facts.wake_us, facts.mean_us[phase])


def sleeps(facts: Facts, phase: str) -> float:
    """How often who ends the phase slept, a message; a broker sleeps for reasons of its own as well."""
    return sum(facts.switches.get(role, 0.0) for role in PARTIES[phase] if role != "broker")


def many_wake_ups(facts: Facts, phase: str) -> float:
    """Who has to run gave up its core so often that being woken again is a good part of the phase."""
    slept = sleeps(facts, phase)
    if slept < MANY_SLEEPS:
        return 0.0
    return _over(slept * (facts.wake_us or 0.0), WAKING * facts.mean_us[phase])


def slow_broker(facts: Facts, phase: str) -> float:
    """There is a broker, and bytes are too few for the link to matter."""
    return _over(LARGE_BYTES, max(1, facts.wire_bytes)) if facts.has_broker else 0.0


def many_bytes(facts: Facts, phase: str) -> float:
    """So many bytes that moving them takes longer than waking."""
    return _over(facts.wire_bytes, LARGE_BYTES)


def held_in_send(facts: Facts, phase: str) -> float:
    """The producer is in `send` for most of the time, and longer than in `encode`."""
    return _over(facts.busy.send, max(HELD, facts.busy.encode))


def held_in_encode(facts: Facts, phase: str) -> float:
    """The producer encodes for most of the time."""
    return _over(facts.busy.encode, HELD)
