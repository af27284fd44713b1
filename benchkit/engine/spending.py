"""What producing a block has cost so far: CPU time, of which pacing is kept apart, and what the kernel tells."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from benchkit.engine import usage
from benchkit.engine.account import Account, SoFar
from benchkit.engine.feed import Feed
from benchkit.transports.base import Sender


class Spending:
    """A producer's, from its last mark on; used in the thread that sends."""

    def __init__(self, feed: Feed, sender: Sender, turned: Callable[[], int], *, one_process: bool) -> None:
        """`turned` tells how many messages the producer turned to."""
        self._feed = feed
        self._sender = sender
        self._turned = turned
        self._one_process = one_process
        self._account = Account(shares_process=one_process)
        self.spun_cpu_ns = 0
        """Looking in vain while it waited for a due moment."""
        self._cpu_from_ns = 0
        self._spun_from_ns = 0
        self._waited_from_s = 0.0

    def begin(self) -> None:
        """The first look, and the first mark."""
        usage.reset_peak(os.getpid())
        self._account.begin(self._so_far())
        self.mark()

    def mark(self) -> None:
        """What is told begins here."""
        self._cpu_from_ns = self._cpu_ns()
        self._spun_from_ns = self.spun_cpu_ns
        self._waited_from_s = self._sender.spun_s()
        self._account.mark(self._so_far())

    def _so_far(self) -> SoFar:
        spin_ns = int(self._sender.spun_s() * 1e9)
        return SoFar(self._turned(), self._cpu_ns() - self.spun_cpu_ns, spin_ns, self.spun_cpu_ns)

    def _cpu_ns(self) -> int:
        """CPU time of producing: this thread's alone where two parties share a process."""
        if self._one_process:
            return usage.own_cpu_ns(one_process=True)
        # Making messages anew is the source's work, not the price of moving them.
        return usage.own_cpu_ns(one_process=False) - self._feed.cpu_ns

    def told(self) -> dict[str, Any]:
        """Since the last mark, as plain data."""
        spun_ns = self.spun_cpu_ns - self._spun_from_ns
        return {
            "cpu_ns": self._cpu_ns() - self._cpu_from_ns - spun_ns,
            "pacing_cpu_ns": spun_ns,
            "spin_ns": int((self._sender.spun_s() - self._waited_from_s) * 1e9),
            "account": self._account.told(self._so_far()),
            "turned": self._turned(),
            "peak_rss_bytes": usage.peak_rss_bytes(os.getpid()),
            "rss_bytes": usage.rss_bytes(os.getpid()),
        }
