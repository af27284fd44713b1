"""A neighbour that takes a core in bursts: `python hog.py SEED`, ended from outside.

Bursts of 0.1 to 1.5 s and pauses of 0.2 to 2.5 s, uniform: compilers and tests on a shared runner last about so long.
"""

from __future__ import annotations

import random
import sys
import time


def main() -> None:
    """For ever."""
    draw = random.Random(int(sys.argv[1]))  # noqa: S311  (nothing here is secret)
    while True:
        until = time.monotonic() + draw.uniform(0.1, 1.5)
        while time.monotonic() < until:
            pass
        time.sleep(draw.uniform(0.2, 2.5))


if __name__ == "__main__":
    main()
