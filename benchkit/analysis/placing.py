"""Which cell of each group stands where: by p50 where its load was given, by rate where it was searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchkit.analysis import noise
from benchkit.analysis.analysed import Analysed
from benchkit.analysis.ranking import Entrant, Place, rank_group
from benchkit.analysis.rates import Runner as RateRunner
from benchkit.analysis.rates import rank_rates
from benchkit.analysis.validity import reason
from benchkit.units import show_us
from benchkit.words import say


def places_of(cells: Sequence[Analysed], ruler_ns: float) -> dict[str, list[Place]]:
    """By group of given loads, its valid cells from the fastest on."""
    found: dict[str, list[Place]] = {}
    for group in dict.fromkeys(each.cell.group for each in cells):
        if any(each.cell.search for each in cells if each.cell.group == group):
            continue
        entrants = [entrant for each in cells if each.cell.group == group and (entrant := _entrant(each))]
        found[group] = rank_group(entrants, ruler_ns)
    return found


def ranking_of(cells: Sequence[Analysed], places: Mapping[str, Sequence[Place]]) -> list[dict[str, Any]]:
    """Of each group: by p50 where its load was given, by rate where it was searched."""
    found: list[dict[str, Any]] = []
    shares = {each.cell.id: each.fresh.delivered_share for each in cells if each.fresh}
    for group in dict.fromkeys(each.cell.group for each in cells):
        if group in places:
            found += [_ranked(group, place, shares.get(place.cell)) for place in places[group]]
        else:
            found += _by_rate(group, [each for each in cells if each.cell.group == group])
    return found


def _ranked(group: str, place: Place, delivered_share: float | None) -> dict[str, Any]:
    return {
        "cell": place.cell,
        "group": group,
        "p50_us": place.p50_ns / 1e3,
        "ratio_to_best": place.ratio,
        "ratio_ci95": place.interval,
        "noise_us": place.noise_ns / 1e3,
        "tied_with_best": place.tied,
        "delivered_share": delivered_share,
    }


def with_noise(cells: Sequence[Analysed], places: Mapping[str, Sequence[Place]]) -> list[Analysed]:
    """A cell whose difference to the best of its group is below the noise says so."""
    notes = {}
    for placed in places.values():
        for place in placed:
            if place.below_noise:
                more_us = (place.p50_ns - placed[0].p50_ns) / 1e3
                text = say(
                    "p50 is {more} above that of {cell}, and on this machine {noise} or less is noise: a tie",
                    more=show_us(more_us),
                    cell=placed[0].cell,
                    noise=show_us(place.noise_ns / 1e3),
                )
                notes[place.cell] = reason("effect-below-noise", text)
    return [
        replace(each, reasons=[*each.reasons, notes[each.cell.id]]) if each.cell.id in notes else each
        for each in cells
    ]


def _by_rate(group: str, cells: Sequence[Analysed]) -> list[dict[str, Any]]:
    """Cells that looked for a rate, the highest first; `ratio_to_best` is the best rate over their own."""
    runners = [runner for each in cells if (runner := _runner(each))]
    return [
        {
            "cell": place.runner.cell,
            "group": group,
            "p50_us": place.runner.p50_ns / 1e3,
            "by": "rate",
            "rate_per_s": place.runner.rate_per_s,
            "ratio_to_best": place.ratio,
            "ratio_ci95": place.interval,
            "tied_with_best": place.tied,
        }
        for place in rank_rates(runners)
    ]


def _runner(done: Analysed) -> RateRunner | None:
    p50 = done.measure.latency.quantiles_ns["p50"]
    if not done.valid or p50 is None:
        return None
    if done.drained is not None and done.drained.rate_per_s is not None:
        return RateRunner(done.cell.id, done.drained.rate_per_s, done.drained.interval, p50)
    if done.found is not None and done.found.answer is not None:
        low, high = done.found.low_per_s, done.found.high_per_s
        interval = None if low is None or high is None else (low, high)
        return RateRunner(done.cell.id, done.found.answer.level.rate_per_s, interval, p50)
    return None


def _entrant(done: Analysed) -> Entrant | None:
    p50 = done.measure.latency.quantiles_ns["p50"]
    if not done.valid or p50 is None:
        return None
    rounds = {block.index: block.round for block in done.blocks}
    medians_ns = {rounds[block.index]: block.p50_ns for block in done.measure.blocks}
    return Entrant(done.cell.id, p50, medians_ns, noise.spins(done.blocks))
