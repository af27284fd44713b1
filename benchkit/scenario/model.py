"""What a scenario may say: the sections that hold for the whole, and the axes that may be swept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from benchkit.alerts.options import AlertOptions
from benchkit.faults.base import Fault
from benchkit.flow.options import FlowOptions
from benchkit.link.options import LinkOptions
from benchkit.load import base as load_base
from benchkit.load.search import Promises, Search
from benchkit.plugins import Registry
from benchkit.scenario.hops import Pipeline
from benchkit.scenario.nodes import Where
from benchkit.sources import base as source_base
from benchkit.stages import base as stage_base
from benchkit.tensors.codecs import base as codec_base
from benchkit.transports import base as transport_base
from benchkit.units import PerSecond, Seconds, Share

MAX_CELLS = 1000
"""Cells of a plan before `exclude` and `--only`."""
MAX_ROUNDS = 1000

Positive = Annotated[Seconds, Field(gt=0)]


class Section(BaseModel):
    """Options that are not a plug-in's; unknown ones are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Header(Section):
    """What the scenario is called and how it behaves as a whole."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,63}$",
        description="small letters, digits and -; names the run directory",
    )
    description: str = Field("", max_length=4000)
    seed: int = Field(0, ge=0, lt=1 << 63, description="whatever is random is derived from it")
    on_error: Literal["continue", "stop"] = Field(
        "continue", description="what a stage's exception does to its block"
    )


class QuickOptions(Section):
    """What `--quick` makes of the blocks, for a load that its own numbers are too short for."""

    rounds: int | None = Field(None, ge=1, le=MAX_ROUNDS, description="blocks of each cell (default: 3)")
    duration: Positive | None = Field(None, description="measured part of a block (default: 160ms)")
    warmup: Seconds | None = Field(None, description="default: 30ms")
    drain: Positive | None = Field(None, description="default: 200ms")


class BlockOptions(Section):
    """How long and how often each cell is measured."""

    rounds: int = Field(
        3, ge=1, le=MAX_ROUNDS, description="blocks of each cell; 12 tell cells apart that differ by 5%"
    )
    duration: Positive = Field(1.0, description="measured part of a block")
    warmup: Seconds = Field(0.2, description="sent first and counted in no statistic, at the least")
    drain: Positive = Field(2.0, description="how long the last messages may take to be answered")
    warmup_max: Seconds | None = Field(
        None, description="within it warm-up may be found to last longer; by default warmup + duration / 3"
    )

    soak: Positive | None = Field(
        None, description="measure for this long instead of `rounds`; the round under way is ended"
    )
    quick: QuickOptions = Field(
        QuickOptions(), description="what --quick makes of them, where they are longer than that"
    )

    @property
    def longest_warmup_s(self) -> float:
        """`warmup_max`, or its default."""
        return self.warmup + self.duration / 3 if self.warmup_max is None else self.warmup_max


class Checks(Section):
    """How closely content is verified; the cheap fingerprint is always on."""

    full_every: int = Field(
        128, ge=1, le=1_000_000, description="every how many messages all bytes are checked"
    )
    replies: bool = Field(True, description="compare replies with a local run, where there are replies")


class Slo(Section, Promises):
    """Promises that the run is held to; none by default."""

    mean: Positive | None = None


WAITS = ("lateness", "queue", "batch")
"""Phases that are no work: they follow from the others, and there is nothing in them to slow."""


def _work(value: Any) -> Any:
    if value in WAITS:
        raise ValueError(
            f"{value} is waiting, not work: it cannot be slowed, it follows from the other phases"
        )
    return value


WorkPhase = Annotated[
    Literal["encode", "send", "transit", "decode", "compute", "reply", "return"], BeforeValidator(_work)
]
Margin = Annotated[Share, Field(gt=0, lt=1)]
Level = Annotated[Share, Field(gt=0, le=1)]
Least1 = Annotated[int, Field(ge=1, le=65536)]


class WhatIfOptions(Section):
    """What a change would buy: predicted, tried by slowing phases, and with `confirm` really made."""

    run: bool = Field(True, description="false keeps the section for later")
    phases: tuple[WorkPhase, ...] | None = Field(
        None, description="phases that are slowed, [] for none; by default the longest ones"
    )
    slow: tuple[Level, ...] = Field(
        (0.05, 0.1, 0.2), min_length=2, max_length=8, description="by how much of its mean a phase is slowed"
    )
    rounds: int = Field(12, ge=3, le=200, description="blocks of each level, as far as `longest` allows")
    duration: Positive = Field(0.25, description="measured part of a block, longer where messages are few")
    longest: Positive = Field(
        120.0, description="time for all of it together; fewer phases and rounds if it must be"
    )
    cells: Literal["first", "all"] = Field(
        "first",
        description="cells that are experimented on: the first of each group, as it is written, or all",
    )
    confirm: bool = Field(
        False, description="make the changes that can be made, and compare with what was predicted"
    )
    transport: tuple[str, ...] | None = Field(
        None, description="to ask about, [] for none; by default the others of the scenario"
    )
    codec: tuple[str, ...] | None = Field(
        None, description="to ask about, [] for none; by default the others of the scenario"
    )
    workers: tuple[Least1, ...] | None = Field(
        None, description="to ask about, [] for none; by default twice as many"
    )
    batch: tuple[Least1, ...] = Field((), description="batch sizes to ask about")


class FaultOptions(Section):
    """How long the parts of a trial last in which something goes wrong, and what load the cell has meanwhile."""

    run: bool = Field(False, description="do it; `benchkit run --faults` sets it")
    warmup: Seconds = Field(0.3, le=600, description="load before anything is counted")
    before: Positive = Field(
        1.0, le=600, description="load before the fault: the control band; 8 windows at least"
    )
    after: Positive = Field(2.0, le=3600, description="load after the fault was undone; 8 windows at least")
    window: Positive = Field(
        0.1, le=60, description="stretches in which recovery is looked for; of 5 messages at least"
    )
    spread: Seconds = Field(0.5, le=600, description="a moment that is not scripted falls within so long")
    patience: Positive = Field(
        10.0, le=3600, description="how long messages may take to come to rest at the end"
    )
    times: int = Field(
        1, ge=1, le=1000, description="trials of each fault in each cell, each with its own seed"
    )
    rate: PerSecond | None = Field(
        None,
        le=100_000,
        description="messages per second; by default the cell's own, and half of what it can where its load has none",
    )


GATE_METRICS: Final = ("p50", "p99", "throughput")


class GateOptions(Section):
    """How `benchkit check --base` compares: what is still the same, and how often it looks."""

    p50: Margin | None = Field(0.03, description="how much slower the median may be; null: not gated")
    p99: Margin | None = Field(0.10, description="how much slower the 99th percentile may be")
    throughput: Margin | None = Field(0.03, description="how much lower it may be")
    blocks: int = Field(20, ge=5, le=200, description="runs of each side, at most")
    duration: Positive | None = Field(
        None, description="measured part of a run; by default rounds x duration of a cell, at most 1s"
    )
    cells: list[dict[str, Any]] = Field(
        [], description="cells with other limits, for example - {transport: http, p50: 5%}"
    )


class Workers(Section):
    """Stage workers."""

    workers: int = Field(1, ge=1, le=256, description="processes that run the stage")


class Producers(Section):
    """Producers that share one schedule."""

    producers: int = Field(1, ge=1, le=64, description="processes that send the messages of one schedule")


class Batch(Section):
    """How messages are gathered before the stage runs."""

    size: int = Field(1, ge=1, le=65536, description="most messages run together")
    delay: Seconds = Field(0.0, description="longest wait for a batch to fill")


class Replies(Section):
    """Whether the stage answers."""

    replies: bool = Field(
        True, description="send the stage's output back; latency then runs until it is seen"
    )


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing that may be swept: a plug-in seam (`registry`) or a section of plain options (`model`)."""

    name: str
    noun: str
    tag: str = ""
    """The key that names the plug-in."""
    registry: Registry[Any] | None = None
    search_tag: str = ""
    """The key that names a plug-in which is a search; what `tag` names is then an option of it."""
    model: type[BaseModel] | None = None
    default: str | None = None
    """The plug-in, where none is named; None where one must be."""
    field: str = ""
    """The option that a single value stands for (`workers: 2`, `batch: 4`)."""


