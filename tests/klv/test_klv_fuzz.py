"""A short run of the fuzzer; a long one: `python tests/klv/fuzz_klv.py --inputs 1000000`."""

from __future__ import annotations

import random
import resource

import pytest
from fuzz_klv import damaged, run, valid

from benchkit.errors import MessageError
from benchkit.tensors.codecs.klv import Klv

INPUTS = 20_000


@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_packets_raise_the_declared_error_alone(seed):
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = run(INPUTS, seed)
    assert sum(outcomes.values()) == INPUTS
    # It reaches what stands behind length and checksum, and not everything is refused at the label.
    assert all(outcomes[outcome] > INPUTS // 100 for outcome in ("packet", "value", "refused"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 100 * 1024


def test_damaged_messages_raise_the_declared_error_alone():
    chance = random.Random(3)
    codec = Klv()
    refused = 0
    for _ in range(3000):
        body = b"".join(codec.encode({}, valid(chance)))
        try:
            codec.decode(memoryview(damaged(body, chance)))
        except MessageError:
            refused += 1
    assert refused > 2000
