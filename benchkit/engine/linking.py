"""The link of one block: between what carries the messages and those whose link it is.

It is opened when the transport is prepared and before any end is, and asked what it did when the ends are closed.
One process has all links of a run; where it died, the next block gets a new one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from benchkit.engine import paths, usage
from benchkit.errors import PartyError
from benchkit.link.delay import quantile_ns
from benchkit.link.options import LinkOptions
from benchkit.link.plan import Endpoint
from benchkit.link.process import LinkProcess, OpenLink, link_process
from benchkit.records.seen import LinkSeen, LinkWay
from benchkit.transports.base import Address, Detour, Setup, Transport

_QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_OF_PACKETS: Final = ("loss", "reorder", "duplicate")
_SIDES: Final = {"producer": ("producer",), "stage": ("stage",), "both": ("producer", "stage")}


@dataclass(slots=True)
class Linking:
    """The open links of a block, by side."""

    address: Address
    """With the claim that connections go through the link."""
    led: Mapping[str, Mapping[str, Any]]
    """See Task.led."""
    process: LinkProcess
    links: Mapping[str, OpenLink]
    opened_s: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        """Of the process that carries them."""
        return self.process.pid

    def seen(self) -> tuple[LinkSeen, ...]:
        """What they did so far; raises PartyError when their process is gone."""
        elapsed_s = time.monotonic() - self.opened_s
        return tuple(_seen(side, link.stats(), elapsed_s) for side, link in self.links.items())


@contextmanager
def linked(
    setup: Setup, transport: Transport, address: Address, asked: LinkOptions, seed: str
) -> Iterator[Linking]:
    """Links for a prepared transport, closed at the end; raises PartyError where they cannot be opened."""
    process = _process(setup)
    up, down = asked.impairment("up"), asked.impairment("down")
    links: dict[str, OpenLink] = {}
    led: dict[str, Mapping[str, Any]] = {}
    try:
        for side in _SIDES[asked.side]:
            links[side] = link = process.open(up, down, f"{seed}/{side}")
            ports: list[int] = []
            way = transport.through(address, _detour(link, ports))
            led[side] = {"where": dict(way.where), "link_ports": ports}
        claimed = replace(
            address,
            path=f"{address.path}, through link {asked.label}",
            claim={**address.claim, "link": paths.EVERY},
        )
        yield Linking(claimed, led, process, links)
    finally:
        for link in links.values():
            _close(link)


def _detour(link: OpenLink, ports: list[int]) -> Detour:
    """Leads through the link; the ports that it gives out are kept."""

    def detour(endpoint: Endpoint) -> int:
        ports.append(link.lead(endpoint))
        return ports[-1]

    return detour


def _process(setup: Setup) -> LinkProcess:
    """The run's, or a new one where that died."""
    number = 0
    while True:
        process = setup.share(f"link-{number}", link_process)
        if usage.lives(process.pid):
            return process
        number += 1


def _close(link: OpenLink) -> None:
    try:
        link.close()
    except PartyError:
        # Its process is gone, and every connection with it: the block has told of that.
        return


def _seen(side: str, stats: Mapping[str, Any], elapsed_s: float) -> LinkSeen:
    up, down = (LinkWay(**stats[way]) for way in ("up", "down"))
    return LinkSeen(side, up, down, stats["connections"], elapsed_s, stats.get("kernel_lost"))


def asked_link(asked: LinkOptions, *, datagrams: bool = False) -> dict[str, Any]:
    """What a link was asked to do, for the record: per direction in the units of what it then did."""
    return {
        "name": asked.label,
        "side": asked.side,
        "datagrams": datagrams,
        **{way: _asked(asked, way, datagrams=datagrams) for way in ("up", "down")},
    }


def _asked(asked: LinkOptions, way: str, *, datagrams: bool) -> dict[str, Any]:
    one = asked.impairment(way)
    return {
        "delay_us": {
            "mean": one.delay_ns / 1e3,
            **{name: quantile_ns(one, share) / 1e3 for name, share in _QUANTILES.items()},
        },
        "distribution": one.distribution,
        "jitter_us": one.jitter_ns / 1e3,
        "rate_bytes_per_s": one.rate_bytes_per_s or None,
        "blackouts_s": [
            {"at": dark.at_ns / 1e9, "lasts": dark.lasts_ns / 1e9, "every": dark.every_ns / 1e9 or None}
            for dark in one.blackouts
        ],
        # A stream loses and reorders nothing.
        "not_applied": [] if datagrams else [name for name in _OF_PACKETS if getattr(one, name)],
        **({name: getattr(one, name) for name in (*_OF_PACKETS, "loss_burst")} if datagrams else {}),
        "sources": asked.sources(way),
    }
