"""What is planted: one row a kind, with what the verdict must say of it.

`phases` and `resources` are all that the plant itself fills; where it fills two (a narrow link holds the sender up
and then delays the message), each of them is right. `kinds` likewise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from benchkit.selftest import shapes
from benchkit.selftest.recipe import CHAIN, UNLIMITED, Recipe
from benchkit.selftest.shapes import Shape

ANY_PHASE: Final = (
    "producer",
    "encode",
    "send",
    "queue",
    "transit",
    "decode",
    "batch",
    "compute",
    "reply",
    "return",
)


@dataclass(frozen=True, slots=True)
class Truth:
    """What counts as right."""

    phases: tuple[str, ...]
    resources: tuple[str, ...]
    kinds: tuple[str, ...]
    stage: str = ""
    """The stage of a pipeline that must be named; empty where there is one stage."""


HEALTHY: Final = Truth(("none",), ("none",), ("none",))


@dataclass(frozen=True, slots=True)
class Planted:
    """One kind of planted bottleneck."""

    name: str
    truth: Truth
    variants: tuple[Recipe, ...]
    """Pipelines that it is planted in; trials take them in turn."""
    shape: Shape
    refused: str = ""
    """The code of the reason for which its cells must be invalid; empty where they must be valid."""

    @property
    def healthy(self) -> bool:
        """Nothing is planted."""
        return self.truth == HEALTHY

    @property
    def contended(self) -> bool:
        """Waiting for cores is what is planted."""
        return "core-contention" in self.truth.kinds

    def variant(self, seed: int, level: int) -> Recipe:
        """The pipeline of a trial: `level` is the number of its level."""
        return self.variants[(seed + level) % len(self.variants)]


def _on(*kinds: str, **options: Any) -> tuple[Recipe, ...]:
    return tuple(Recipe(transport={"kind": kind}, **options) for kind in kinds)


_FRAME: Final = {"kind": "camera", "size": "64x48", "distinct": 2}
_BIG: Final = {"kind": "camera", "size": "640x360", "distinct": 2}
_SMALL: Final = {"kind": "camera", "size": "160x120", "distinct": 2}
_EMPTY: Final = {"kind": "sensors", "samples": 4, "channels": 4, "distinct": 1}
_WAYS: Final = ("shm", "unix", "zeromq", "redis-list", "http", "redis-stream", "mp-queue")
_CODECS: Final[dict[str, dict[str, Any]]] = {
    "json-base64": {"codec": {"kind": "json-base64"}},
    "zstd": {"codec": {"kind": "zstd", "level": 9}},
    "jpeg": {"codec": {"kind": "jpeg"}, "source": _FRAME},
    "msgpack": {"codec": {"kind": "msgpack"}},
    "npy": {"codec": {"kind": "npy"}},
}


def _coded(codec: str, phase: str, resource: str) -> Planted:
    truth = Truth((phase,), (resource,), ("serialisation-bound",))
    ways = ("shm", "unix", "redis-list")
    variants = tuple(replace(each, by={phase: "codec"}) for each in _on(*ways, **_CODECS[codec]))
    return Planted(f"{codec} {phase}", truth, variants, shapes.drawn_out(phase))


def _copying(phase: str) -> tuple[Recipe, ...]:
    ways = [{"kind": kind} for kind in _WAYS]
    ways.append({"kind": "redis-list", "client": "plain"})
    return tuple(Recipe(way, source=_BIG, by={phase: "copy"}) for way in ways)


def _stage(name: str, stage: str, kind: str) -> Planted:
    variants = _on("shm", "unix", "redis-list", stage=stage)
    return Planted(name, Truth(("compute",), ("stage",), (kind,)), variants, shapes.drawn_out("compute"))


def _linked(kind: str, phase: str, side: str = "producer", **options: Any) -> Recipe:
    link = {"rate": UNLIMITED, "side": side}
    return Recipe({"kind": kind, **options}, source=_SMALL, link=link, by={"link": phase})


_LINKED: Final = (
    _linked("http", "transit"), _linked("redis-list", "send", socket="tcp"),
    _linked("zeromq", "transit", via="tcp"), _linked("redis-list", "transit", "stage", socket="tcp"),
)  # fmt: skip
"""Where the way through the link shows: a client that waits for the broker's answer is held in `send`."""


def _chained(number: int) -> Planted:
    """A stage of three computes for longer."""
    truth = Truth(("compute",), ("stage",), ("compute-bound",), CHAIN[number])
    variants = _on("shm", "unix", "redis-list", stage="passing", in_hop=number)
    return Planted(f"chain, slow {CHAIN[number]}", truth, variants, shapes.drawn_out("compute"))


