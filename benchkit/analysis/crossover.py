"""Which transport wins where: a map over payload and rate, with its ties, and where the winner changes.

A field of the map is a group, and its winners are what the ranking of that group says: the best cell and every cell
tied with it. So a winner is named only where the ranking claims a difference, and a tie looks like one. Fields in
which fewer than two cells are valid claim nothing; fields in which an interval is missing are undecided.

Between two measured payloads nothing was measured: where the winners differ, the change lies somewhere between the
two, and that is what is said. It is said only of cells that are valid in both: where the best of one field is not
valid in the other, nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

from benchkit.analysis.crossover_words import relation, sentences
from benchkit.analysis.sweeps import Field, Sweep, sweeps

Entry = Mapping[str, Any]
State = Literal["won", "tied", "undecided", "alone", "blank"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one field says."""

    group: str
    payload_bytes: int
    rate_per_s: float | None
    state: State
    """`won` by one; `tied` among several; `undecided`: too few rounds; `alone`: one valid cell; `blank`: none."""
    winners: tuple[str, ...]
    """Row labels of the best cell, first, and of those tied with it; empty unless won or tied."""
    transports: tuple[str, ...]
    """Of the winners."""
    cells: tuple[str, ...]
    """Ids of the winners' cells."""
    margin: float | None
    """How many times as long the first that is not a winner takes; None where there is none."""
    margin_ci95: tuple[float, float] | None
    compared: tuple[str, ...]
    """Row labels of the valid cells, best first."""
    missing: tuple[str, ...]
    """Row labels of the cells that are not valid."""

    @property
    def decided(self) -> bool:
        """It says who wins, or that several tie."""
        return self.state in ("won", "tied")


@dataclass(frozen=True, slots=True)
class Switch:
    """Two neighbouring decided fields with other winners."""

    along: Literal["payload", "rate"]
    fixed: float | None
    """The rate (or the payload in bytes) that both have."""
    between: tuple[float, float]
    """Bytes (or messages per second): the change is somewhere between these two."""
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Crossover:
    """The map of one sweep."""

    title: str
    by: Literal["p50", "rate"]
    """What is compared: the lowest p50 or, where loads were searched, the highest rate."""
    payloads_bytes: tuple[int, ...]
    rates_per_s: tuple[float | None, ...]
    fields: tuple[Outcome, ...]
    switches: tuple[Switch, ...]
    sentences: tuple[str, ...]


def crossover(cells: Sequence[Entry], ranking: Sequence[Entry]) -> list[dict[str, Any]]:
    """`crossover` of run.json: a map for each sweep in which two neighbouring fields are decided."""
    places: dict[str, list[Entry]] = {}
    for place in ranking:
        places.setdefault(str(place["group"]), []).append(place)
    maps = [_map(sweep, places) for sweep in sweeps(cells)]
    return [asdict(each) for each in maps if each.sentences]


def _map(sweep: Sweep, places: Mapping[str, Sequence[Entry]]) -> Crossover:
    outcomes = tuple(_outcome(field, places.get(field.group, ())) for field in sweep.fields)
    by_rate = any(
        place.get("by") == "rate" for field in sweep.fields for place in places.get(field.group, ())
    )
    by: Literal["p50", "rate"] = "rate" if by_rate else "p50"
    lines = [
        *(("payload", rate, _row(outcomes, rate)) for rate in sweep.rates_per_s),
        *(("rate", float(size), _column(outcomes, size)) for size in sweep.payloads_bytes),
    ]
    switches = tuple(
        Switch(along, fixed, (_where(one, along), _where(other, along)), one.winners, other.winners)  # type: ignore[arg-type]  # two literals
        for along, fixed, line in lines
        for one, other in pairwise(line)
        if relation(one, other) == "changed"
    )
    brokerless = {
        str(cell["labels"]["row"])
        for field in sweep.fields
        for cell in field.cells
        if not cell.get("has_broker")
    }
    said = sentences(
        sweep.title,
        outcomes,
        by=by,
        rates_per_s=sweep.rates_per_s,
        payloads_bytes=sweep.payloads_bytes,
        brokerless=brokerless,
    )
    return Crossover(
        sweep.title, by, sweep.payloads_bytes, sweep.rates_per_s, outcomes, switches, tuple(said)
    )


def _row(outcomes: Sequence[Outcome], rate_per_s: float | None) -> list[Outcome]:
    return [each for each in outcomes if each.decided and each.rate_per_s == rate_per_s]


def _column(outcomes: Sequence[Outcome], payload_bytes: int) -> list[Outcome]:
    known = [each for each in outcomes if each.rate_per_s is not None]
    return [each for each in known if each.decided and each.payload_bytes == payload_bytes]


def _where(outcome: Outcome, along: str) -> float:
    return float(outcome.payload_bytes) if along == "payload" else outcome.rate_per_s or 0.0


def _outcome(field: Field, places: Sequence[Entry]) -> Outcome:
    by_id = {cell["id"]: cell for cell in field.cells}
    ranked = [place for place in places if place["cell"] in by_id]
    rows = {name: str(cell["labels"]["row"]) for name, cell in by_id.items()}
    winners = [place for place in ranked if place["tied_with_best"]]
    unsure = any(place["ratio_ci95"] is None for place in ranked)
    behind = next((place for place in ranked if not place["tied_with_best"]), None)
    state = _state(len(ranked), len(winners), unsure=unsure)
    won = winners if state in ("won", "tied") else []
    interval = behind["ratio_ci95"] if won and behind else None
    return Outcome(
        group=field.group,
        payload_bytes=field.payload_bytes,
        rate_per_s=field.rate_per_s,
        state=state,
        winners=tuple(rows[place["cell"]] for place in won),
        transports=tuple(str(by_id[place["cell"]]["transport"]) for place in won),
        cells=tuple(str(place["cell"]) for place in won),
        margin=behind["ratio_to_best"] if won and behind else None,
        margin_ci95=None if interval is None else (interval[0], interval[1]),
        compared=tuple(rows[place["cell"]] for place in ranked),
        missing=tuple(row for name, row in rows.items() if name not in {place["cell"] for place in ranked}),
    )


def _state(valid: int, winners: int, *, unsure: bool) -> State:
    if valid < 2:
        return "alone" if valid else "blank"
    if unsure:
        return "undecided"
    return "won" if winners == 1 else "tied"
