"""What-if checked against truth: predicted capacities beside the changes really made, slopes beside known ones.

Three kinds of pipelines are run as any scenario with `what_if` is:

- swaps of transport, codec, workers and batch size, each really made in interleaved blocks by `confirm`;
- pairs of cells of which one's stage takes half as long: what "compute twice as fast" predicts for the slow one
  is held against the fast one, measured in the same rounds;
- closed loops whose critical path is known: with one message in flight every phase's time is paid in full
  (slope 1), with four and a slow stage the stage's is paid and the encoder's is not (slope 0).

The bars are those of the tool's promise: capacity within 10% in the median and 25% in the 90th percentile, and
intervals of slopes that hold the truth in at least 90%.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

import numpy as np

from benchkit.analysis.document import document
from benchkit.engine.runner import Progress, Runner, Watch
from benchkit.load.closed import Closed
from benchkit.records.run import Run
from benchkit.scenario.model import WhatIfOptions
from benchkit.scenario.plan import Blocks, Plan, PlannedCell
from benchkit.sources.base import Source
from benchkit.sources.camera import Camera
from benchkit.sources.sensors import Sensors
from benchkit.stages.synthetic import Synthetic
from benchkit.tensors.codecs import base as codecs
from benchkit.transports import base as transports

MEDIAN_ERROR: Final = 0.10
P90_ERROR: Final = 0.25
CONTAINED: Final = 0.90
_IN_FLIGHT: Final = 4
_BLOCK_S: Final = 0.25
_ROUNDS_OF_SLOPES: Final = 12
"""As many as a run has by default."""
_MEASURED_S: Final = 0.3
"""Of a cell's own block; the rest is trials."""

_STAGES: Final[tuple[tuple[Literal["spin", "sleep"], float], ...]] = (("spin", 0.002), ("sleep", 0.006))

Family = Literal["swaps", "twice as fast", "workers", "batch", "one in flight", "four in flight"]


@dataclass(frozen=True, slots=True)
class Compared:
    """A capacity that was predicted and the one that was measured, per second."""

    family: Family
    what: str
    now: float
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """Of the prediction, as a share of what was measured."""
        return abs(self.predicted / self.measured - 1)


@dataclass(frozen=True, slots=True)
class Sloped:
    """The slope of the time per message over the time added to a phase, and what it must be."""

    family: Family
    what: str
    truth: float
    value: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """The interval holds the truth."""
        return self.low <= self.truth <= self.high


@dataclass(slots=True)
class Found:
    """Everything that was found."""

    compared: list[Compared] = field(default_factory=list)
    sloped: list[Sloped] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """What could not be compared, and why: neither a hit nor a miss, and never silent."""

    def plain(self) -> dict[str, Any]:
        """Figures and bars; a bar is None where nothing could be compared."""
        errors = [each.error for each in self.compared]
        median, p90 = (float(np.quantile(errors, q)) for q in (0.5, 0.9)) if errors else (None, None)
        held = sum(each.holds for each in self.sloped) / len(self.sloped) if self.sloped else None
        return {
            "capacity": {"count": len(errors), "median_error": median, "p90_error": p90},
            "sensitivity": {"count": len(self.sloped), "contained": held},
            "kept": {
                "median_error": None if median is None else median <= MEDIAN_ERROR,
                "p90_error": None if p90 is None else p90 <= P90_ERROR,
                "contained": None if held is None else held >= CONTAINED,
            },
            "compared": [{**asdict(each), "error": each.error} for each in self.compared],
            "sloped": [{**asdict(each), "holds": each.holds} for each in self.sloped],
            "missing": self.missing,
        }

    def lines(self) -> Iterator[str]:
        """For people: each comparison, then the bars."""
        for each in self.compared:
            rates = f"{each.now:8.0f}/s -> {each.predicted:6.0f}/s predicted, {each.measured:6.0f}/s measured"
            yield f"{each.family}: {each.what}"
            yield f"  {rates}, error {each.error:.0%}"
        for one in self.sloped:
            told = f"slope {one.value:.2f} [{one.low:.2f}, {one.high:.2f}], truth {one.truth:g}"
            yield f"{one.family}: {one.what}"
            yield f"  {told}{'' if one.holds else '  MISSED'}"
        for why in self.missing:
            yield f"not compared: {why}"
        yield from self.bars()

    def bars(self) -> Iterator[str]:
        """What was promised, what was reached."""
        plain = self.plain()
        capacity, slopes, kept = plain["capacity"], plain["sensitivity"], plain["kept"]
        rows = (
            (f"median error of {capacity['count']} capacities", "median_error", f"<= {MEDIAN_ERROR:.0%}"),
            ("90th percentile of them", "p90_error", f"<= {P90_ERROR:.0%}"),
            (
                f"intervals of {slopes['count']} slopes that hold the truth",
                "contained",
                f">= {CONTAINED:.0%}",
            ),
        )
        for name, key, bar in rows:
            value, wanted = {**capacity, **slopes}[key], kept[key]
            said = "nothing to compare" if value is None else f"{value:.1%}"
            yield f"{name}: {said} ({bar}) {'-' if wanted is None else 'kept' if wanted else 'BROKEN'}"


