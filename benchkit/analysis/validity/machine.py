"""Whether the machine left the cell alone, and whether the tool's own cost is small beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchkit.analysis.validity.facts import Facts, Reason, blocks_named, graded_blocks, reason
from benchkit.analysis.words import listed
from benchkit.records.run import Block
from benchkit.units import show_us
from benchkit.words import named, say, word

_LEAST_DISTURBED: Final = 2
"""One block may be bad luck: it alone, of two, makes no cell invalid."""
_APART_REMEDY: Final = word(
    "see what moves the processes: the stage itself, or a CPU set that changed meanwhile"
)


def disturbed(facts: Facts) -> Iterator[Reason]:
    """The machine was as calm around its blocks as in the rest of the run; see `analysis.disturbance`."""
    found = [block.index for block in facts.blocks if block.index in facts.disturbed]
    if not found:
        return
    causes = "; ".join(dict.fromkeys(facts.disturbed[index] for index in found[:3]))
    severity = graded_blocks(len(found), len(facts.blocks)) if len(found) >= _LEAST_DISTURBED else "note"
    yield reason(
        "machine-disturbed",
        say(
            "the machine was disturbed during {which} ({found} of {blocks}): {causes}",
            which=blocks_named(found),
            found=len(found),
            blocks=len(facts.blocks),
            causes=causes,
        ),
        severity,
    )


def cores(facts: Facts) -> Iterator[Reason]:
    """Every party had a core of its own, and where each was given one, ran there."""
    together = _together(facts)
    if together:
        number, roles, core = together[0]
        yield reason(
            "core-shared",
            say(
                "{roles} ran on core {core} in block {number} ({together} of {blocks} blocks), though each "
                "was given a core of its own",
                roles=listed([named(role) for role in roles]),
                core=core,
                number=number,
                together=len(together),
                blocks=len(facts.blocks),
            ),
            graded_blocks(len(together), len(facts.blocks)),
            say(_APART_REMEDY),
        )
    broker = any("broker" in block.usage for block in facts.blocks)
    parties = facts.cell.producers + facts.cell.all_workers + broker
    if 0 < facts.cores < parties:
        yield reason(
            "core-shared",
            say(
                "{parties} parties shared {cores} cores: waiting for a core is in every phase",
                parties=parties,
                cores=facts.cores,
            ),
        )


def _together(facts: Facts) -> list[tuple[int, Sequence[str], int]]:
    """Blocks in which roles that were given different cores ended on one."""
    found = [(block.index, *_meeting(facts, block)) for block in facts.blocks]
    return [(index, roles, core) for index, roles, core in found if roles]


def _meeting(facts: Facts, block: Block) -> tuple[Sequence[str], int]:
    apart = {role: core for role, core in block.ran_on.items() if role in facts.placement}
    for core in sorted(set(apart.values())):
        here = [role for role in apart if apart[role] == core]
        if len({facts.placement[role] for role in here}) > 1:
            return here, core
    return (), -1


def near_floor(facts: Facts) -> Iterator[Reason]:
    """The latency stands clear of what an empty message costs."""
    p50 = facts.measure.latency.quantiles_ns["p50"]
    if p50 is not None and facts.floor_us is not None and facts.floor_us * 1e3 > 0.5 * p50:
        text = say(
            "p50 is {p50}, an empty message between threads takes {floor_us}",
            p50=show_us(p50 / 1e3),
            floor_us=show_us(facts.floor_us),
        )
        yield reason("near-floor", say("{text}: much of it may be the tool's own cost", text=text))
