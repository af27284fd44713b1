"""How often the verdict was right, and whether that is often enough: pure functions of the trials' lines.

An invalid cell carries no verdict: it abstains, is counted apart and is never right. Where more than a fifth of the
trials abstain, nothing is decided. A kind whose cells must be invalid (a source that is too slow) is right where
the reason is the one that names it. A wrong verdict is confident where its grade is above CONFIDENT, whatever is
wrong about it: phase, resource or kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from benchkit.selftest.kinds import BY_NAME, Planted

CONFIDENT: Final = 0.7
GRADES: Final = (0.0, 0.3, 0.5, CONFIDENT, 0.9, 1.0)
_DECIDED: Final = 0.8

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """What must hold, as shares."""

    right: float = 0.95
    """Phase and resource both, of the planted trials that are valid; likewise refusals."""
    confidently_wrong: float = 0.01
    """At most, of all valid trials."""
    none: float = 0.95
    """`none` of the healthy ones."""


FULL: Final = Limits()
QUICK: Final = Limits(right=0.75, confidently_wrong=0.2, none=0.5)
"""For a handful of trials, of which one may meet a disturbance."""


@dataclass(frozen=True, slots=True)
class Count:
    """One kind's trials."""

    kind: str
    trials: int
    abstained: int
    phase: int
    resource: int
    both: int
    """Phase and resource."""
    of_kind: int
    confidently_wrong: int
    refused: int
    """Invalid for the very reason that was planted."""
    repeated: int = 0
    """Runs beyond the first of a trial, because its cell was not valid."""

    @property
    def decided(self) -> int:
        """Trials with a verdict."""
        return self.trials - self.abstained - self.refused


@dataclass(frozen=True, slots=True)
class Bar:
    """One promise: what it is, what was reached, whether it holds."""

    name: str
    reached: float | None
    limit: float
    holds: bool | None
    """None where nothing was measured."""


@dataclass(frozen=True, slots=True)
class Right:
    """One trial judged."""

    phase: bool
    resource: bool
    kind: bool
    confident: bool

    @property
    def wholly(self) -> bool:
        """Nothing about it is wrong."""
        return self.phase and self.resource and self.kind


def judged(line: Entry) -> Right | None:
    """A trial's verdict beside the truth; None where the cell is invalid."""
    if not line["valid"]:
        return None
    found, truth = line["verdict"], BY_NAME[line["kind"]].truth
    return Right(
        found["bottleneck"] in truth.phases,
        # Whose time it is: of a chain's stages the right one.
        found["resource"] in truth.resources and found.get("stage", "") == truth.stage,
        found["kind"] in truth.kinds,
        found["confidence"] > CONFIDENT,
    )


def counted(lines: Iterable[Entry]) -> list[Count]:
    """By kind, in the order in which the kinds come first."""
    by_kind: dict[str, list[Entry]] = {}
    for line in lines:
        by_kind.setdefault(line["kind"], []).append(line)
    return [_count(BY_NAME[name], own) for name, own in by_kind.items()]


def _count(kind: Planted, lines: Sequence[Entry]) -> Count:
    refused = sum(bool(kind.refused) and kind.refused in line["reasons"] for line in lines)
    rights = [right for right in map(judged, lines) if right is not None]
    return Count(
        kind.name,
        len(lines),
        len(lines) - len(rights) - refused,
        sum(right.phase for right in rights),
        sum(right.resource for right in rights),
        sum(right.phase and right.resource for right in rights),
        sum(right.kind for right in rights),
        sum(right.confident and not right.wholly for right in rights),
        refused,
        sum(line.get("repeated", 0) for line in lines),
    )


@dataclass(frozen=True, slots=True)
class Grade:
    """How often verdicts of one range of grades were wholly right."""

    low: float
    high: float
    verdicts: int
    right: int


def reliability(lines: Iterable[Entry]) -> list[Grade]:
    """By ranges of GRADES, the upper edge in the range; a wrong verdict should have a low grade."""
    told = [(line["verdict"]["confidence"], right) for line in lines if (right := judged(line)) is not None]
    found = []
    for low, high in pairwise(GRADES):
        own = [right.wholly for grade, right in told if low < grade <= high or (not low and not grade)]
        found.append(Grade(low, high, len(own), sum(own)))
    return found


def bars(counts: Sequence[Count], limits: Limits = FULL) -> list[Bar]:
    """The promises of the suite."""
    refusing = [each for each in counts if BY_NAME[each.kind].refused]
    healthy = [each for each in counts if BY_NAME[each.kind].healthy]
    planted = [each for each in counts if each not in refusing and each not in healthy]
    abstained, trials = sum(each.abstained for each in counts), sum(each.trials for each in counts)
    decided = sum(each.decided for each in counts)
    return [
        _at_least("phase and resource right", planted, "both", limits.right),
        _at_least("none on healthy pipelines", healthy, "both", limits.none),
        _refusals(refusing, limits.right),
        _bar(
            "confidently wrong", sum(each.confidently_wrong for each in counts), decided, limits.confidently_wrong,
            most=True,
        ),
        _bar("trials with a verdict", trials - abstained, trials, _DECIDED),
    ]  # fmt: skip


def _at_least(name: str, counts: Sequence[Count], field: str, limit: float) -> Bar:
    return _bar(
        name, sum(getattr(each, field) for each in counts), sum(each.decided for each in counts), limit
    )


def _refusals(counts: Sequence[Count], limit: float) -> Bar:
    return _bar(
        "refused with its reason",
        sum(each.refused for each in counts),
        sum(each.trials for each in counts),
        limit,
    )


def _bar(name: str, reached: int, of: int, limit: float, *, most: bool = False) -> Bar:
    if not of:
        return Bar(name, None, limit, None)
    share = reached / of
    return Bar(name, share, limit, share <= limit if most else share >= limit)


def outcome(found: Sequence[Bar]) -> bool | None:
    """True: all bars hold; None: too many trials abstained to decide; False: a bar is broken."""
    undecided = [bar for bar in found if bar.name == "trials with a verdict" and not bar.holds]
    if any(bar.holds is False for bar in found if bar not in undecided):
        return False
    return None if undecided else True