def expected_s(*, short: bool = False) -> float:
    """About how long it takes."""
    return sum(plan.expected_s for _, plan in plans(short=short))


def check(watch: Watch, *, short: bool = False, seed: int = 0) -> Found:
    """Run all pipelines; raises BenchkitError where one cannot be run here."""
    found = Found()
    every = list(plans(short=short, seed=seed))
    for at, (family, plan) in enumerate(every):
        watch(Progress(f"what-if: {family}", at, len(every)))
        run = Runner(plan, lambda _: None).run()
        _score(family, run, found)
    watch(Progress("done", len(every), len(every)))
    return found


# The pipelines -------------------------------------------------------------------------------------------


def plans(*, short: bool = False, seed: int = 0) -> Iterator[tuple[Family, Plan]]:
    """What is run, in order; `short` has fewer of everything and takes about a minute."""
    frame, window = Camera(size="320x240", distinct=2), Sensors(samples=144, channels=12, distinct=2)
    kinds = ("unix", "shm") if short else ("unix", "shm", "redis-list")
    swaps = [_cell(kind, codec, frame, 0.001) for kind in kinds for codec in ("raw", "json-base64")]
    rounds = 4 if short else 5
    yield "swaps", _plan(swaps, rounds, seed, 20 if short else 80, phases=(), confirm=True, workers=())
    if not short:
        fast = [_cell(kind, codec, window, 0.0003) for kind in kinds for codec in ("raw", "msgpack")]
        yield "swaps", _plan(fast, rounds, seed + 1, 80, phases=(), confirm=True, workers=())
    pairs = [
        _cell(kind, "raw", window, service_s / part, busy=busy, group=f"{kind} {busy} {service_s * 1e3:g} ms")
        for kind in (kinds if short else (*kinds, "inproc"))
        for busy, service_s in (_STAGES[:1] if short else _STAGES)
        for part in (1, 2)
    ]
    yield "twice as fast", _plan(pairs, 3, seed + 2, 20 if short else 60, phases=(), workers=())
    crowd = [_cell(kind, "raw", window, 0.004, busy="sleep", group=kind) for kind in kinds]
    yield (
        "workers",
        _plan(crowd, rounds, seed + 3, 12 if short else 30, phases=(), confirm=True, workers=(2,)),
    )
    if not short:
        yield "batch", _plan(crowd, rounds, seed + 4, 30, phases=(), confirm=True, workers=(), batch=(4,))
    loops = [
        _cell(kind, "json-base64", frame, 0.001, places=1)
        for kind in (kinds[1:2] if short else ("shm", "unix", "inproc"))
    ]
    # Of a phase of some ten microseconds a fifth is lost in the noise: its interval would hold anything.
    work: tuple[Any, ...] = ("encode", "compute") if short else ("encode", "decode", "compute")
    slowed = rounds + 1 if short else _ROUNDS_OF_SLOPES
    yield "one in flight", _plan(loops, slowed, seed + 5, 25 if short else 170, phases=work)
    if not short:
        # A stage that slept would let its core go idle, and whoever slowed the producer would keep it awake: what is
        # true would not be known.
        apart = [_cell(kind, "json-base64", frame, 0.006) for kind in ("shm", "unix")]
        yield "four in flight", _plan(apart, slowed, seed + 6, 100, phases=("encode", "compute"))


