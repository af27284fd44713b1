"""An end that is opened again whenever the other side is gone, a little later each time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from select import select
from typing import Final, Generic, TypeVar

from benchkit.engine.faulted.board import LEAVING, STATE, Board
from benchkit.engine.faulted.journal import Journal, What
from benchkit.errors import BenchkitError
from benchkit.transports.base import Receiver, Sender

_FIRST_S: Final = 0.005
_MOST_S: Final = 0.1

E = TypeVar("E", bound=Sender | Receiver)


class Reopened(Generic[E]):
    """Holds the end that is open now. `make` raises BenchkitError where it cannot be opened (yet)."""

    def __init__(self, make: Callable[[], E], journal: Journal, board: Board) -> None:
        self._make = make
        self._write = journal.write
        self._words = board.words
        self.end: E | None = self._opened(again=False)

    def _opened(self, *, again: bool) -> E | None:
        """None where the trial was over before it could be opened."""
        pause_s = _FIRST_S
        broken = again
        while self._words[STATE] != LEAVING:
            try:
                end = self._make()
            except (BenchkitError, OSError):
                if not broken:
                    self._write(What.BROKEN)
                broken = True
                select((), (), (), pause_s)
                pause_s = min(2 * pause_s, _MOST_S)
            else:
                self._write(What.READY, detail=int(again))
                return end
        return None

    def broken(self) -> E | None:
        """The other side is gone: close the end and open another one."""
        self._write(What.BROKEN)
        self.close()
        self.end = self._opened(again=True)
        return self.end

    def close(self) -> None:
        """Whatever state it is in."""
        if self.end is not None:
            with suppress(BenchkitError, OSError):
                self.end.close()
        self.end = None
