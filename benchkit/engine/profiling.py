"""The runner's side of `--profile`: blocks of a cell under the profilers, and what they leave in its record."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from pydantic import TypeAdapter

from benchkit.analysis.hops import messages_of
from benchkit.analysis.profiles import figures, together
from benchkit.engine.block import run_block
from benchkit.engine.crew import Crew
from benchkit.engine.ready import ReadyCell
from benchkit.engine.site import Site
from benchkit.engine.underway import Place
from benchkit.engine.work import describe
from benchkit.errors import BenchkitError
from benchkit.load.search import Capacity
from benchkit.records.names import profile_file
from benchkit.records.profile import NativeProfile, PartyProfile, Profile
from benchkit.records.run import Block
from benchkit.records.samples import Samples
from benchkit.scenario.plan import Plan

Attach = Callable[[str, bytes], bool]
"""Keeps a file of the run by its name; False where there is no folder, OSError where the disk refuses."""
Told = Mapping[str, Mapping[str, Any]]
"""What the parties of a block tell, by role."""

SEARCHED: Final = "a search has no load of its own to profile: measure the rate that it found, with --profile"
EXTERNAL: Final = "the stage is a server of somebody else's: no process of ours to profile"
_SECONDS: Final = 1.0
"""Of blocks together, so that a phase of a few hundredths of the time has its twenty samples."""
_MOST_BLOCKS: Final = 5
_MOST_QUICK: Final = 2


def profiled(crew: Crew, site: Site, plan: Plan, ready: ReadyCell, index: int, attach: Attach) -> Profile:
    """Run more blocks of a cell, under the profilers and kept out of its samples; what fails is a named gap.

    `index` is the place of the first.
    """
    if isinstance(ready.cell.load, Capacity):
        return Profile(gap=SEARCHED)
    told: list[Told] = []
    measured: list[tuple[Block, Samples]] = []
    gap = ""
    try:
        for round_ in range(_blocks(plan)):
            seen: dict[str, dict[str, Any]] = {}
            measured.append(
                _block(crew, site, plan, ready, Place(index + round_, round_, 0, None, None), seen)
            )
            told.append(seen)
            if any("party" not in event for event in seen.values()):
                # Whoever died under the profiler would again.
                break
    except (BenchkitError, OSError) as error:
        gap = f"a profiled block could not be measured: {describe(error)['what']}"
    return _profile(ready, told, measured, "" if told else gap, attach)


def _blocks(plan: Plan) -> int:
    most = _MOST_QUICK if plan.quick else _MOST_BLOCKS
    return min(most, math.ceil(_SECONDS / plan.blocks.duration_s))


def _profile(
    ready: ReadyCell,
    told: Sequence[Told],
    measured: Sequence[tuple[Block, Samples]],
    gap: str,
    attach: Attach,
) -> Profile:
    roles = list(dict.fromkeys(role for seen in told for role in seen))
    parties = {
        role: _party(ready, role, [seen[role] for seen in told if role in seen], attach) for role in roles
    }
    if ready.external_stage:
        parties["stage"] = PartyProfile(gap=EXTERNAL)
    native = {
        role: _native(ready, role, seen[role], attach)
        for seen in told
        for role in seen
        if seen[role].get("native")
    }
    whole = [(block, messages_of(ready.record, samples)) for block, samples in measured]
    return Profile(parties, native, figures(whole), gap)


def _block(
    crew: Crew, site: Site, plan: Plan, ready: ReadyCell, place: Place, told: dict[str, dict[str, Any]]
) -> tuple[Block, Samples]:
    folder = site.folder / f"profile-{place.index}-{place.round}"
    folder.mkdir(mode=0o700)
    try:
        # A party that has died since has a successor, who knows nothing of the cell's messages yet.
        ready.brief(crew, plan)
        address = ready.open(site, crew)
        place = replace(
            place,
            payload_bytes=ready.record.payload_bytes,
            offered_per_s=ready.offered_per_s(plan, place.round),
            broker_pid=address.broker_pid,
            server_times=ready.server_times,
        )
        task = replace(ready.task(plan, place.round), profile=True, profile_folder=str(folder))
        return run_block(crew, task, place, ready.hosts, told)
    finally:
        with suppress(BenchkitError):
            ready.close()
        shutil.rmtree(folder, ignore_errors=True)


def _party(ready: ReadyCell, role: str, events: Sequence[Mapping[str, Any]], attach: Attach) -> PartyProfile:
    """All blocks together; the pages are those of the last one that has any."""
    found = [
        TypeAdapter(PartyProfile).validate_python(event["party"])
        if "party" in event
        else PartyProfile(gap=str(event["gap"]))
        for event in events
    ]
    pages: Mapping[str, bytes] = next(
        (event["files"] for event in reversed(events) if event.get("files")), {}
    )
    files, gap = _saved(ready, role, pages, attach)
    whole = together(found)
    return replace(whole, files=files, gap=whole.gap or gap)


def _native(ready: ReadyCell, role: str, event: Mapping[str, Any], attach: Attach) -> NativeProfile:
    found = TypeAdapter(NativeProfile).validate_python(event["native"])
    files, gap = _saved(ready, role, event["kept"], attach)
    return replace(found, files=files, gap=found.gap or gap)


def _saved(
    ready: ReadyCell, role: str, files: Mapping[str, bytes], attach: Attach
) -> tuple[tuple[str, ...], str]:
    """Names of what was kept, computed here whatever a party says, and what speaks against the rest."""
    kept = []
    for ending, content in files.items():
        name = profile_file(ready.cell.id, role, ending)
        try:
            if attach(name, content):
                kept.append(name)
        except OSError as error:
            return tuple(kept), f"its files could not be saved: {error.strerror or error}"
    return tuple(kept), ""
