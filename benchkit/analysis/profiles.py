"""What profiles say about a cell: where a phase's time went, by function, and what profiling cost.

The figures of a profiled block stand nowhere else: they are divided by those of the cell's measured blocks, and
that is all that is said of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any, Final

import numpy as np

from benchkit.analysis.measure import Measure, measure
from benchkit.analysis.words import times
from benchkit.records.profile import Frame, PartyProfile, PhaseProfile, Profile, ProfiledFigures
from benchkit.records.run import Block, Cell
from benchkit.records.samples import Samples
from benchkit.words import named, retold, say

LEAST_SAMPLES: Final = 20
"""Of a phase: with fewer, a share of one half is known no better than between a quarter and three quarters."""
_QUOTED: Final = 2
_LEAST_QUOTED: Final = 0.10
_TOLD_RARE: Final = 0.10
_QUEUES: Final = 2.0

_PROFILED: Final = ("producer", "stage")

# Whose functions a phase's time is spent in. Time in `transit` and `return` passes between the parties, where a
# profiler of either sees it wait.
_PRODUCER: Final = ("encode", "send")
_STAGE: Final = ("decode", "batch", "compute", "reply")
_BUSY: Final[Mapping[str, tuple[str, ...]]] = {
    **{phase: (phase,) for phase in (*_PRODUCER, *_STAGE)},
    "producer": _PRODUCER,
    "lateness": _PRODUCER,
    # Messages wait for the stage while it works on others.
    "queue": ("decode", "compute", "reply"),
}


def figures(measured: Sequence[tuple[Block, Samples]]) -> ProfiledFigures | None:
    """Of profiled blocks, each with its samples (shape (n,), dtype SAMPLE); None if nothing was delivered."""
    if not measured:
        return None
    found = measure(np.concatenate([samples for _, samples in measured]))
    count, p50_ns = found.latency.count, found.latency.quantiles_ns["p50"]
    if not count or p50_ns is None:
        return None
    cpu = {
        role: sum(block.usage[role].cpu_ns for block, _ in measured if role in block.usage) / count
        for role in _PROFILED
        if any(role in block.usage for block, _ in measured)
    }
    return ProfiledFigures(count, round(p50_ns), count / found.span_ns * 1e9 if found.span_ns else 0.0, cpu)


@dataclass(frozen=True, slots=True)
class Slowdown:
    """What profiling costs: figures of the profiled block over those of the measured blocks."""

    latency_p50: float
    blocks_p50: tuple[float, float]
    """The lowest and the highest p50 of the measured blocks, likewise over all of them: what is chance."""
    cpu: Mapping[str, float]
    """CPU time per message by role."""
    throughput: float | None
    """In a closed loop: below 1 where profiling made it slower; an open load says nothing."""


def slowdown(profile: Profile, figures: Measure, blocks: Sequence[Block], *, closed: bool) -> Slowdown | None:
    """None where one of the two was not measured."""
    seen, count, p50_ns = profile.figures, figures.latency.count, figures.latency.quantiles_ns["p50"]
    if seen is None or not count or not p50_ns:
        return None
    medians = [block.p50_ns / p50_ns for block in figures.blocks if block.count]
    cpu = {}
    for role, per_message_ns in seen.cpu_ns_per_message.items():
        used = sum(block.usage[role].cpu_ns for block in blocks if role in block.usage)
        if used:
            cpu[role] = per_message_ns / (used / count)
    per_s = count / figures.span_ns * 1e9 if figures.span_ns else 0.0
    return Slowdown(
        seen.latency_p50_ns / p50_ns,
        (min(medians, default=1.0), max(medians, default=1.0)),
        cpu,
        seen.messages_per_s / per_s if closed and per_s else None,
    )


def cost(slowed: Slowdown | None) -> str:
    """One sentence: `under the profiler p50 is 1.21x (measured blocks: 0.98x to 1.02x), CPU per message ...`."""
    if slowed is None:
        return say("what profiling costs is unknown: too little was delivered")
    low, high = (times(each) for each in slowed.blocks_p50)
    parts = [
        say(
            "p50 is {latency_p50} (measured blocks among themselves: {low} to {high})",
            latency_p50=times(slowed.latency_p50),
            low=low,
            high=high,
        )
    ]
    parts += [
        say("CPU per message of the {role} {ratio}", role=named(role), ratio=times(ratio))
        for role, ratio in slowed.cpu.items()
    ]
    if slowed.throughput is not None:
        parts.append(say("throughput {throughput}", throughput=times(slowed.throughput)))
    elif slowed.latency_p50 >= _QUEUES:
        parts.append(say("the same load leaves slower parties less room, so messages queue"))
    return say("under the profiler {parts}", parts=", ".join(parts))


def sentence(profile: Profile, phase: str) -> str:
    """Where the time of a phase went: `profile: 62% of encode in base64.b64encode (base64.py:58), ...`.

    `phase` is a phase or `producer`. Empty where its time is spent in no function of a party of ours; where a
    profile of it is missing or too thin, that is said instead.
    """
    wanted = _BUSY.get(phase)
    if wanted is None:
        return ""
    if profile.gap:
        return say("no profile: {gap}", gap=retold(profile.gap))
    role = "producer" if wanted == _PRODUCER or phase in _PRODUCER else "stage"
    parties = {name: each for name, each in profile.parties.items() if name.startswith(role)}
    largest, found = _largest(parties.values(), wanted)
    if found is None or found.samples < LEAST_SAMPLES:
        return _missing(parties, largest or phase, found, role)
    if largest == "compute" and (told := _operators(profile)):
        return say("profile: {told}", told=told)
    quoted = [frame for frame in found.frames if frame.share >= _LEAST_QUOTED][:_QUOTED] or found.frames[:1]
    first, *others = quoted
    told = ", ".join(
        [
            say(
                "{share:.0%} of {phase} in {frame}",
                share=first.share,
                phase=named(largest),
                frame=_frame(first),
            ),
            *(say("{share:.0%} in {frame}", share=frame.share, frame=_frame(frame)) for frame in others),
        ]
    )
    gap = (
        next((retold(each.gap) for each in profile.native.values() if each.gap), "")
        if largest == "compute"
        else ""
    )
    native = say("; no profile of its native code: {gap}", gap=gap) if gap else ""
    rare = found.rare_s / (found.seconds + found.rare_s) if found.rare_s else 0.0
    aside = (
        say("; {rare:.0%} of it was rare or without a core, and is not counted", rare=rare)
        if rare >= _TOLD_RARE
        else ""
    )
    return say(
        "profile: {told}; {samples} samples{aside}{native}",
        told=told,
        samples=found.samples,
        aside=aside,
        native=native,
    )


def _missing(parties: Mapping[str, PartyProfile], phase: str, found: PhaseProfile | None, role: str) -> str:
    gap = next((f"{name}: {retold(each.gap)}" for name, each in parties.items() if each.gap), "")
    if gap:
        return say("no profile of {gap}", gap=gap)
    seen = found.samples if found else 0
    return say(
        "no profile of {phase}: {seen} samples of the {role} are too few, {least} are needed",
        phase=named(phase),
        seen=seen,
        role=named(role),
        least=LEAST_SAMPLES,
    )


def _largest(parties: Any, wanted: Sequence[str]) -> tuple[str, PhaseProfile | None]:
    """Of the wanted phases the one with most time, all parties together."""
    each = {
        phase: _together([party.phases[phase] for party in parties if phase in party.phases])
        for phase in wanted
    }
    phase = max(each, key=lambda name: each[name].seconds)
    return (phase, each[phase]) if each[phase].samples else (phase, None)


def together(found: Sequence[PartyProfile]) -> PartyProfile:
    """One party in several blocks; what is missing in any of them is said."""
    names = dict.fromkeys(phase for each in found for phase in each.phases)
    return PartyProfile(
        samples=sum(each.samples for each in found),
        interval_s=max((each.interval_s for each in found), default=0.0),
        phases={
            name: _together([each.phases[name] for each in found if name in each.phases]) for name in names
        },
        gap=next((each.gap for each in found if each.gap), ""),
    )


def _together(found: Sequence[PhaseProfile]) -> PhaseProfile:
    """One phase of several parties or blocks: shares weighted by time."""
    seconds = sum(each.seconds for each in found)
    shares: dict[tuple[str, str], tuple[Frame, float]] = {}
    for each in found:
        for frame in each.frames:
            key = (frame.name, frame.where)
            known, sum_s = shares.get(key, (frame, 0.0))
            shares[key] = (known, sum_s + frame.share * each.seconds)
    frames = [replace(frame, share=own_s / seconds if seconds else 0.0) for frame, own_s in shares.values()]
    frames.sort(key=lambda frame: -frame.share)
    rare_s = sum(each.rare_s for each in found)
    return PhaseProfile(sum(each.samples for each in found), seconds, tuple(frames), rare_s)


def _frame(frame: Frame) -> str:
    where = f" ({frame.where})" if frame.where else ""
    inside = say(", most of it in {builtin}", builtin=frame.builtin) if frame.builtin else ""
    caller = ""
    if frame.caller and frame.caller_share > 0.95:
        caller = say(", called from {caller}", caller=frame.caller)
    elif frame.caller:
        share = frame.caller_share
        caller = say(", {share:.0%} of it called from {caller}", share=share, caller=frame.caller)
    return f"{frame.name}{where}{inside}{caller}"


def _operators(profile: Profile) -> str:
    """The slowest operators of the first worker that knows any."""
    found = next((each for each in profile.native.values() if each.operators), None)
    if found is None:
        return ""
    first, *others = (
        (each.share, each.name + (f" ({each.type})" if each.type != each.name else ""))
        for each in islice(found.operators, 3)
    )
    told = [say("{share:.0%} of the operators' time in {frame}", share=first[0], frame=first[1])]
    told += [say("{share:.0%} in {frame}", share=share, frame=frame) for share, frame in others]
    return say("{told}; {runs} runs", told=", ".join(told), runs=found.runs)


def quoted(verdict: Mapping[str, Any], cell: Cell) -> dict[str, Any]:
    """The verdict of run.json with what the cell's profile says about its phase as a last line of evidence."""
    told = sentence(cell.profile, str(verdict["bottleneck"])) if cell.profile else ""
    return {**verdict, "evidence": [*verdict["evidence"], told]} if told else dict(verdict)


