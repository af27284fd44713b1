"""Losses in bursts: the two-state chain of Gilbert (1960) and Elliott (1963), one step a packet.

In the good state nothing is lost, in the bad one a share `in_bad`. With r the chance to leave the bad state and p
that to enter it, bad stretches are 1/r packets long on average and take a share p / (p + r) of all packets; so p
and r follow from what people know of a network: how much is lost, and how long a burst lasts.
"""

from __future__ import annotations

from random import Random


class GilbertElliott:
    """The chain, drawn from a seeded generator; it starts in its stationary state."""

    __slots__ = ("_bad", "_in_bad", "_random", "enter", "leave")

    def __init__(self, loss: float, burst: float, in_bad: float, random: Random) -> None:
        """`loss` is the share lost in the long run, below `in_bad`; `burst` the mean bad stretch, 1 or more."""
        share_bad = loss / in_bad
        self.leave = 1 / burst
        """Chance that a bad stretch ends with its packet."""
        self.enter = self.leave * share_bad / (1 - share_bad)
        """Chance that one begins after a good packet."""
        self._in_bad = in_bad
        self._random = random.random
        self._bad = self._random() < share_bad

    def lost(self) -> bool:
        """Whether the next packet is."""
        bad = self._bad
        self._bad = self._random() >= self.leave if bad else self._random() < self.enter
        return bad and (self._in_bad >= 1 or self._random() < self._in_bad)


def possible(loss: float, burst: float, in_bad: float) -> bool:
    """Whether a chain with these figures exists: bad stretches must leave room for good ones.

    >>> possible(0.4, 2, 1), possible(0.9, 1, 1)
    (True, False)
    """
    share_bad = loss / in_bad
    return share_bad < 1 and share_bad / (burst * (1 - share_bad)) <= 1
