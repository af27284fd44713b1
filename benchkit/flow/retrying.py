"""When a message is tried again, and when no more.

Waits grow exponentially and are drawn evenly between nothing and that ("full jitter": M. Brooker, "Exponential
Backoff And Jitter", AWS Architecture Blog, 2015), so that clients which failed together do not come back together.
A budget keeps retries a share of what is sent for the first time, with ten beside it for those who send little
(K. Oliver, "Retry Budgets", Finagle blog, 2016: 20% and 10 a second): without one a server that refuses is sent
`attempts` times the load that it could not take.
"""

from __future__ import annotations

import random
from typing import Final

from benchkit.flow.options import Retry

RESERVE: Final = 10
"""Retries that a budget allows beside its share."""


class Retries:
    """What one producer may try again."""

    def __init__(self, options: Retry, seed: int) -> None:
        self._options = options
        self._random = random.Random(seed)  # noqa: S311  (jitter is no secret)
        self.firsts = 0
        """Messages sent for the first time."""
        self.count = 0
        """Retries so far."""

    def first(self) -> None:
        """A message was sent for the first time."""
        self.firsts += 1

    def wait_ns(self, attempts: int, asked_ns: int = 0) -> int | None:
        """How long to wait before the next attempt, after `attempts` of it; None: it is given up.

        `asked_ns` is what the other side asked for (Retry-After): nothing comes back earlier than that.
        """
        options = self._options
        if attempts >= options.attempts or not self._affordable():
            return None
        self.count += 1
        longest_s = min(options.backoff_most, options.backoff * 2.0 ** (attempts - 1))
        drawn_s = self._random.uniform(0.0, longest_s) if options.jitter == "full" else longest_s
        return asked_ns + int(drawn_s * 1e9)

    def _affordable(self) -> bool:
        budget = self._options.budget
        return budget is None or self.count + 1 <= RESERVE + budget * self.firsts