def as_document(profile: Profile, slowed: Slowdown | None) -> dict[str, Any]:
    """The `profiles` of a cell in run.json: the parties by name, `operators`, `slowdown` and `gap`."""
    return {
        **{name: _party(name, each, slowed) for name, each in profile.parties.items()},
        "operators": [
            {"party": name, "runs": each.runs, **asdict(operator)}
            for name, each in profile.native.items()
            for operator in each.operators
        ],
        "native": {
            name: {"files": each.files, "gap": retold(each.gap)} for name, each in profile.native.items()
        },
        "slowdown": asdict(slowed) if slowed else None,
        "cost": cost(slowed) if not profile.gap else "",
        "gap": retold(profile.gap),
    }


def _party(name: str, party: PartyProfile, slowed: Slowdown | None) -> dict[str, Any]:
    role = name.partition("-")[0]
    return {
        "file": party.files[0] if party.files else None,
        "files": party.files,
        "samples": party.samples,
        "interval_us": party.interval_s * 1e6,
        "slowdown": slowed.cpu.get(role) if slowed else None,
        "phases": {
            phase: {"samples": each.samples, "seconds": each.seconds, "rare_s": each.rare_s}
            for phase, each in party.phases.items()
        },
        "top": [
            {"phase": phase, **asdict(frame)}
            for phase, each in party.phases.items()
            if each.samples >= LEAST_SAMPLES
            for frame in each.frames
        ],
        "gap": retold(party.gap),
    }
