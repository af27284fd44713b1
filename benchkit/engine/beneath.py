"""The raw paths beneath a run's cells, timed just before its blocks: within about a second for a dozen of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from benchkit.engine.crew import Crew
from benchkit.engine.exchanges import Exchange, Timing
from benchkit.engine.ready import ReadyCell
from benchkit.engine.site import Site
from benchkit.errors import BenchkitError
from benchkit.exchange.catalogue import CATALOGUE
from benchkit.transports.base import Transport

_BLOCKS, _EACH_S = 3, 0.01
_FIRST, _LEAST, _MOST = 3, 3, 100
"""Exchanges: to see how long one takes, and then at least and at most."""
_LARGEST_BYTES = 64 << 20
"""Beyond it one exchange takes longer than the rest of the run's preparation."""


def paths_us(crew: Crew, site: Site, cells: Sequence[ReadyCell]) -> dict[str, dict[str, dict[str, float]]]:
    """Medians as Floor.paths_us holds them; each cell's record is given the name of its path.

    A path that cannot be measured is left out: what is wrong with it, its cell will tell.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    done: dict[tuple[str, int, str], str] = {}
    for ready in cells:
        transport, nbytes = ready.cell.transport, ready.sizes.wire_mean
        name = transport.floor()
        contender = CATALOGUE.get(name)
        if contender is None or contender.role != "floor" or nbytes > _LARGEST_BYTES:
            continue
        host = transport if contender.broker else None
        key = name, nbytes, "" if host is None else str(host.config())
        if key not in done:
            with suppress(BenchkitError, OSError):
                path, timing = _timed(crew, site, name, nbytes, host)
                found.setdefault(path, {})[str(nbytes)] = _plain(timing)
                done[key] = path
        ready.record = replace(ready.record, floor=done.get(key, ""))
    return found


def _timed(crew: Crew, site: Site, name: str, nbytes: int, host: Transport | None) -> tuple[str, Timing]:
    exchange = Exchange(crew, site, name, nbytes, host)
    try:
        exchange.open()
        once_us = exchange.block(_FIRST).exchange_us
        count = min(_MOST, max(_LEAST, int(_EACH_S * 1e6 / max(once_us, 0.1))))
        # The best of a few: what disturbed one of them is no floor.
        timing = min((exchange.block(count) for _ in range(_BLOCKS)), key=lambda block: block.exchange_us)
    finally:
        exchange.close()
    return (f"{name}, {exchange.path}" if exchange.path else name), timing


def _plain(timing: Timing) -> dict[str, float]:
    plain = {"exchange": timing.exchange_us}
    if timing.one_way_us is not None:
        plain["one_way"] = timing.one_way_us
    return plain
