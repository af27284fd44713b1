"""One direction of one link: what each piece that enters is due for, and what was measured of it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from benchkit.link.blackout import ends_ns
from benchkit.link.delay import drawer
from benchkit.link.loss import GilbertElliott
from benchkit.link.plan import Blackout, Impairment
from benchkit.link.shaper import Shaper
from benchkit.link.tally import Tally

_SLICE_NS: Final = 1_000_000
"""Pieces of a stream that follow within it share a delay, as what a radio sends together does; and with a rate
no piece takes longer, so that it is shaped smoothly.
"""
_SLOW_BYTES_PER_S: Final = 5e6
_LEAST_PIECE_BYTES: Final = 1448
"""A segment on Ethernet."""
MOST_PIECE_BYTES: Final = 1 << 16


class Lane:
    """The state of a direction. Used by one thread."""

    def __init__(self, asked: Impairment, seed: str) -> None:
        """Draws for delays and for losses are independent streams of `seed`."""
        self.tally = Tally()
        self._delays = Random(f"{seed}/delay")  # noqa: S311  (a simulation)
        self._chances = Random(f"{seed}/loss")  # noqa: S311  (a simulation)
        self.chance = self._chances.random
        self._blackouts: list[Blackout] = list(asked.blackouts)
        self._began_ns = 0
        self.held_bytes = 0
        self.paused: dict[Callable[[], None], None] = {}
        """What to call when there is room again, in the order in which it was held back."""
        self.become(asked)

    def become(self, asked: Impairment) -> None:
        """Another impairment from now on; what is held keeps its moment, and blackouts stay as they are."""
        self.asked = asked
        self.nothing = asked.nothing and not self._blackouts
        self.draw = drawer(asked, self._delays)
        self.losses = (
            GilbertElliott(asked.loss, asked.loss_burst, asked.loss_in_bad, self._chances)
            if asked.loss
            else None
        )
        self.shaper = Shaper(asked.rate_bytes_per_s, asked.burst_bytes)
        rate = asked.rate_bytes_per_s
        slice_bytes = int(rate * _SLICE_NS / 1e9) if rate else MOST_PIECE_BYTES
        self.piece_bytes = min(MOST_PIECE_BYTES, max(_LEAST_PIECE_BYTES, slice_bytes))
        """How much of a stream is read at a time."""
        self.alone_ns = 1e9 / rate if rate else 0.0
        """How long the rate takes for a byte."""
        self.slow = 0 < rate < _SLOW_BYTES_PER_S
        """A fast lane needs the large windows that the kernel finds by itself."""
        self.limit_bytes = asked.held_bytes
        self._drawn_ns = 0
        self._delay_ns = 0

    def begin(self, now_ns: int) -> None:
        """The first byte is there: scheduled blackouts are counted from here."""
        if not self._began_ns:
            self._began_ns = now_ns

    def shared_delay_ns(self, now_ns: int) -> tuple[int, bool]:
        """The delay of a piece of a stream, and whether it was drawn for this one."""
        if now_ns - self._drawn_ns < _SLICE_NS and self._drawn_ns:
            return self._delay_ns, False
        self._drawn_ns = now_ns
        self._delay_ns = self.draw()
        return self._delay_ns, True

    def dark_until_ns(self, moment_ns: int) -> int | None:
        """The end of the blackout in which this moment lies; None where it lies in none."""
        if not self._blackouts:
            return None
        end = ends_ns(self._blackouts, moment_ns - self._began_ns)
        return None if end is None else end + self._began_ns

    def black_out(self, now_ns: int, lasts_ns: int) -> None:
        """One more blackout, from now on; what waits is held back as well."""
        self.begin(now_ns)
        self._blackouts.append(Blackout(now_ns - self._began_ns, lasts_ns))
        self.nothing = False

    def take(self, nbytes: int) -> None:
        """So many more are held."""
        self.held_bytes += nbytes

    def give(self, nbytes: int) -> None:
        """So many fewer are; who was held back may go on when a quarter of the room is free."""
        self.held_bytes -= nbytes
        if self.paused and self.held_bytes < self.limit_bytes * 3 // 4:
            waiting, self.paused = self.paused, {}
            for resume in waiting:
                resume()
