"""A soak: hours under load at 80% of capacity, and whether anything is kept that should not be.

Its bars are those of the tool's promise: the memory of every process of the run, the runner's own too, is flat (see
analysis.growth), nobody has more and more descriptors or threads, every message is accounted for and none lost, and
the load was really offered. It is an ordinary run in an ordinary run directory; what is judged stands in its records,
so one that was measured before is judged again without measuring.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchkit import scenario
from benchkit.analysis.document import document
from benchkit.engine.runner import Runner, Watch
from benchkit.errors import BenchkitError, RecordError
from benchkit.records.folder import load, read_document
from benchkit.records.recording import Recording

SCENARIO: Final = Path(__file__).with_name("soak.yaml")
OFFERED: Final = 0.99
"""Of the rate that was asked, at least so much was sent."""
LOAD: Final = 0.8
"""Of the stage's capacity by the scenario: its service time says what that is."""
_FATES: Final = ("dropped", "rejected", "dead_lettered", "lost", "pending")
_NEVER: Final = ("duplicated", "corrupted", "unexpected")


@dataclass(frozen=True, slots=True)
class Bar:
    """One promise."""

    name: str
    reached: str
    """In words and figures."""
    holds: bool | None
    """None where it cannot be told."""


@dataclass(frozen=True, slots=True)
class Found:
    """A soak, judged."""

    document: Mapping[str, Any]
    """run.json."""
    bars: tuple[Bar, ...]

    @property
    def holds(self) -> bool | None:
        """All of them; None where one cannot be told and none is broken."""
        found = [bar.holds for bar in self.bars]
        return False if False in found else None if None in found else True

    def plain(self) -> dict[str, Any]:
        """The summary that is kept: figures and bars, without samples and blocks."""
        told = self.document
        cell = told["cells"][0]
        return {
            "schema": "benchkit.soak/1",
            **{name: told[name] for name in ("benchkit", "started_utc", "measured_s", "interrupted")},
            "machine": {name: told["environment"][name] for name in ("cpu", "cores", "kernel", "python")},
            "git": told["environment"]["git"],
            "resumed": len(told["resumed"]),
            "cell": cell["id"],
            "blocks": cell["blocks"],
            "load": cell["load"],
            "account": cell["account"],
            "warmup_messages": cell["warmup"],
            "latency_us": cell["latency_us"],
            "growth": told["growth"],
            "bars": [{"name": bar.name, "reached": bar.reached, "holds": bar.holds} for bar in self.bars],
            "holds": self.holds,
        }


def soak(out: Path | None, lasting_s: float, watch: Watch) -> Found:
    """Measure one of so many seconds, or judge the last of that length in `out`; raises BenchkitError."""
    path = None if out is None else kept(out, lasting_s)
    if path is not None:
        return judged(document(load(path)))
    plan = scenario.load(SCENARIO, sets=[f"blocks.soak={lasting_s}s"])
    recording = Recording(out)
    try:
        run = Runner(plan, watch, recording=recording).run()
        made = document(run)
        if out is not None:
            recording.finish(run, made)
    finally:
        recording.close()
    return judged(made)


def kept(out: Path, lasting_s: float) -> Path | None:
    """The newest whole run of this soak's in the folder that lasted so long."""
    found = []
    for file in out.glob("soak*/run.json"):
        try:
            told = read_document(file)
        except RecordError:
            continue
        asked = told.get("scenario", {}).get("blocks", {}).get("soak")
        if asked == lasting_s and not told.get("interrupted"):
            found.append((str(told.get("started_utc")), file.parent))
    return max(found)[1] if found else None


def judged(told: Mapping[str, Any]) -> Found:
    """The bars, from run.json; raises BenchkitError where nothing was measured."""
    if len(told["cells"]) != 1 or not told["cells"][0]["account"]["scheduled"]:
        raise BenchkitError("the soak measured nothing", remedy="see the failures of its run directory")
    return Found(told, (*_memory(told["growth"]), *_counts(told["growth"]), *_messages(told["cells"][0])))


def _memory(growth: Mapping[str, Any]) -> Iterator[Bar]:
    if not growth:
        yield Bar("memory flat", "a soak of less than ten minutes says nothing about an hour", None)
    for name, kept_ in growth.items():
        slope = kept_["memory"].get("rss_bytes")
        if slope is None:
            yield Bar(f"memory of {name} flat", "this system does not tell it", None)
            continue
        low, high = (bound / 1e6 for bound in slope["per_hour_ci95"])
        reached = f"{slope['per_hour'] / 1e6:+.2f} MB/h [{low:.2f}, {high:.2f}], at most {slope['most'] / 1e6:.1f} MB"
        yield Bar(f"memory of {name} flat", reached, kept_["flat"])


def _counts(growth: Mapping[str, Any]) -> Iterator[Bar]:
    for what in ("descriptors", "threads"):
        known = {name: kept_["counts"][what] for name, kept_ in growth.items() if what in kept_["counts"]}
        if not known:
            yield Bar(f"no growth of {what}", "not known", None)
            continue
        reached = ", ".join(f"{name} {count['first']} -> {count['last']}" for name, count in known.items())
        yield Bar(f"no growth of {what}", reached, not any(count["grown"] for count in known.values()))


def _messages(cell: Mapping[str, Any]) -> Iterator[Bar]:
    account, rate = cell["account"], cell["load"]
    missing = {name: account[name] for name in (*_FATES, *_NEVER) if account[name]}
    whole = account["delivered"] + sum(account[name] for name in _FATES) == account["scheduled"]
    told = ", ".join(f"{count} {name}" for name, count in missing.items()) or "none lost, dropped or twice"
    reached = f"{account['scheduled']} scheduled, {account['delivered']} delivered; {told}"
    yield Bar("every message accounted for", reached, whole and not missing)
    share = rate["achieved_per_s"] / rate["offered_per_s"]
    capacity = 1 / cell["parameters"]["stage"]["service"]
    at = rate["offered_per_s"] / capacity
    reached = (
        f"{rate['achieved_per_s']:.2f}/s of {capacity:g}/s by its service time, {share:.2%} of what was asked"
    )
    yield Bar(f"under load at {LOAD:.0%} of capacity", reached, share >= OFFERED and at >= LOAD - 1e-9)
