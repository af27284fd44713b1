"""run.json: a Run, analysed. What each field means is in CONTRACT.md; microseconds throughout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from benchkit import __version__
from benchkit.analysis import (
    alerting,
    external,
    growth,
    link,
    noise,
    profiles,
    recovery,
    told,
    traffic,
    verdict,
)
from benchkit.analysis.analysed import Analysed, analyse, promises_of
from benchkit.analysis.answer import answer
from benchkit.analysis.backlog import as_document as backlog_document
from benchkit.analysis.beneath import beneath
from benchkit.analysis.budgets import budgets_of
from benchkit.analysis.collapse import collapse
from benchkit.analysis.counts import transport_counts
from benchkit.analysis.crossover import crossover
from benchkit.analysis.detail import as_fields
from benchkit.analysis.disturbance import disturbed
from benchkit.analysis.found import as_document as capacity_document
from benchkit.analysis.hop_figures import as_document as hop_documents
from benchkit.analysis.intervals import Interval
from benchkit.analysis.labels import Labels, labels
from benchkit.analysis.live import as_fields as live_fields
from benchkit.analysis.live_sets import policies_compared
from benchkit.analysis.measure import Distribution, Measure
from benchkit.analysis.placing import places_of, ranking_of, with_noise
from benchkit.analysis.scaling import scaling
from benchkit.analysis.scaling_words import worth_telling
from benchkit.analysis.verdict.chained import Chained, chained
from benchkit.analysis.whatif.answers import answers
from benchkit.records.folder import SCHEMA, sample_file
from benchkit.records.plain import storable
from benchkit.records.profile import Profile
from benchkit.records.run import Block, Failure, Run
from benchkit.records.samples import PHASES
from benchkit.words import say

ROLES: Final = ("producer", "stage", "broker")


def document(run: Run) -> dict[str, Any]:
    """The content of run.json: plain data, safe for JSON (no NaN, no infinity)."""
    upset = disturbed(run.blocks)
    cells = [analyse(run, cell, upset) for cell in run.cells]
    places = places_of(cells, noise.ruler_ns(run.floor))
    cells = with_noise(cells, places)
    names = labels(run.cells)
    supposed = answers(run, cells)
    entries = [
        {**_entry(run, each, names[each.cell.id]), "what_if": supposed.get(each.cell.id)} for each in cells
    ]
    ranking = ranking_of(cells, places)
    maps = crossover(entries, ranking)
    laws = scaling(cells, names)
    fallen = collapse(entries)
    held = growth.growth(run)
    whole = {
        "schema": SCHEMA,
        "benchkit": __version__,
        "started_utc": run.started_utc,
        "duration_s": run.duration_s,
        "seed": run.seed,
        "seeds": run.seeds,
        "quick": run.quick,
        "interrupted": run.interrupted,
        "resumed": run.resumed,
        "measured_s": run.measured_s,
        "scenario": run.scenario,
        "environment": run.environment,
        "floor": run.floor,
        "placement": run.placement,
        "plugins": run.plugins,
        "cells": entries,
        "ranking": ranking,
        "crossover": maps,
        "scaling": laws,
        "collapse": fallen,
        "growth": growth.as_document(held),
        "answer": [
            *(said for each in fallen for said in each["sentences"]),
            *(said for each in maps for said in each["sentences"]),
            *answer(entries, ranking),
            *policies_compared(entries),
            *told.frames_seen(entries),
            *worth_telling(laws),
            *growth.sentences(held),
        ],
        "promises": [
            each
            for done, entry in zip(cells, entries, strict=True)
            for each in (*promises_of(run, done), *budgets_of(entry, run.budgets))
        ],
        "failures": _failures(run.failures),
        **_faults(run),
        **alerting.as_document(run),
    }
    plain: dict[str, Any] = storable(whole)
    return plain


def _entry(run: Run, done: Analysed, names: Labels) -> dict[str, Any]:
    cell, figures = done.cell, done.measure
    return {
        "id": cell.id,
        "group": cell.group,
        "labels": asdict(names),
        "transport": cell.transport,
        "codec": cell.codec,
        "stage": cell.stage,
        "source": cell.source,
        "parameters": cell.parameters,
        "workers": cell.workers,
        "producers": cell.producers,
        "replies": cell.replies,
        "payload_bytes": cell.payload_bytes,
        "wire_bytes": cell.wire_bytes,
        "lossy": cell.lossy,
        "psnr_db": cell.psnr_db,
        "zero_copy": cell.zero_copy,
        "has_broker": cell.has_broker,
        "path": cell.path,
        "stage_facts": cell.stage_facts,
        "server": external.means_us(done.blocks) if cell.external_stage else None,
        "blocks": len(done.blocks),
        "warmup": done.warmup,
        "load": _load(done),
        "account": done.account,
        "checks": {
            name: sum(getattr(block, name) for block in done.blocks)
            for name in ("checked_replies", "wrong_replies")
        },
        "latency_us": _latency(figures),
        "service_us": _distribution(figures.service),
        "phases_us": {name: _phase(figures, name) for name in PHASES},
        "residual_us": {"max": figures.residual_ns / 1e3},
        # A floor lies beneath one way, and here are several.
        "floor": None if cell.hops else beneath(run.floor, cell, _us(figures.moved.quantiles_ns["p50"])),
        "throughput": _throughput(figures),
        "cost": _cost(done),
        "guarantee": {
            "delivery": cell.delivery,
            "durability": cell.durability,
            "ordering": cell.ordering,
            **({"level": cell.level} if cell.level else {}),
        },
        "validity": {"valid": done.valid, "reasons": [asdict(reason) for reason in done.reasons]},
        "verdict": profiles.quoted(_verdict(run, done), cell),
        **(as_fields(cell, figures, done.detail) if done.detail else {}),
        **(live_fields(done.fresh, done.work, figures) if done.fresh else {}),
        **({"hops": _hops(done)} if done.hops else {}),
        "drift": {name: asdict(each) for name, each in done.drift.items()},
        "blocks_detail": _blocks(done),
        "failures": _failures(done.failures),
        "link": link.as_document(cell, done.blocks),
        **({"told": found} if (found := told.as_document(done.blocks)) else {}),
        "traffic": traffic.as_document(cell, done.blocks),
        **({"transport_counts": counts} if (counts := transport_counts(done.blocks)) else {}),
        **({"capacity": capacity_document(done.found)} if done.found else {}),
        **({"backlog": backlog_document(done.drained)} if done.drained else {}),
        **({"profiles": _profiles(done, cell.profile)} if cell.profile else {}),
        "samples": sample_file(cell.id) if cell.id in run.samples else None,
    }


def _load(done: Analysed) -> dict[str, Any]:
    pace = done.measure.pace
    asked = [block.offered_per_s for block in done.blocks if block.offered_per_s is not None]
    late = pace.lateness.quantiles_ns
    return {
        "name": done.cell.load,
        "arrival": done.cell.arrival,
        "offered_per_s": asked[0] if asked else None,
        "achieved_per_s": pace.achieved_per_s,
        "lateness_us": {"p50": _us(late["p50"]), "p99": _us(late["p99"]), "max": _us(pace.lateness.max_ns)},
        "late_share": pace.late_share,
    }


def _us(nanoseconds: float | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e3


def _distribution(figures: Distribution) -> dict[str, Any]:
    percentiles = {name: _us(value) for name, value in figures.quantiles_ns.items()}
    if not figures.count:
        return {"count": 0, "mean": None, **percentiles, "max": None}
    return {"count": figures.count, "mean": figures.mean_ns / 1e3, **percentiles, "max": figures.max_ns / 1e3}


def _latency(figures: Measure) -> dict[str, Any]:
    return {
        **_distribution(figures.latency),
        "mean_ci95": _interval(figures.mean_ci_ns),
        "p50_ci95": _interval(figures.p50_ci_ns),
        "p99_ci95": _interval(figures.p99_ci_ns),
        "error": figures.latency.error,
    }


def _interval(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [bound / 1e3 for bound in interval]


def _phase(figures: Measure, name: str) -> dict[str, Any]:
    phase = figures.phases[name]
    values = phase.quantiles_ns
    mean = phase.mean_ns / 1e3 if phase.count else None
    return {
        "mean": mean,
        "mean_ci95": _interval(figures.phase_mean_ci_ns[name]),
        "p50": _us(values["p50"]),
        "p99": _us(values["p99"]),
        "share": figures.share(name),
    }


def _throughput(figures: Measure) -> dict[str, float]:
    """Delivered messages over the time that they stand for (first due moment to last end), all blocks together."""
    seconds = figures.span_ns / 1e9
    if seconds <= 0:
        return {"messages_per_s": 0.0, "bytes_per_s": 0.0}
    return {
        "messages_per_s": figures.latency.count / seconds,
        "bytes_per_s": figures.delivered_bytes / seconds,
    }


def _used(blocks: Sequence[Block], role: str, name: str) -> list[int]:
    return [getattr(block.usage[role], name) for block in blocks if role in block.usage]


def _cost(done: Analysed) -> dict[str, Any]:
    """CPU per delivered message by role; 0 for a broker that is not there, None where it is unknown.

    A broker of the user's own may be on another machine: what it spends is unknown, which is not nothing.
    """
    count = done.measure.latency.count
    cost: dict[str, Any] = {}
    for role in ROLES:
        used = _used(done.blocks, role, "cpu_ns")
        known = bool(used) or (role == "broker" and not done.cell.has_broker)
        cost[f"{role}_cpu_us_per_message"] = sum(used) / count / 1e3 if known and count else None
    for extra in ("integrity_ns", "pacing_cpu_ns", "spin_ns"):
        spent = sum(sum(_used(done.blocks, role, extra)) for role in ROLES)
        cost[f"{extra.removesuffix('_ns')}_us_per_message"] = spent / count / 1e3 if count else None
    cost["peak_rss_bytes"] = {
        role: max(_used(done.blocks, role, "peak_rss_bytes"), default=0) for role in ROLES
    }
    return cost


def _verdict(run: Run, done: Analysed) -> Mapping[str, Any]:
    if not done.valid:
        told = say("the cell is not valid and carries no verdict")
        return asdict(replace(verdict.NONE, evidence=[told], line=told))
    if done.hops and done.detail:
        return asdict(
            chained(
                Chained(
                    done.cell,
                    done.blocks,
                    done.measure,
                    done.uneven,
                    run.floor,
                    done.hops,
                    done.detail.resources,
                )
            )
        )
    facts = verdict.gather(done.cell, done.blocks, done.measure, done.uneven, run.floor)
    found = verdict.verdict(facts)
    if done.cell.external_stage:
        found = external.explained(found, done.measure, done.blocks)
    return asdict(found)


def _hops(done: Analysed) -> list[dict[str, Any]]:
    return hop_documents(done.hops, done.measure, done.detail.resources if done.detail else ())


def _profiles(done: Analysed, profile: Profile) -> dict[str, Any]:
    # Only a closed loop asks no rate of its blocks.
    closed = all(block.offered_per_s is None for block in done.blocks)
    return profiles.as_document(profile, profiles.slowdown(profile, done.measure, done.blocks, closed=closed))


def _blocks(done: Analysed) -> list[dict[str, Any]]:
    found = {block.index: block for block in done.measure.blocks}
    return [
        {
            "index": block.index,
            "round": block.round,
            "count": found[block.index].count,
            "p50_us": found[block.index].p50_ns / 1e3,
            "warmup_s": block.warmup_s,
            "warmup_messages": block.warmup_messages,
            "warmup_settled": block.warmup_settled,
            "latency_growing": block.latency_growing,
            "schedule_seed": block.schedule_seed,
            "phase_means_us": {
                name: mean / 1e3 for name, mean in zip(PHASES, found[block.index].phase_means_ns, strict=True)
            },
            "disturbance": block.disturbance,
            "ran_on": block.ran_on,
            "paths": block.paths,
        }
        for block in done.blocks
        if block.index in found
    ]


def _faults(run: Run) -> dict[str, Any]:
    """`faults`, where any were asked for; `left_out` says what could not be done to which cell."""
    if not run.faults and not run.not_faulted:
        return {}
    found = recovery.as_document(run.faults.all, run.faults.read) if run.faults else None
    empty: dict[str, Any] = {"trials": [], "matrix": [], "alike": [], "notes": []}
    return {"faults": {**(found or empty), "left_out": [asdict(each) for each in run.not_faulted]}}


def _failures(failures: Iterable[Failure]) -> list[dict[str, Any]]:
    """Like failures counted together; the first traceback of each is kept."""
    together: dict[tuple[str, str, str], Failure] = {}
    for failure in failures:
        key = (failure.party, failure.type, failure.what)
        first = together.get(key)
        together[key] = replace(first, count=first.count + failure.count) if first else failure
    return [asdict(failure) for failure in together.values()]
