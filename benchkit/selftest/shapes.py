"""How a kind is planted: from a recipe, what its phases take in a healthy run, and the share that is asked for.

A shape answers with the recipe of the trial and the share that the planted phase will hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from benchkit.load import base as loads
from benchkit.selftest import sizing
from benchkit.selftest.parts.duty import stop_for_us
from benchkit.selftest.recipe import Recipe, Spent

LATENCY_US: Final = 3000.0
"""Of a trial, where nothing asks for more: long beside a wake-up, short enough for many messages a block."""
LOAD: Final = 0.25
"""Of the time, that one message is under way: the next one meets an idle pipeline."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a shape is asked."""

    recipe: Recipe
    natural: Mapping[str, float]
    """Median of each phase in a healthy run of this recipe, microseconds."""
    share: float
    schedule_seeds: tuple[int, ...]
    """Of the trial's blocks: what their due moments will be drawn with."""
    seconds: float
    """How long their schedules are."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """A trial's pipeline, and what was planted."""

    recipe: Recipe
    share: float


Shape = Callable[[Ask], Shaped]


def paced(recipe: Recipe, latency_us: float, load: float = LOAD) -> Recipe:
    """At a constant rate that keeps one message under way for `load` of the time."""
    return replace(recipe, load={"kind": "constant", "rate": max(10.0, load * 1e6 / latency_us)})


def drawn_out(phase: str) -> Shape:
    """One phase does what it does for longer."""

    def shape(ask: Ask) -> Shaped:
        sized = sizing.planted(ask.natural, (phase,), ask.share, LATENCY_US)
        recipe = replace(ask.recipe, spent=sized.spent).spending(**{phase: sized.planted_us})
        return Shaped(paced(recipe, _whole_us(ask, sized)), sized.share)

    return shape


def natural(*phases: str) -> Shape:
    """What is there by nature, with less or more around it."""

    def shape(ask: Ask) -> Shaped:
        sized = sizing.as_it_is(ask.natural, phases, ask.share)
        recipe = replace(ask.recipe, spent=sized.spent)
        return Shaped(paced(recipe, _whole_us(ask, sized)), sized.share)

    return shape


def _whole_us(ask: Ask, sized: sizing.Sized) -> float:
    return sum(ask.natural.values()) + sum(sized.spent.plain().values()) + sized.planted_us


def stopped_broker(ask: Ask) -> Shaped:
    """The broker is stopped and let go in turn."""
    sized = sizing.planted(ask.natural, ("transit",), ask.share, LATENCY_US)
    running_us = 1000.0
    stopped = {"stopped_us": stop_for_us(sized.planted_us, running_us), "running_us": running_us}
    recipe = replace(ask.recipe, spent=sized.spent, planted=stopped)
    # An odd rate: the messages must not keep step with the broker's stops.
    return Shaped(paced(recipe, _whole_us(ask, sized), LOAD * 0.93), sized.share)


def batch(ask: Ask) -> Shaped:
    """Each message waits for others that never come in time."""
    sized = sizing.planted(ask.natural, ("batch",), ask.share, LATENCY_US)
    recipe = replace(ask.recipe, spent=sized.spent, batch_delay_us=sized.planted_us)
    return Shaped(paced(recipe, _whole_us(ask, sized)), sized.share)


_PLACES: Final = ((0.45, 3), (0.7, 4), (1.0, 8))
"""Up to which share how many are in flight."""


def _in_flight(share: float) -> int:
    return next(places for limit, places in _PLACES if share <= limit)


def _saturating(ask: Ask, busy: str, others: tuple[str, ...], symptom: str) -> Shaped:
    """A closed loop of n on one worker (or producer) that takes c: the latency is n c, all but c + o of it waiting."""
    places = _in_flight(ask.share)
    work_us = max(1000.0, 2 * sum(ask.natural.values()))
    around_us = places * work_us * (1 - ask.share) - work_us
    base = {**ask.natural, symptom: 0.0}
    spare = max(0.0, around_us - sum(base.values()))
    spent = replace(sizing.level(base, others, spare), **{busy: work_us - base[busy]})
    recipe = replace(ask.recipe, spent=spent, load={"kind": "closed", "in_flight": places})
    return Shaped(recipe, 1 - (work_us + max(around_us, sum(base.values()))) / (places * work_us))