def _coded_hop(number: int) -> Planted:
    """A stage of three encodes for longer what it hands on."""
    truth = Truth(("encode",), ("stage",), ("serialisation-bound",), CHAIN[number - 1])
    variants = _on(
        "shm",
        "unix",
        "redis-list",
        stage="passing",
        in_hop=number,
        by={"encode": "codec"},
        **_CODECS["json-base64"],
    )
    return Planted(f"chain, dear codec to {CHAIN[number]}", truth, variants, shapes.drawn_out("encode"))


def _healthy(*ways: str) -> Planted:
    return Planted(f"healthy, {ways[0]}", HEALTHY, _on(*ways, replies=True), shapes.even)


_PRODUCER: Final = ("producer-bound", "serialisation-bound")
"""It is encoding that keeps it busy, and with few messages in flight that is as large a part as their wait."""

KINDS: Final[tuple[Planted, ...]] = (
    *(_coded(codec, "encode", "producer") for codec in _CODECS),
    *(_coded(codec, "decode", "stage") for codec in ("json-base64", "zstd", "jpeg")),
    Planted(
        "client copies, sending", Truth(("send",), ("producer",), ("client-copy-bound",)),
        _copying("send"), shapes.drawn_out("send"),
    ),
    Planted(
        "client copies, receiving", Truth(("transit",), ("stage",), ("client-copy-bound",)),
        _copying("transit"), shapes.drawn_out("transit"),
    ),
    Planted(
        "broker with a fraction of a core", Truth(("transit",), ("broker",), ("broker-bound",)),
        _on("redis-list", "redis-stream"), shapes.stopped_broker,
    ),
    Planted(
        "narrow link", Truth(("send", "transit"), ("link",), ("bandwidth-bound",)),
        _LINKED, shapes.narrow_link,
    ),
    Planted(
        "distant link", Truth(("send", "transit"), ("link",), ("delay-bound",)),
        _LINKED, shapes.distant_link,
    ),
    Planted(
        "wake-ups", Truth(("transit",), ("link", "broker"), ("wake-up-bound",)),
        _on("unix", "zeromq", "redis-list", by={"transit": "wakes"}), shapes.drawn_out("transit"),
    ),
    _stage("compute, spinning", "", "compute-bound"),
    _stage("compute, numpy", "multiplying", "compute-bound"),
    _stage("lock wait", "locked", "lock-bound"),
    _stage("stage waits for a device", "asleep", "lock-bound"),
    _stage("garbage collector", "collecting", "gc-bound"),
    Planted(
        "batch wait", Truth(("batch",), ("stage",), ("batching-wait",)),
        _on("shm", "unix", "redis-list", batch_size=4), shapes.batch,
    ),
    Planted(
        "producer cannot keep up", Truth(("encode", "producer"), ("producer",), _PRODUCER),
        _on("shm", "unix", "zeromq", replies=True), shapes.busy_producer,
    ),
    Planted(
        "bursts, two rates", Truth(("queue",), ("stage",), ("burst-queueing",)),
        _on("shm", "unix", stage="asleep"), shapes.bursts("mmpp"),
    ),
    Planted(
        "bursts, gamma gaps", Truth(("queue",), ("stage",), ("burst-queueing",)),
        _on("shm", "unix", stage="asleep"), shapes.bursts("gamma"),
    ),
    Planted(
        "overload", Truth(("queue", "compute"), ("stage",), ("overload", "compute-bound")),
        _on("shm", "unix", "redis-list", replies=True), shapes.busy_stage,
    ),
    Planted(
        "producer and stage on one core", Truth(ANY_PHASE, ("producer", "stage"), ("core-contention",)),
        _on("unix", "shm", stage="burning", replies=True), shapes.one_core,
    ),
    Planted(
        "two workers on one core", Truth(ANY_PHASE, ("stage",), ("core-contention",)),
        _on("unix", "shm", "redis-list", stage="burning", replies=True, workers=2), shapes.workers_on_one_core,
    ),
    *(_chained(number) for number in range(len(CHAIN))),
    _coded_hop(2),
    Planted(
        "slow source", Truth((), (), ()),
        _on("shm", "unix", source={"kind": "camera", "size": "1920x1080", "distinct": 0}), shapes.slow_source,
        refused="source-too-slow",
    ),
    _healthy("shm"),
    _healthy("unix"),
    _healthy("zeromq"),
    _healthy("redis-list", "redis-stream"),
    _healthy("http"),
    Planted(
        "healthy, an empty message", HEALTHY,
        _on("inproc", source=_EMPTY, stage="null", replies=True), shapes.untouched,
    ),
)  # fmt: skip

BY_NAME: Final[Mapping[str, Planted]] = {kind.name: kind for kind in KINDS}
