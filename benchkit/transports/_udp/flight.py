"""What a producer has under way to one worker: which messages have a place, which are asked for, which are lost.

No clock is read here. A place is free again when the worker is done with its message, says that it has nothing
of it, or is done with several that were sent later. Whether the message is lost shows a little later: its reply
may still be under way.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from benchkit.transports._udp.head import MOST_ASKED

_OVERTAKEN: Final = 3
"""So many later messages that are done with free a place; fewer may be reordering, as TCP says of its third duplicate
acknowledgement (RFC 5681).
"""


@dataclass(slots=True)
class Sent:
    """A message of which its worker has not said that it is done with it."""

    start: bytes
    """Of the message: enough to know it by."""
    sent_s: float = 0.0
    """0 until all of it has gone."""
    gone_s: float = 0.0
    """When the worker said that it has nothing of it; 0: it has not."""
    placed: bool = True


class Flight:
    """The messages of one worker by their numbers, oldest first."""

    def __init__(self) -> None:
        self._sent: dict[int, Sent] = {}
        self._number = 0
        self.placed = 0
        """How many have a place."""

    def __contains__(self, number: object) -> bool:
        return number in self._sent

    def __len__(self) -> int:
        return len(self._sent)

    def begin(self, start: bytes) -> int:
        """The number of a message that takes a place."""
        self._number += 1
        self._sent[self._number] = Sent(start)
        self.placed += 1
        return self._number

    def sent(self, number: int, now_s: float) -> None:
        """All of it has gone; with parity it may be done with before that."""
        if number in self._sent:
            self._sent[number].sent_s = now_s

    def done(self, number: int) -> bool:
        """The worker is done with it; False where nothing is known of such a message (any more)."""
        sent = self._sent.pop(number, None)
        if sent is None:
            return False
        self._free(sent)
        for older, other in self._sent.items():
            if older + _OVERTAKEN > number:
                break
            self._free(other)
        return True

    def gone(self, numbers: Sequence[int], now_s: float) -> None:
        """The worker has nothing of these."""
        for number in numbers:
            sent = self._sent.get(number)
            if sent is not None and not sent.gone_s:
                sent.gone_s = now_s
                self._free(sent)

    def _free(self, sent: Sent) -> None:
        self.placed -= sent.placed
        sent.placed = False

    def quiet(self, before_s: float) -> list[int]:
        """The oldest that had gone before then and of which nothing was heard: MOST_ASKED at the most."""
        found = (n for n, each in self._sent.items() if 0 < each.sent_s <= before_s and not each.gone_s)
        return list(islice(found, MOST_ASKED))

    def lost(self, before_s: float, coming: Container[int]) -> list[tuple[int, Sent]]:
        """Take out those that were gone before then, but for replies that are `coming`."""
        found = [
            (number, each)
            for number, each in self._sent.items()
            if 0 < each.gone_s <= before_s and number not in coming
        ]
        for number, _ in found:
            self.done(number)
        return found

    def clear(self) -> list[Sent]:
        """Take out all: the worker is gone."""
        found = list(self._sent.values())
        self._sent.clear()
        self.placed = 0
        return found
