"""Which trials there are: transports by parties, faults, moments and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from benchkit.faults.base import PARTIES, Moment, Party
from benchkit.transports.base import Transport, registry

MOMENTS: Final[tuple[Moment, ...]] = ("idle", "mid-message", "backlog")
FAULTS: Final = ("kill", "stop")
SEEDS: Final = 10
_DURABLE: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "nats": ("file", {"storage": "file"}),
    "rabbitmq": ("persistent", {"persistent": True}),
    "redis-list": ("AOF always", {"persistence": "aof-always"}),
    "redis-stream": ("AOF always", {"persistence": "aof-always"}),
}
"""Brokers once more with what they keep on a disk: what memory alone held dies with its broker."""


@dataclass(frozen=True, slots=True)
class Column:
    """A transport with its options."""

    name: str
    config: Mapping[str, Any] = field(hash=False, compare=False)

    def build(self) -> Transport:
        """The transport; raises what building it raises."""
        return registry.build(dict(self.config))


@dataclass(frozen=True, slots=True)
class Planned:
    """One trial, before it is run."""

    column: Column
    fault: str
    """`kill`, `stop`, or `none`: the control."""
    party: Party | None
    moment: str
    seed: int

    @property
    def key(self) -> str:
        """`redis-list/kill/stage/mid-message/3`."""
        return "/".join(
            (self.column.name, self.fault, self.party or "none", self.moment or "none", str(self.seed))
        )


def columns(only: Sequence[str] = ()) -> tuple[list[Column], dict[str, str]]:
    """Transports whose parties are processes of ours, and why the others are left out, by kind.

    `only` keeps those whose name contains one of these.
    """
    found: list[Column] = []
    left: dict[str, str] = {}
    for kind in registry.entries():
        made = _of(kind)
        if isinstance(made, str):
            left[kind] = made
            continue
        for name, options in (("", {}), *([_DURABLE[kind]] if kind in _DURABLE else [])):
            full = f"{kind} ({name})" if name else kind
            if not only or any(part in full for part in only):
                found.append(Column(full, {"kind": kind, **options}))
    return found, left


def _of(kind: str) -> Transport | str:
    """The transport with its defaults, or why it has no column."""
    try:
        cls = registry.require(kind)
        lacking = cls.lacks()
        transport = cls()
    except Exception as error:  # noqa: BLE001  (a plug-in that cannot be built is left out with its reason)
        return str(error).splitlines()[0]
    if lacking is not None:
        return lacking.what
    promised = transport.capabilities()
    if promised.same_process:
        return "its parties are threads of one process, which die together"
    if promised.external_stage:
        return "its stage is a server of somebody else's"
    return transport


def planned(chosen: Sequence[Column], seeds: int) -> list[Planned]:
    """All trials, seed after seed, so that a part of them is a fair sample; one control a transport and seed."""
    brokerless = {column.name: column.build().brokerless for column in chosen}
    return [
        each
        for seed in range(seeds)
        for column in chosen
        for each in [
            Planned(column, "none", None, "", seed),
            *(
                Planned(column, fault, party, moment, seed)
                for party in PARTIES
                if party != "broker" or not brokerless[column.name]
                for fault in FAULTS
                for moment in MOMENTS
            ),
        ]
    ]


def shard(trials: Sequence[Planned], number: int, of: int) -> list[Planned]:
    """Part `number` (from 1) of `of`: whole transports and seeds, dealt out in turn, so that each prepares few."""
    groups = list(dict.fromkeys((each.column.name, each.seed) for each in trials))
    own = set(groups[number - 1 :: of])
    return [each for each in trials if (each.column.name, each.seed) in own]
