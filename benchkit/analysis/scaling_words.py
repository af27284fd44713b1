"""The law of a set of cells in a sentence, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchkit.analysis.intervals import Interval
from benchkit.analysis.usl import LEAST_COUNTS, Fitted
from benchkit.words import say

_FAR: Final = 0.1
"""A point this far from the law is worth a word."""


def worth_telling(laws: Sequence[Mapping[str, Any]]) -> list[str]:
    """The sentences of `scaling` of run.json, without those of sets that never had three worker counts."""
    return [
        str(each["sentence"])
        for each in laws
        if not each["refused"] or len(each["points"]) + len(each["left_out"]) >= LEAST_COUNTS
    ]


def refusal(measured: Sequence[int], left_out: Sequence[tuple[int, str]], why: str) -> str:
    """Why no law was fitted, and which worker counts said nothing."""
    told = why or say(
        "the law has three coefficients and {known} worker counts show what they can do; measure at least three",
        known=len(measured),
    )
    return "; ".join([told, *_left_out(left_out)])


def _left_out(left_out: Sequence[tuple[int, str]]) -> list[str]:
    kept = ", ".join(str(workers) for workers, why in left_out if why == "kept-up")
    bad = ", ".join(str(workers) for workers, why in left_out if why != "kept-up")
    found = []
    if kept:
        found.append(
            say(
                "{workers} workers kept up with the load, so what they can do at most is not known",
                workers=kept,
            )
        )
    if bad:
        found.append(say("{workers} workers: not valid", workers=bad))
    return found


def sentence(title: str, found: Fitted | None, refused: str, most: int) -> str:
    """What the law says; `most` is the largest worker count that it was fitted to."""
    if found is None:
        return say("{title}: no scalability law: {refused}.", title=title, refused=refused)
    law = found.law
    told = say(
        "{title}: one worker does {one}; contention sigma {sigma}, coherency kappa {kappa}",
        title=title,
        one=f"{_number(law.lambda_per_s)}/s{_ends(found.lambda_ci)}",
        sigma=f"{law.sigma:.1%}{_shares(found.sigma_ci)}",
        kappa=f"{_small(law.kappa)}{_smalls(found.kappa_ci)}",
    )
    return f"{told}; {_best(found, most)}{_beyond(found)}{_misfit(found)}."


def _best(found: Fitted, most: int) -> str:
    law = found.law
    if found.best_ci is None:
        gain = law.per_s(2 * most) / law.per_s(most)
        return say("no best number of workers is known; {more} would do {gain:.2f}x of {most}",
                   more=2 * most, gain=gain, most=most)  # fmt: skip
    best = say(
        "most throughput at N* = {best:.1f} workers [{low:.1f}, {high:.1f}], {rate}/s",
        best=law.best, low=found.best_ci[0], high=found.best_ci[1], rate=_number(law.per_s(law.best)),
    )  # fmt: skip
    return (
        say("{best}, beyond the {most} that were measured", best=best, most=most) if law.best > most else best
    )


def _beyond(found: Fitted) -> str:
    if not found.superlinear:
        return ""
    return say("; throughput grew faster than the number of workers: see what held back the smaller numbers")


def _misfit(found: Fitted) -> str:
    if found.misfit <= _FAR:
        return ""
    return say(
        "; the law misses a point by {misfit:.0%}: something else limits it there", misfit=found.misfit
    )


def _ends(interval: Interval | None) -> str:
    return f" [{_number(interval[0])}, {_number(interval[1])}]" if interval else _unknown()


def _shares(interval: Interval | None) -> str:
    return f" [{interval[0]:.1%}, {interval[1]:.1%}]" if interval else _unknown()


def _smalls(interval: Interval | None) -> str:
    return f" [{_small(interval[0])}, {_small(interval[1])}]" if interval else _unknown()


def _unknown() -> str:
    return say(" (no interval)")


def _small(kappa: float) -> str:
    return f"{kappa:.2g}"


def _number(per_s: float) -> str:
    return f"{per_s:.0f}" if per_s >= 99.5 else f"{per_s:.3g}"