def _cell(
    kind: str, codec: str, source: Source, service_s: float, *,
    busy: Literal["spin", "sleep"] = "spin", group: str = "x", places: int = _IN_FLIGHT,
) -> PlannedCell:  # fmt: skip
    stage = Synthetic(service=service_s, busy=busy)
    return PlannedCell(
        id=f"{kind}/{codec}/{group}/{service_s * 1e3:g}ms".replace(" ", "-"), group=group, source=source,
        codec=codecs.registry.build({"kind": codec}),
        transport=transports.registry.build({"kind": kind, "depth": max(8, places)}),
        stage=stage, load=Closed(in_flight=places), workers=1, batch_size=1, batch_delay_s=0.0, replies=True,
    )  # fmt: skip


def _plan(cells: list[PlannedCell], rounds: int, seed: int, longest_s: float, **options: Any) -> Plan:
    asked = WhatIfOptions(cells="all", rounds=rounds, duration=_BLOCK_S, longest=longest_s, **options)
    return Plan(
        name="selftest", seed=seed, quick=False, cells=tuple(cells), order=range(len(cells)),
        blocks=Blocks(1, _MEASURED_S, _MEASURED_S / 5, 2.0), checksum_every=128, check_replies=False,
        on_error="stop", slo={}, resolved={"name": "selftest"}, what_if=asked,
    )  # fmt: skip


# How they did --------------------------------------------------------------------------------------------


def _score(family: Family, run: Run, found: Found) -> None:
    cells = document(run)["cells"]
    for cell in cells:
        answers = cell["what_if"]
        if not answers or not answers["now"]:
            found.missing.append(
                f"{family}: {cell['id']}: {'; '.join(answers['left_out']) if answers else 'no trials'}"
            )
        elif family == "twice as fast":
            _halves(cell, cells, found)
        elif family in ("one in flight", "four in flight"):
            found.sloped += _slopes(family, cell)
        else:
            found.compared += _confirmed(family, cell)


def _confirmed(family: Family, cell: Mapping[str, Any]) -> Iterable[Compared]:
    for each in cell["what_if"]["confirmed"]:
        capacity = each["capacity_per_s"]
        if capacity and capacity["predicted"]:
            what = f"{cell['transport']} {cell['codec']}: {each['words']}"
            yield Compared(family, what, capacity["now"], capacity["predicted"], capacity["measured"])


def _halves(cell: Mapping[str, Any], cells: Iterable[Mapping[str, Any]], found: Found) -> None:
    """The slow one of a pair is asked, the fast one answers."""
    slow_s = cell["parameters"]["stage"]["service"]
    for other in cells:
        alike = other["group"] == cell["group"] and other["parameters"]["stage"]["service"] == slow_s / 2
        if alike and other["what_if"] and other["what_if"]["now"]:
            predicted = next(p for p in cell["what_if"]["predictions"] if p["change"] == "compute/2")
            capacity, truth = predicted["capacity_per_s"], other["what_if"]["now"]["capacity_per_s"]
            found.compared.append(
                Compared("twice as fast", cell["group"], capacity["now"], capacity["predicted"], truth)
            )


def _slopes(family: Family, cell: Mapping[str, Any]) -> Iterable[Sloped]:
    for each in cell["what_if"]["sensitivity"]:
        slope = each["throughput"]
        if slope is not None:
            truth = 1.0 if family == "one in flight" or each["phase"] == "compute" else 0.0
            what = f"{cell['transport']}: {each['phase']} ({each['mean_us']:.0f} us)"
            yield Sloped(family, what, truth, slope["per_added"], *slope["per_added_ci95"])


__all__ = [
    "CONTAINED",
    "MEDIAN_ERROR",
    "P90_ERROR",
    "Compared",
    "Found",
    "Sloped",
    "check",
    "expected_s",
    "plans",
]