AXES: dict[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis("source", "source", "kind", source_base.registry),
        Axis("codec", "codec", "kind", codec_base.registry, default="raw"),
        Axis("transport", "transport", "kind", transport_base.registry),
        Axis("stage", "stage", "kind", stage_base.registry, default="null"),
        Axis("load", "arrival", "arrival", load_base.registry, search_tag="find"),
        Axis("workers", "workers", model=Workers, field="workers"),
        Axis("producers", "producers", model=Producers, field="producers"),
        Axis("batch", "batch", model=Batch, field="size"),
        Axis("replies", "replies", model=Replies, field="replies"),
        Axis("link", "link", model=LinkOptions, field="profile"),
        Axis("flow", "flow", model=FlowOptions, field="policy"),
        Axis("pipeline", "pipeline", model=Pipeline, field="pipeline"),
    )
}

WHOLE: dict[str, type[BaseModel]] = {
    "blocks": BlockOptions, "checks": Checks, "slo": Slo, "what_if": WhatIfOptions,
    "gate": GateOptions, "alerts": AlertOptions,
}  # fmt: skip
"""Sections of one value for the whole scenario."""

KEYS: tuple[str, ...] = (*Header.model_fields, *AXES, *WHOLE, "faults", "promises", "exclude", "include")
"""What may stand at the top of a scenario."""


