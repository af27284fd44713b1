"""How much memory a decoder keeps, without instrumentation: `fuzz_replay.py TARGET CORPUS` prints MiB."""

from __future__ import annotations

import random
import sys
import time
import warnings
from pathlib import Path

from fuzz_mutate import mutated
from fuzz_target import takes
from fuzz_targets import target

_MOST = 100_000
_LONGEST_S = 10.0
_WARM = 5_000


def resident_kib() -> int:
    """Peak, so that what was taken and given back counts too."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def main() -> None:
    """The corpus, then mutations of it."""
    warnings.simplefilter("ignore")  # of numpy and Python about the text of a head
    found = target(sys.argv[1])
    pool = [*found.seeds(), *(path.read_bytes() for path in sorted(Path(sys.argv[2]).iterdir()))]
    chance = random.Random(sys.argv[1])
    until_s = time.thread_time() + _LONGEST_S
    before_kib = 0
    for number in range(_MOST):
        data = pool[number] if number < len(pool) else mutated(chance, pool, found.words, found.max_bytes)
        takes(found, data)
        if number == min(len(pool) + _WARM, _MOST // 2):
            before_kib = resident_kib()
        if time.thread_time() > until_s:
            break
    before_kib = before_kib or resident_kib()
    sys.stdout.write(f"{(resident_kib() - before_kib) / 1024:.1f}\n")


if __name__ == "__main__":
    main()
