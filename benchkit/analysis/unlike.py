"""What besides the code was different between runs: what a comparison has to say before anybody believes it.

Written from run.json alone; the first run is the base.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchkit.analysis.guarantees import unlike_promises

Entry = Mapping[str, Any]
NOT_PAIRED: Final = (
    "Runs are not paired: nothing of one ran next to the other, so what else changed between them is in the "
    "ratio too."
)


def unlike(documents: Sequence[Entry]) -> list[str]:
    """One sentence for everything in which a later run differs from the first; empty where they are alike."""
    kinds = (_machines, _scenarios, _quick, _interrupted, _versions, unlike_promises)
    return [said for kind in kinds for said in kind(documents)]


def machine_of(document: Entry) -> str:
    """The environment's fingerprint; runs with the same one are from one machine with one kernel and Python."""
    return str(document["environment"].get("fingerprint") or "")


def differing_machines(documents: Sequence[Entry]) -> list[int]:
    """Places (from 0) of the runs whose machine is not the first one's."""
    return [at for at, each in enumerate(documents) if machine_of(each) != machine_of(documents[0])]


def kind_of(document: Entry) -> tuple[str, str, bool]:
    """Scenario, machine, quick: runs that share these stand in one trend."""
    return str(document["scenario"].get("name") or ""), machine_of(document), bool(document.get("quick"))


def _machines(documents: Sequence[Entry]) -> Iterator[str]:
    others = [at + 1 for at in differing_machines(documents)]
    unknown = [at for at, each in enumerate(documents, 1) if not machine_of(each)]
    if others:
        yield (
            f"{_runs(others)} measured on another machine (or kernel, or Python) than run 1: "
            "the ratios compare machines too."
        )
    elif unknown:
        yield f"{_runs(unknown)} measured on a machine that is not known: the ratios may compare machines too."


def _scenarios(documents: Sequence[Entry]) -> Iterator[str]:
    first = documents[0]["scenario"].get("name")
    others = [at for at, each in enumerate(documents, 1) if each["scenario"].get("name") != first]
    if others:
        yield f"{_runs(others)} of another scenario than run 1: cells of one name may carry other messages."


def _quick(documents: Sequence[Entry]) -> Iterator[str]:
    found = [at for at, each in enumerate(documents, 1) if each.get("quick")]
    if found:
        yield f"{_runs(found)} quick: short blocks, wide intervals; measure without --quick before you decide."


def _interrupted(documents: Sequence[Entry]) -> Iterator[str]:
    found = [at for at, each in enumerate(documents, 1) if each.get("interrupted")]
    if found:
        yield f"{_runs(found)} interrupted: cells or blocks of it are missing."


def _versions(documents: Sequence[Entry]) -> Iterator[str]:
    found: dict[str, list[int]] = {}
    for at, each in enumerate(documents, 1):
        found.setdefault(str(each.get("benchkit") or "unknown")[:40], []).append(at)
    if len(found) > 1:
        each_ = "; ".join(f"{version}: {_places(places)}" for version, places in found.items())
        yield f"Measured with unlike versions of benchkit ({each_}): what it measures may have changed too."


def _runs(places: Sequence[int]) -> str:
    return f"Run {places[0]} was" if len(places) == 1 else f"Runs {_places(places)} were"


def _places(places: Sequence[int]) -> str:
    shown = [str(place) for place in places[:8]]
    more = f" and {len(places) - 8} more" if len(places) > 8 else ""
    return ", ".join(shown) + more
