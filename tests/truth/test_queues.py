"""Queues of real processes wait as long as theory says.

The short form states what holds on any machine, however busy, and compares with theory where the machine was
quiet. The full form prints the figures and keeps them:

    BENCHKIT_TRUTH=full pytest tests/truth/test_queues.py -n0 -s
"""

from __future__ import annotations

import numpy as np
import pytest
from kept import FULL, keep
from queueing import mm1_standard_error
from real import measured
from systems import SERVICE_S, Observed, System, by_chance, in_the_long_run, observe

from benchkit.scenario.plan import Blocks

pytestmark = pytest.mark.quiet

KINDS = (
    ("M/M/1", "exponential", 1, "sleep"),
    ("M/D/1", "constant", 1, "spin"),
    ("M/M/2", "exponential", 2, "sleep"),
)
SHORT = (
    System("M/M/1", "exponential", 1, 0.5),
    System("M/D/1", "constant", 1, 0.7),
    System("M/M/2", "exponential", 2, 0.9),
)
SYSTEMS = (
    tuple(System(*kind[:3], load, kind[3]) for kind in KINDS for load in (0.5, 0.7, 0.9)) if FULL else SHORT
)
BLOCKS = Blocks(4, 3.5, 0.5, 2.0) if FULL else Blocks(1, 1.3, 0.2, 2.0)
TAIL = 0.99 if FULL else 0.9
LEVEL = 0.999
"""Nine systems with two figures each: by chance one of the intervals misses in one full run of fifty."""


@pytest.fixture(scope="module")
def seen() -> dict[str, Observed]:
    run, _ = measured([system.cell() for system in SYSTEMS], BLOCKS)
    return {each.system.id: each for each in observe(run, SYSTEMS, BLOCKS)}


each_system = pytest.mark.parametrize("name", [system.id for system in SYSTEMS])


@each_system
def test_messages_are_due_when_the_schedule_says_to_the_nanosecond(seen, name):
    for due, scheduled in zip(seen[name].due, seen[name].scheduled, strict=True):
        assert np.array_equal(due, scheduled)


@each_system
def test_each_message_takes_the_service_time_that_its_seed_gave_it(seen, name):
    one = seen[name]
    over = np.concatenate(one.compute) - np.concatenate(one.drawn)
    assert (over >= 0).all()
    if one.system.service == "exponential":
        # One message off, they would have nothing to do with each other.
        off = np.concatenate(one.compute) - np.roll(np.concatenate(one.drawn), 1)
        assert np.median(over) < np.median(np.abs(off))


@each_system
def test_no_message_starts_before_the_queue_lets_it(seen, name):
    one = seen[name]
    for started, earliest in zip(one.started, one.earliest(), strict=True):
        assert (started >= earliest).all()


def test_two_workers_draw_different_service_times(seen):
    one = next(each for each in seen.values() if each.system.workers == 2)
    drawn = np.concatenate(one.drawn)
    assert len(np.unique(drawn)) == len(drawn)


def disturbed(one: Observed) -> bool:
    """The machine took so much from the parties that the queue that was run is not the one of the theory."""
    exact, explained = (one.waits(each).mean() for each in (one.predicted(), one.explained()))
    # Not a number, where no worker ever waited, is no quiet machine either.
    quiet = np.max([one.cycle_s, one.path_s]) <= 0.1 * SERVICE_S and abs(explained / exact - 1) <= 0.1
    return not quiet


@each_system
def test_waits_are_within_what_theory_and_the_sample_allow(seen, name):
    one = seen[name]
    if disturbed(one):
        pytest.skip("the machine was disturbed: the queue that was run is not the one of the theory")
    waits = one.waits(one.started)
    chance = by_chance(one, TAIL, 2000, LEVEL)
    assert chance.mean[0] <= waits.mean() <= chance.mean[1]
    assert chance.tail[0] <= np.quantile(waits, TAIL, method="higher") <= chance.tail[1]


@pytest.mark.skipif(not FULL, reason="BENCHKIT_TRUTH=full: minutes on a quiet machine")
@pytest.mark.timeout(600)
def test_the_figures(seen):
    keep("queues.md", _TITLE, _COLUMNS, [_row(one) for one in seen.values()])
    for one in seen.values():
        explained = one.waits(one.explained()).mean()
        assert one.waits(one.started).mean() == pytest.approx(explained, rel=0.05), one.system.id


_TITLE = f"""\
# Waits of real queues beside theory

Mean service time {SERVICE_S * 1e3:g} ms, Poisson arrivals, shared memory; milliseconds.

- `exact`: the recursion on the very schedule and service times of the run, nothing else known
- `explained`: likewise with the times that sending and serving really took, the machine's disturbances among them
- `by chance`: where {LEVEL:.1%} of runs of this length fall
- `long run`: the closed form (M/M/1: ± the standard error of a mean of as many successive waits)

What the engine needs for a message beside its service (`overhead`) counts as service throughout. A `disturbed` queue
is not the one of the theory."""
_COLUMNS = (
    "system", "messages", "overhead", "mean wait", "exact", "explained", "by chance", "long run",
    "p99", "exact", "by chance", "long run",
)  # fmt: skip


def _row(one: Observed) -> tuple[object, ...]:
    waits, exact = one.waits(one.started) * 1e3, one.waits(one.predicted()) * 1e3
    chance = by_chance(one, TAIL, 2000, LEVEL)
    mean, tail = (value * 1e3 for value in in_the_long_run(one, TAIL))
    error = ""
    if one.system.name == "M/M/1":
        load = one.system.arrivals.rate * (SERVICE_S + one.cycle_s)
        error = f" ± {mm1_standard_error(load, SERVICE_S * 1e3, len(waits)):.2f}"
    p99, p99_exact = (np.quantile(each, TAIL, method="higher") for each in (waits, exact))
    return (
        one.system.id + ", disturbed" * disturbed(one), len(waits), f"{one.cycle_s * 1e3:.2f}",
        f"{waits.mean():.2f}", f"{exact.mean():.2f}", f"{one.waits(one.explained()).mean() * 1e3:.2f}",
        _interval(chance.mean), f"{mean:.2f}{error}",
        f"{p99:.1f}", f"{p99_exact:.1f}", _interval(chance.tail), f"{tail:.1f}",
    )  # fmt: skip


def _interval(ends: tuple[float, float]) -> str:
    return f"{ends[0] * 1e3:.1f} to {ends[1] * 1e3:.1f}"