def busy_stage(ask: Ask) -> Shaped:
    """The stage has more to do than it can: messages wait for it."""
    return _saturating(ask, "compute", ("encode", "send", "transit"), "queue")


def busy_producer(ask: Ask) -> Shaped:
    """The producer has more to do than it can: messages leave late."""
    return _saturating(ask, "encode", ("transit", "decode", "compute"), "lateness")


_WORK_US: Final = 3000.0
_RATES: Final = np.linspace(0.05, 0.5, 46)
"""Mean loads of the stage that are tried; low all of them."""


def bursts(kind: str) -> Shape:
    """Messages come in bursts that leave the stage idle in between."""

    def shape(ask: Ask) -> Shaped:
        others = sum(ask.natural.values()) - ask.natural["queue"] - ask.natural["compute"]
        # All but compute stays as it is; the stage's work is cut down where the queue must be the larger part.
        work_us = _WORK_US
        found = [(load, _queue_share(ask, kind, load, work_us, others)) for load in _RATES]
        load, share = min(found, key=lambda each: abs(each[1] - ask.share))
        spread = sizing.level(
            {**ask.natural, "compute": 0.0},
            ("encode", "send", "transit", "decode"),
            0.6 * work_us * (ask.share < 0.45),
        )
        recipe = replace(
            ask.recipe, spent=replace(spread, compute=work_us), load=_bursty(kind, load, work_us)
        )
        recipe = replace(recipe, transport={**recipe.transport, "depth": 512})
        return Shaped(recipe, share)

    return shape


def _bursty(kind: str, load: float, work_us: float) -> dict[str, Any]:
    rate = load * 1e6 / work_us
    if kind == "gamma":
        return {"kind": "gamma", "rate": rate, "cv": 2.5}
    # Bursts of a few messages, faster than the stage and slower than the producer.
    burst = 3e6 / work_us
    dwell = 0.02
    quiet = dwell * (burst / rate - 1)
    return {
        "kind": "mmpp",
        "quiet_rate": 0.0,
        "burst_rate": burst,
        "quiet_dwell": quiet,
        "burst_dwell": dwell,
    }


def _queue_share(ask: Ask, kind: str, load: float, work_us: float, others_us: float) -> float:
    arrival = loads.registry.build(_bursty(kind, load, work_us))
    assert isinstance(arrival, loads.OpenArrival)  # noqa: S101  (both kinds are)
    waits = [
        sizing.mean_wait_us(arrival.offsets_ns(ask.seconds, seed).tolist(), work_us)
        for seed in ask.schedule_seeds
    ]
    waited = sum(waits) / len(waits)
    around = others_us + work_us + 0.6 * work_us * (ask.share < 0.45)
    return waited / (waited + around)


def one_core(ask: Ask) -> Shaped:
    """Producer and stage want the same core at the same time, for equal parts of a message's life."""
    work_us = 1500.0
    think_us = work_us if ask.share < 0.45 else 0.0
    recipe = replace(
        ask.recipe, spent=Spent(encode=work_us, compute=work_us), planted={"core": 0},
        load={"kind": "closed", "in_flight": 2, "think": think_us / 1e6},
    )  # fmt: skip
    return Shaped(recipe, 0.5)


def slow_source(ask: Ask) -> Shaped:
    """Frames are wanted faster than they can be made."""
    return Shaped(replace(ask.recipe, load={"kind": "constant", "rate": 200.0}), 1.0)


def even(ask: Ask) -> Shaped:
    """No phase stands out: the largest holds about 20 to 26 percent."""
    largest = 0.17 + 0.1 * ask.share
    rest = [phase for phase in sizing.FILLABLE if phase != "compute"]
    whole = max(LATENCY_US, sum(ask.natural.values()) / 0.5)
    others = sum(ask.natural.values()) - ask.natural["compute"]
    spent = sizing.level(ask.natural, rest, whole * (1 - largest) - others)
    spent = replace(spent, compute=max(0.0, whole * largest - ask.natural["compute"]))
    return Shaped(paced(replace(ask.recipe, spent=spent), whole), largest)


def untouched(ask: Ask) -> Shaped:
    """As it is."""
    return Shaped(replace(ask.recipe, spent=Spent()), 0.0)
