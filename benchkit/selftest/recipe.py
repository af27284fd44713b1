"""One pipeline as plain values, and the planned cell that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from benchkit.link.options import LinkOptions
from benchkit.load import base as loads
from benchkit.scenario.plan import PlannedCell, PlannedHop
from benchkit.sources import base as sources
from benchkit.stages import base as stages
from benchkit.tensors.codecs import base as codecs
from benchkit.transports import base as transports

Options = Mapping[str, Any]

WINDOW: Final[Options] = {"kind": "sensors", "samples": 144, "channels": 12, "distinct": 2}
"""7 kB: what a dam's instruments send."""
UNLIMITED: Final = "100GB/s"
"""Of a link that is there and limits nothing."""
CHAIN: Final = ("decode", "detect", "track")
"""Stages of a pipeline with several."""
BROKERED: Final = frozenset({"redis-list", "redis-stream"})


@dataclass(frozen=True, slots=True)
class Spent:
    """Microseconds that a message is made to spend in each of the phases that can be drawn out."""

    encode: float = 0.0
    send: float = 0.0
    transit: float = 0.0
    decode: float = 0.0
    compute: float = 0.0

    def plain(self) -> dict[str, float]:
        """By phase."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True)
class Recipe:
    """One pipeline."""

    transport: Options
    codec: Options = field(default_factory=lambda: {"kind": "raw"})
    source: Options = field(default_factory=lambda: WINDOW)
    stage: str = ""
    """A stage of `parts.stages` whose amount is `spent.compute`; empty: `burning`; `asleep`: a sleeping `synthetic`
    one; or `null`.
    """
    load: Options = field(default_factory=lambda: {"kind": "constant", "rate": 100.0})
    spent: Spent = Spent()
    by: Mapping[str, str] = field(default_factory=dict)
    """How time is spent in a phase; where nothing is said the way waits and the rest spins."""
    planted: Options = field(default_factory=dict)
    """Further options of the planting transport."""
    link: Options = field(default_factory=dict)
    """Options of a link between the parties; empty: none."""
    replies: bool = False
    batch_size: int = 1
    batch_delay_us: float = 0.0
    workers: int = 1
    in_hop: int = -1
    """Of a chain of three stages, the one to which all that is spent belongs, with the way to it; -1: no chain."""

    def cell(self, name: str) -> PlannedCell:
        """As the runner takes it."""
        hops = self._hops()
        first = hops[0] if hops else None
        return PlannedCell(
            id=name, group=name, source=sources.registry.build(dict(self.source)),
            codec=first.codec if first else self._codec(), transport=first.transport if first else self._transport(),
            stage=first.stage if first else self._stage(), load=loads.registry.build(dict(self.load)),
            workers=self.workers, batch_size=self.batch_size, batch_delay_s=self.batch_delay_us / 1e6,
            replies=self.replies, link=LinkOptions(**self.link) if self.link else None, hops=hops,
        )  # fmt: skip

    def _hops(self) -> tuple[PlannedHop, ...]:
        if self.in_hop < 0:
            return ()
        plain = replace(self, spent=Spent(), planted={})
        return tuple(
            self._hop(number, self if number == self.in_hop else plain) for number in range(len(CHAIN))
        )

    def _hop(self, number: int, own: Recipe) -> PlannedHop:
        return PlannedHop(
            CHAIN[number], number - 1, own._stage(), self.workers, self.batch_size, 0.0, own._transport(),
            own._codec(),
        )  # fmt: skip

    def _codec(self) -> codecs.Codec:
        by = {f"{phase}_by": self.by[phase] for phase in ("encode", "decode") if phase in self.by}
        amounts = {"encode_us": self.spent.encode, "decode_us": self.spent.decode}
        if not any(amounts.values()):
            return codecs.registry.build(dict(self.codec))
        return codecs.registry.build({"kind": "selftest-planted", "inner": dict(self.codec), **amounts, **by})

    def _transport(self) -> transports.Transport:
        kind = "selftest-planted-broker" if self.transport["kind"] in BROKERED else "selftest-planted"
        by = {"send_by": self.by.get("send", "wait"), "receive_by": self.by.get("transit", "wait")}
        amounts = {"send_us": self.spent.send, "receive_us": self.spent.transit}
        if not any(amounts.values()) and not self.planted:
            return transports.registry.build(dict(self.transport))
        options = {"kind": kind, "inner": dict(self.transport), **amounts, **by, **self.planted}
        return transports.registry.build(options)

    def _stage(self) -> stages.Stage:
        if self.stage == "null":
            return stages.registry.build({"kind": "null"})
        if self.stage == "asleep":
            service = {"service": self.spent.compute / 1e6, "busy": "sleep"}
            return stages.registry.build({"kind": "synthetic", **service})
        from benchkit.selftest.parts.stages import target

        busy = target(self.stage or "burning", self.spent.compute)
        return stages.registry.build({"kind": "python", "target": busy})

    def payload_bytes(self) -> int:
        """Of its first message's arrays."""
        first = next(iter(sources.registry.build(dict(self.source)).items(0)))
        return sum(array.nbytes for array in first.arrays.values())

    def spending(self, **us: float) -> Recipe:
        """The same with other amounts."""
        return replace(self, spent=replace(self.spent, **us))
