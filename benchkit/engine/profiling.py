"""The runner's side of `--profile`: a block of a cell under the profilers, and what it leaves in the cell's record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from pydantic import TypeAdapter

from benchkit.analysis.profiles import figures
from benchkit.engine.block import run_block
from benchkit.engine.crew import Crew
from benchkit.engine.ready import ReadyCell, Site
from benchkit.engine.underway import Place
from benchkit.engine.work import describe
from benchkit.errors import BenchkitError
from benchkit.load.search import Capacity
from benchkit.records.names import profile_file
from benchkit.records.profile import NativeProfile, PartyProfile, Profile
from benchkit.scenario.plan import Plan

Attach = Callable[[str, bytes], bool]
"""Keeps a file of the run by its name; False where there is no folder, OSError where the disk refuses."""

SEARCHED: Final = "a search has no load of its own to profile: measure the rate that it found, with --profile"
EXTERNAL: Final = "the stage is a server of somebody else's: no process of ours to profile"


def profiled(crew: Crew, site: Site, plan: Plan, ready: ReadyCell, index: int, attach: Attach) -> Profile:
    """Run one more block of a cell, under the profilers and kept out of its samples; what fails is a named gap."""
    if isinstance(ready.cell.load, Capacity):
        return Profile(gap=SEARCHED)
    told: dict[str, dict[str, Any]] = {}
    try:
        found = _block(crew, site, plan, ready, index, told)
    except (BenchkitError, OSError) as error:
        found = Profile(gap=f"the profiled block could not be measured: {describe(error)['what']}")
    parties = {role: _party(ready, role, event, attach) for role, event in told.items()}
    if ready.external_stage:
        parties["stage"] = PartyProfile(gap=EXTERNAL)
    native = {
        role: _native(ready, role, event, attach) for role, event in told.items() if event.get("native")
    }
    return replace(found, parties=parties, native=native)


def _block(
    crew: Crew, site: Site, plan: Plan, ready: ReadyCell, index: int, told: dict[str, dict[str, Any]]
) -> Profile:
    folder = site.folder / f"profile-{index}"
    folder.mkdir(mode=0o700)
    try:
        # A party that has died since has a successor, who knows nothing of the cell's messages yet.
        ready.brief(crew, plan)
        address = ready.open(site, crew)
        place = Place(
            index, 0, ready.record.payload_bytes, ready.offered_per_s(plan, 0), address.broker_pid,
            server_times=ready.server_times,
        )  # fmt: skip
        task = replace(ready.task(plan, 0), profile=True, profile_folder=str(folder))
        block, samples = run_block(crew, task, place, ready.hosts, told)
        return Profile(figures=figures(block, samples))
    finally:
        with suppress(BenchkitError):
            ready.close()


def _party(ready: ReadyCell, role: str, event: Mapping[str, Any], attach: Attach) -> PartyProfile:
    if "party" not in event:
        return PartyProfile(gap=str(event["gap"]))
    found = TypeAdapter(PartyProfile).validate_python(event["party"])
    files, gap = _saved(ready, role, event["files"], attach)
    return replace(found, files=files, gap=found.gap or gap)


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
