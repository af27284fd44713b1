"""Ctrl-C, SIGTERM and SIGHUP end the measuring; what was measured until then is saved all the same."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Installed as the handler of all three from `installed` on."""

    def __init__(self) -> None:
        self.came = False
        self._saving = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Raises KeyboardInterrupt, but not while results are being saved: that takes a moment only."""
        del number, frame
        self.came = True
        if not self._saving:
            raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[None]:
        """Results are being saved."""
        self._saving = True
        try:
            yield
        finally:
            self._saving = False


@contextmanager
def installed() -> Iterator[Interrupts]:
    """Handlers for as long as this lasts; what was installed before comes back."""
    interrupts = Interrupts()
    # A signal that is ignored (nohup) stays ignored.
    taken = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupts) for number in taken}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
