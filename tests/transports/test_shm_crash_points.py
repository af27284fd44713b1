"""A party is killed at one step of its end after the other: what it had comes back, whole and once.

Before every third line of the transport's code; with BENCHKIT_KILLS set, before each single bytecode.
"""

from __future__ import annotations

import multiprocessing
import os

import crash_points
import pytest

from benchkit.transports._shm.lock import robust_mutexes

pytestmark = pytest.mark.quiet

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(["crash_points"])

BYTECODES = "BENCHKIT_KILLS" in os.environ
STEP = 1 if BYTECODES else 3
FEWEST = 200
"""Lines of the transport that each of them runs at least; fewer means that nothing was traced."""


@pytest.mark.skipif(not robust_mutexes(), reason="no robust mutexes on this system")
@pytest.mark.timeout(3600 if BYTECODES else 120)
@pytest.mark.parametrize("way", crash_points.WAYS)
def test_death_before_every_step(way: str) -> None:
    here, there = forks.Pipe(duplex=False)
    process = forks.Process(
        target=crash_points.drive, args=(way, 1, STEP, there), kwargs={"bytecodes": BYTECODES}
    )
    process.start()
    there.close()
    point, wrong = here.recv()
    process.join()
    assert not wrong, f"killed before step {point}:\n{wrong}"
    assert point > FEWEST
