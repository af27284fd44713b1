"""How a kind is planted: from a recipe, what its phases take in a healthy run, and the share that is asked for.

A shape answers with the recipe of the trial and the share that the planted phase will hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from benchkit.load import base as loads
from benchkit.selftest import sizing
from benchkit.selftest.parts.duty import stop_for_us
from benchkit.selftest.recipe import Recipe, Spent
from benchkit.sources import base as sources

LATENCY_US: Final = 3000.0
"""Of a trial, where nothing asks for more: long beside a wake-up, short enough for many messages a block."""
LOAD: Final = 0.25
"""Of the time, that one message is under way: the next one meets an idle pipeline."""


FOREIGN: Final = 1.35
"""What a trial takes beyond 1.35 times its planned latency was not planted: 26% of the whole, too little to be a
bottleneck by itself."""
LEAST_SHARE: Final = 0.31
"""A planted phase must hold this share whatever else went on: below, there truly is no bottleneck any more."""


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
    latency_us: float = 0.0
    """What a message then takes, mean; 0 where nothing can be said beforehand."""
    most_times: float = FOREIGN
    """So many times that at the most: where it took longer, what is said of the trial need not be true any more."""


Shape = Callable[[Ask], Shaped]


def paced(recipe: Recipe, latency_us: float, load: float = LOAD) -> Recipe:
    """At a constant rate that keeps one message under way for `load` of the time."""
    return replace(recipe, load={"kind": "constant", "rate": max(10.0, load * 1e6 / latency_us)})


def drawn_out(phase: str) -> Shape:
    """One phase does what it does for longer."""

    def shape(ask: Ask) -> Shaped:
        sized = sizing.planted(ask.natural, (phase,), ask.share, LATENCY_US)
        recipe = replace(ask.recipe, spent=sized.spent).spending(**{phase: sized.planted_us})
        return _paced(ask, recipe, sized)

    return shape


def _paced(ask: Ask, recipe: Recipe, sized: sizing.Sized, load: float = LOAD) -> Shaped:
    whole_us = _whole_us(ask, sized)
    return Shaped(
        paced(recipe, whole_us, load), sized.share, whole_us, min(FOREIGN, sized.share / LEAST_SHARE)
    )


def _whole_us(ask: Ask, sized: sizing.Sized) -> float:
    return sum(ask.natural.values()) + sum(sized.spent.plain().values()) + sized.planted_us


def stopped_broker(ask: Ask) -> Shaped:
    """The broker is stopped and let go in turn."""
    sized = sizing.planted(ask.natural, ("transit",), ask.share, LATENCY_US)
    running_us = 1000.0
    stopped = {"stopped_us": stop_for_us(sized.planted_us, running_us), "running_us": running_us}
    recipe = replace(ask.recipe, spent=sized.spent, planted=stopped)
    # An odd rate: the messages must not keep step with the broker's stops.
    return _paced(ask, recipe, sized, LOAD * 0.93)


def narrow_link(ask: Ask) -> Shaped:
    """A real link between the parties lets so many bytes pass in a second; `by` says which phase shows it."""
    sized = sizing.planted(ask.natural, (ask.recipe.by["link"],), ask.share, LATENCY_US)
    rate = ask.recipe.payload_bytes() / max(1.0, sized.planted_us) * 1e6
    recipe = replace(ask.recipe, spent=sized.spent, link={**ask.recipe.link, "rate": rate})
    return _paced(ask, recipe, sized)


def distant_link(ask: Ask) -> Shaped:
    """A real link between the parties delays what passes on the way there."""
    sized = sizing.planted(ask.natural, (ask.recipe.by["link"],), ask.share, LATENCY_US)
    there = "down" if ask.recipe.link["side"] == "stage" else "up"
    link = {**ask.recipe.link, there: {"delay": max(0.0, sized.planted_us) / 1e6}}
    return Shaped(
        paced(replace(ask.recipe, spent=sized.spent, link=link), _whole_us(ask, sized)), sized.share
    )


def batch(ask: Ask) -> Shaped:
    """Each message waits for others that never come in time."""
    sized = sizing.planted(ask.natural, ("batch",), ask.share, LATENCY_US)
    recipe = replace(ask.recipe, spent=sized.spent, batch_delay_us=sized.planted_us)
    return _paced(ask, recipe, sized)


def _closed(ask: Ask, places: int, **spent: float) -> Recipe:
    load = {"kind": "closed", "in_flight": places}
    return replace(ask.recipe, spent=Spent(**spent), load=load)


def busy_stage(ask: Ask) -> Shaped:
    """The stage has more to do than it can: with n in flight and its work c, the latency is n c.

    All of it but c, and what the producer spends, is waiting for the stage. The producer begins when a reply frees
    a place, so it must be done before the next reply.
    """
    natural = ask.natural
    places = 3 if ask.share < 0.45 else 4 if ask.share < 0.7 else 8
    work_us = max(_WORK_US, 4 * sum(natural.values()))
    sending_us = min(0.9 * work_us, places * work_us * (1 - ask.share) - work_us)
    spare_us = max(0.0, sending_us - (sum(natural.values()) - natural["compute"])) / 2
    recipe = _closed(ask, places, compute=work_us, encode=spare_us, send=spare_us)
    return Shaped(recipe, 1 - (work_us + sending_us) / (places * work_us), places * work_us)


def busy_producer(ask: Ask) -> Shaped:
    """The producer has more to do than it can: with n in flight and its encoding e, the latency is n e.

    A reply is seen when the producer looks up from its next message: where the way there and back is shorter than
    e it takes e, so that all but 2 e are spent before the message is turned to.
    """
    natural = ask.natural
    places = 3 if ask.share < 0.45 else 5 if ask.share < 0.7 else 10
    work_us = max(_WORK_US, 4 * sum(natural.values()))
    spare_us = max(0.0, 0.6 * work_us - (sum(natural.values()) - natural["encode"])) / 3
    recipe = _closed(ask, places, encode=work_us, transit=spare_us, decode=spare_us, compute=spare_us)
    return Shaped(recipe, 1 - 2 / places, places * work_us)


_WORK_US: Final = 3000.0
_LOADS: Final = (0.25, 0.3, 0.35, 0.4, 0.45)
"""Mean loads of the stage that are tried; low all of them."""
_SPREADS: Final[Mapping[str, tuple[float, ...]]] = {
    "gamma": (1.5, 2.0, 2.5, 3.0, 4.0),
    "mmpp": (0.005, 0.01, 0.02, 0.04, 0.06),
}
"""How bursty: coefficients of variation, mean lengths of bursts in seconds."""
_LEAST_QUEUE: Final = 0.6
"""In bursts the wait for the stage and its work fill the latency together: below, the work is the larger part."""


def bursts(kind: str) -> Shape:
    """Messages come in bursts that leave the stage idle in between."""

    def shape(ask: Ask) -> Shaped:
        others_us = sum(ask.natural.values()) - ask.natural["queue"] - ask.natural["compute"]
        wanted = max(_LEAST_QUEUE, ask.share)
        loads_ = [_bursty(kind, load, spread) for load in _LOADS for spread in _SPREADS[kind]]
        found = [(load, _waited_us(ask, load)) for load in loads_]
        shares = [waited / (waited + others_us + _WORK_US) for _, waited in found]
        at = min(range(len(found)), key=lambda each: abs(shares[each] - wanted))
        (load, waited_us), share = found[at], shares[at]
        transport = {**ask.recipe.transport, "depth": 512}
        recipe = replace(ask.recipe, spent=Spent(compute=_WORK_US), load=load, transport=transport)
        return Shaped(recipe, share, waited_us + others_us + _WORK_US)

    return shape


def _bursty(kind: str, load: float, spread: float) -> dict[str, Any]:
    rate = load * 1e6 / _WORK_US
    if kind == "gamma":
        return {"kind": "gamma", "rate": rate, "cv": spread}
    # Bursts of several messages, three times as fast as the stage and slower than the producer.
    burst = 3e6 / _WORK_US
    quiet = {"quiet_rate": 0.0, "quiet_dwell": spread * (burst / rate - 1)}
    return {"kind": "mmpp", "burst_rate": burst, "burst_dwell": spread, **quiet}


def _waited_us(ask: Ask, load: dict[str, Any]) -> float:
    arrival = loads.registry.build(load)
    assert isinstance(arrival, loads.OpenArrival)  # noqa: S101  (both kinds are)
    due = (arrival.offsets_ns(ask.seconds, seed).tolist() for seed in ask.schedule_seeds)
    waits = [sizing.mean_wait_us(each, _WORK_US) for each in due]
    return sum(waits) / len(waits)


def one_core(ask: Ask) -> Shaped:
    """Producer and stage always have something to do, on the same core.

    With three in flight each of both waits for as long as the other works, and the third message for both.
    """
    work_us = 1500.0 if ask.share < 0.7 else 3000.0
    recipe = replace(
        ask.recipe, spent=Spent(encode=work_us, compute=work_us), planted={"core": 0, "whose": "both"},
        load={"kind": "closed", "in_flight": 3},
    )  # fmt: skip
    return Shaped(recipe, 1 / 3, 3 * 2 * work_us)


def workers_on_one_core(ask: Ask) -> Shaped:
    """Two workers share a core, each with a message at any time: half of their time they wait for the other."""
    work_us = max(_WORK_US, 4 * sum(ask.natural.values())) * ask.share
    recipe = replace(
        ask.recipe, spent=Spent(compute=work_us), planted={"core": 0, "whose": "stage"},
        load={"kind": "closed", "in_flight": 2},
    )  # fmt: skip
    return Shaped(recipe, 0.5, 2 * work_us + sum(ask.natural.values()))


def slow_source(ask: Ask) -> Shaped:
    """Frames are wanted faster than this machine makes them."""
    frames = sources.registry.build(dict(ask.recipe.source)).items(0)
    next(frames)
    began = time.perf_counter()
    made = sum(1 for _ in islice(frames, FRAMES))
    rate = _TOO_FAST * made / (time.perf_counter() - began)
    return Shaped(replace(ask.recipe, load={"kind": "constant", "rate": rate}), 1.0)


FRAMES: Final = 4
_TOO_FAST: Final = 2.5


def even(ask: Ask) -> Shaped:
    """No phase stands out: the largest holds about 20 to 26 percent."""
    largest = 0.17 + 0.1 * ask.share
    rest = [phase for phase in sizing.FILLABLE if phase != "compute"]
    whole = max(LATENCY_US, sum(ask.natural.values()) / 0.5)
    others = sum(ask.natural.values()) - ask.natural["compute"]
    spent = sizing.level(ask.natural, rest, whole * (1 - largest) - others)
    spent = replace(spent, compute=max(0.0, whole * largest - ask.natural["compute"]))
    return Shaped(paced(replace(ask.recipe, spent=spent), whole), largest, whole)


def untouched(ask: Ask) -> Shaped:
    """As it is."""
    return Shaped(replace(ask.recipe, spent=Spent(), load={"kind": "closed", "in_flight": 1}), 0.0)
