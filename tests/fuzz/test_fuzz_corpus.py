"""Every decoder against its corpus, and against a few thousand fresh inputs; a campaign: `campaign.py TARGET`."""

from __future__ import annotations

import random
import resource
import time

import fuzz_packed
import pytest
from fuzz_mutate import mutated
from fuzz_target import CORPUS, GROWTH_BYTES, HANG_S, takes
from fuzz_targets import NAMES, target

MUTATED = 4000
LONGEST_S = 0.25
"""CPU time of a target's fresh inputs; the corpus is run whole."""


@pytest.mark.parametrize("name", NAMES)
def test_it_raises_what_it_declares_and_nothing_else(name):
    found = target(name)
    seeds = found.seeds()
    pool = [*seeds, *fuzz_packed.read(CORPUS / f"{name}.xz")]
    assert len(pool) > len(seeds), "no corpus is kept"
    took_seeds = sum(_taken(found, data) for data in seeds)
    assert took_seeds, "no valid input is taken"
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken = sum(_taken(found, data) for data in pool)
    assert taken < len(pool), "nothing of the corpus is refused"
    chance = random.Random(name)
    until_s = time.thread_time() + LONGEST_S
    for _ in range(MUTATED):
        _taken(found, mutated(chance, pool, found.words, found.max_bytes))
        if time.thread_time() > until_s:
            break
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) << 10 < GROWTH_BYTES


def _taken(found, data):
    began_s = time.thread_time()
    try:
        taken = takes(found, data)
    except BaseException as error:
        error.add_note(f"target {found.name}, input {data.hex()}")
        raise
    assert time.thread_time() - began_s < HANG_S, f"target {found.name}, input {data.hex()}"
    return taken
