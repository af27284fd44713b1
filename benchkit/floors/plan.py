"""Who is measured, at which lengths, in which order, and how long that takes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchkit.errors import BenchkitError, UsageError
from benchkit.exchange.catalogue import CATALOGUE, Role, here
from benchkit.floors.bars import ENGINE, SIZES, SMALL_BYTES
from benchkit.floors.ratios import LEAST_ROUNDS
from benchkit.transports.base import Transport, registry

_BROKER = "redis-list"
"""Preparing this transport starts the embedded broker that floors and recipes use as well."""
_OPEN_S = 0.15
_BLOCK_OVERHEAD_S = 0.01
ENGINE_S = 0.1
_ENGINE_OVERHEAD_S = 0.15
_LARGE_FROM_BYTES = 1 << 20
_LARGE_BLOCK_S = 0.08
"""What a block of large messages takes on average: some contenders need that for the fewest that count."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """One contender."""

    name: str
    role: Role
    says: str
    sizes: tuple[int, ...]
    host: Transport | None = None
    """What is prepared for it: see Exchange."""
    floor: str = ""
    """The floor beneath a transport."""
    beside: str = ""
    """The transport that does what a recipe does."""
    loan: bool = False
    """A transport whose messages stand in lent memory, so that nothing is copied."""
    missing: str = ""
    """Why it cannot be measured here; empty when it can."""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class FloorsPlan:
    """A whole run of `benchkit floors`."""

    entrants: tuple[Entrant, ...]
    sizes: tuple[int, ...]
    rounds: int
    block_s: float
    seed: int
    quick: bool
    engine: bool
    """Whether the engine's own cost is measured too."""

    @property
    def blocks(self) -> list[tuple[Entrant, int]]:
        """What one round consists of."""
        return [(each, nbytes) for each in self.entrants if not each.missing for nbytes in each.sizes]

    def order(self, round_: int) -> list[tuple[Entrant, int]]:
        """The blocks of a round, shuffled by seed and round."""
        blocks = self.blocks
        return random.Random(f"{self.seed}/{round_}").sample(blocks, len(blocks))  # noqa: S311  (an order, no secret)

    @property
    def expected_s(self) -> float:
        """About how long it takes on an idle machine."""
        each = [
            (max(self.block_s, _LARGE_BLOCK_S) if nbytes >= _LARGE_FROM_BYTES else self.block_s)
            + _BLOCK_OVERHEAD_S
            for _, nbytes in self.blocks
        ]
        engine = (ENGINE_S + _ENGINE_OVERHEAD_S) * self.engine
        return len(each) * _OPEN_S + self.rounds * (sum(each) + engine)


def plan(
    *,
    only: Sequence[str] = (),
    quick: bool = False,
    rounds: int | None = None,
    sizes: Sequence[int] = SIZES,
    seed: int = 0,
    transports: Iterable[Entrant] | None = None,
) -> FloorsPlan:
    """Floors, transports and recipes; raises UsageError for a name in `only` that is none.

    Naming a transport in `only` keeps its floor and its recipes too. `transports` None: all that are installed.
    """
    sizes = tuple(sorted(set(sizes)))
    everybody = [
        *_floors_and_recipes(sizes),
        *(_installed(sizes) if transports is None else transports),
    ]
    kept = _kept(everybody, set(only))
    return FloorsPlan(
        entrants=tuple(kept), sizes=sizes, rounds=rounds or (LEAST_ROUNDS if quick else 24),
        block_s=0.01 if quick else 0.03, seed=seed, quick=quick, engine=not only or ENGINE in only,
    )  # fmt: skip


def _floors_and_recipes(sizes: tuple[int, ...]) -> Iterator[Entrant]:
    broker = registry.build({"kind": _BROKER})
    for each in CATALOGUE.values():
        yield Entrant(
            each.name, each.role, each.says, sizes if each.carries else sizes[:1], broker if each.broker else None,
            beside=each.beside, missing="" if here(each) else "this system has none",
        )  # fmt: skip


def _installed(sizes: tuple[int, ...]) -> Iterator[Entrant]:
    for kind in registry.entries():
        try:
            cls = registry.load(kind)
            says = (cls.__doc__ or "").strip().splitlines()[0] if cls.__doc__ else ""
            transport = registry.require(kind)()
            promises, floor = transport.capabilities(), transport.floor()
        except BenchkitError as error:
            yield Entrant(kind, "transport", "", sizes, missing=error.what, remedy=error.remedy)
        except ValueError as error:
            yield Entrant(kind, "transport", says, sizes, missing=f"it needs options: {error}")
        else:
            if not promises.same_process:
                yield Entrant(kind, "transport", says, sizes, transport, floor=floor)
            if getattr(promises, "loans", False):
                says = "written in place in lent memory"
                yield Entrant(f"{kind}-loan", "transport", says, sizes, transport, beside=kind, loan=True)


def _kept(everybody: list[Entrant], only: set[str]) -> list[Entrant]:
    if not only:
        return everybody
    known = {each.name for each in everybody} | {ENGINE}
    if unknown := sorted(only - known):
        raise UsageError(
            f"nothing is called {unknown[0]!r}", where="--only", remedy=f"known: {', '.join(sorted(known))}"
        )
    named = {each.name: each for each in everybody if each.name in only}
    beneath = {each.floor for each in named.values()}
    return [each for each in everybody if each.name in named or each.name in beneath or each.beside in named]


assert min(SIZES) == SMALL_BYTES  # noqa: S101  (what carries nothing is timed at the shortest length)
