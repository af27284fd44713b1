"""Loads that cannot be played, or are too short for what is promised: refused before anything runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate

import numpy as np

from benchkit.errors import BenchkitError
from benchkit.load.base import Arrival, OpenArrival
from benchkit.samples_needed import PERCENTILES, minimum_samples
from benchkit.scenario.cells import Cell
from benchkit.scenario.model import MAX_ROUNDS, BlockOptions, Choice, Scenario
from benchkit.scenario.nodes import Where
from benchkit.scenario.problems import Problems
from benchkit.scenario.redact import redact
from benchkit.scenario.refuse import missing_files
from benchkit.scenario.seeds import Stream, seed_for

MAX_MESSAGES = 10_000_000
"""Messages of one block: its stamps (about 130 bytes each) have to fit in memory."""
_AMPLE = 10
"""Where so many times the samples are expected, the schedules need not be counted."""
_DOUBLINGS = 6


def refuse_load(
    found: Sequence[Cell], scenario: Scenario, promised: Mapping[str, Where], problems: Problems
) -> None:
    """Note which loads cannot be played, and which are too short for the percentiles `promised` (and where)."""
    sound: list[OpenArrival] = []
    for choice in {id(cell.choices["load"]): cell.choices["load"] for cell in found}.values():
        before = len(problems)
        for check in (missing_files, _unplayable, partial(_too_many, blocks=scenario.blocks)):
            if len(problems) == before:
                check(choice, problems)
        if len(problems) == before and isinstance(choice.value, OpenArrival):
            sound.append(choice.value)
    for name, where in promised.items():
        if name in PERCENTILES and getattr(scenario.slo, name) is not None:
            _too_few(name, where, sound, scenario, problems)


def _unplayable(choice: Choice, problems: Problems) -> None:
    assert isinstance(choice.value, Arrival)  # noqa: S101  (its registry's type)
    try:
        choice.value.check()
    except BenchkitError as error:
        where = choice.places.get("path", choice.where)
        place = f"{redact(error.where)}: " if error.where else ""
        problems.add(where, f"arrival {choice.kind}: {place}{redact(error.what)}", redact(error.remedy))


def _too_many(choice: Choice, problems: Problems, blocks: BlockOptions) -> None:
    load = choice.value
    if not isinstance(load, OpenArrival):
        return
    most = load.most_messages(blocks.duration + blocks.warmup)
    if most is not None and most > MAX_MESSAGES:
        rates = [name for name in choice.places if name.endswith(("rate", "speed"))]
        rate = max(rates, key=lambda name: getattr(load, name) or 0.0, default="")
        problems.add(
            choice.places.get(rate, choice.where),
            f"load {load.label()} makes more than {MAX_MESSAGES} messages in a block",
            f"lower the {rate or 'rate'} or blocks.duration",
        )


def _too_few(
    name: str, where: Where, loads: Sequence[OpenArrival], scenario: Scenario, problems: Problems
) -> None:
    """The load with the fewest messages is named: what mends it mends the others."""
    needed, blocks = minimum_samples(PERCENTILES[name]), scenario.blocks
    short: list[tuple[int, OpenArrival]] = []
    for load in loads:
        if (load.rate_per_s or 0.0) * blocks.duration * blocks.rounds < _AMPLE * needed:
            count = _measured(load, blocks, blocks.duration, scenario.header.seed)
            if count < needed:
                short.append((count, load))
    if short:
        count, load = min(short, key=lambda each: each[0])
        problems.add(
            where,
            f"slo: {name}: load {load.label()} has {count} messages in all its blocks, {name} needs {needed}",
            _remedy(load, blocks, scenario.header.seed, count, needed),
        )


def _by_round(load: OpenArrival, warmup_s: float, duration_s: float, seed: int) -> Iterator[int]:
    """How many messages the schedule of each round has after its warm-up, for ever."""
    for round_ in range(MAX_ROUNDS):
        due = load.offsets_ns(warmup_s + duration_s, seed_for(seed, Stream.SCHEDULE, round_))
        yield len(due) - int(np.searchsorted(due, int(warmup_s * 1e9)))


def _measured(load: OpenArrival, blocks: BlockOptions, duration_s: float, seed: int) -> int:
    """Messages of the very schedules that would run: a random one may have fewer than its mean."""
    counts = _by_round(load, blocks.warmup, duration_s, seed)
    return sum(count for count, _ in zip(counts, range(blocks.rounds), strict=False))


def _remedy(load: OpenArrival, blocks: BlockOptions, seed: int, count: int, needed: int) -> str:
    """The least that would do: longer blocks, or more of them."""
    changes = []
    duration_s = _long_enough(load, blocks, seed, count, needed)
    if duration_s is not None:
        changes.append(f"blocks.duration: {duration_s:.12g}s")
    counts = accumulate(_by_round(load, blocks.warmup, blocks.duration, seed))
    rounds = next((number for number, total in enumerate(counts, 1) if total >= needed), None)
    if rounds is not None:
        changes.append(f"blocks.rounds: {rounds}")
    return ", or ".join(changes) or "raise the rate, or promise a lower percentile"


def _long_enough(load: OpenArrival, blocks: BlockOptions, seed: int, count: int, needed: int) -> float | None:
    """The shortest duration, in three digits, of which the schedules hold enough; None where none is bearable."""
    rate_per_s = load.rate_per_s or max(count, 1) / (blocks.duration * blocks.rounds)
    expected_s = needed / (rate_per_s * blocks.rounds)
    unit_s = 10.0 ** (math.floor(math.log10(expected_s)) - 2)

    def written(units: int) -> float:
        return float(f"{units * unit_s:.12g}")

    def bearable(units: int) -> bool:
        most = load.most_messages(blocks.warmup + written(units))
        return most is None or most <= MAX_MESSAGES

    def enough(units: int) -> bool:
        return _measured(load, blocks, written(units), seed) >= needed

    low = int(blocks.duration / unit_s)
    high = max(low + 1, math.ceil(round(expected_s / unit_s, 6)))
    for _ in range(_DOUBLINGS):
        if not bearable(high):
            return None
        if enough(high):
            break
        low, high = high, 2 * high
    else:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return written(high)