def tag_of(axis: Axis, model: type[BaseModel]) -> str:
    """The key that names this plug-in of the axis."""
    return axis.search_tag if axis.search_tag and issubclass(model, Search) else axis.tag


@dataclass(frozen=True, slots=True)
class Choice:
    """One validated value of one axis."""

    axis: Axis
    kind: str
    """The plug-in's name; empty for a section of plain options."""
    value: BaseModel
    where: Where
    places: dict[str, Where]
    """Where each given option was written."""
    identity: str
    """Equal for equal choices. Holds secrets in clear: it is compared and never shown."""


@dataclass(frozen=True, slots=True)
class Group:
    """A product of axes, in document order."""

    where: Where
    axes: dict[str, tuple[Choice, ...]]


@dataclass(frozen=True, slots=True)
class Rule:
    """Combinations to leave out: a cell that matches every key of `terms`."""

    where: Where
    terms: dict[str, tuple[Pattern, ...]]


@dataclass(frozen=True, slots=True)
class Pattern:
    """One value that an axis is matched with; shell wildcards are allowed."""

    where: Where
    text: str


@dataclass(frozen=True, slots=True)
class GateRule:
    """Cells that are held to other limits than the rest."""

    rule: Rule
    deltas: Mapping[str, float | None]
    """Of the metrics that the entry names; None: not gated."""


@dataclass(frozen=True, slots=True)
class Faulting:
    """What goes wrong in trials of their own, after the blocks."""

    options: FaultOptions
    faults: tuple[Fault, ...]
    """None: each party is killed, and stopped."""

    def expected_s(self, cells: int) -> float:
        """About how long it takes: each fault in each cell, and once nothing."""
        asked = self.options
        each_s = asked.warmup + asked.before + asked.after + asked.spread + 1.0
        faults = self.faults or (None,) * 6
        lasting_s = sum(fault.lasting if fault else 0.5 for fault in faults)
        return cells * asked.times * ((len(faults) + 1) * each_s + lasting_s)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario, validated."""

    folder: Path
    header: Header
    blocks: BlockOptions
    checks: Checks
    slo: Slo
    groups: tuple[Group, ...]
    exclude: tuple[Rule, ...]
    overridden: bool
    """Something was set on the command line."""
    what_if: WhatIfOptions | None = None
    """None where nothing is asked."""
    gate: GateOptions | None = None
    """None where the section is not written."""
    gate_rules: tuple[GateRule, ...] = ()
    budgets: tuple[str, ...] = ()
    """The sentences of `promises`."""
    faulting: Faulting | None = None
    alerts: AlertOptions | None = None
    """None where the section is not written."""
