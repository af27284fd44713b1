"""Messages that wait in the producer: a bounded queue, and what happens when it is full.

A message that will be tried again waits among them until its moment has come. Nothing is reordered: what may be sent
is always the oldest one whose moment has come.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from benchkit.flow.options import Policy


class Numbered(Protocol):
    """A message: which one it is, and when it was due."""

    number: int
    """Rises with the due moment."""
    due_ns: int


M = TypeVar("M", bound=Numbered)


class Waiting(Generic[M]):
    """At most `places` messages; which one goes when there are more is the `policy`'s.

    With `block` nothing new may be put in while there is no `room`. What comes back to be tried again has been
    promised to be kept and finds a place then all the same: there are never more of these than were in flight.
    """

    def __init__(self, policy: Policy, places: int) -> None:
        self._policy = policy
        self._places = places
        self._now: deque[M] = deque()
        """Those that may be sent, the oldest first."""
        self._later: list[tuple[int, int, M]] = []
        """A heap of those that must wait until a moment: (moment, number, message)."""
        self.most = 0
        """The most that ever waited."""

    def __len__(self) -> int:
        return len(self._now) + len(self._later)

    def __iter__(self) -> Iterator[M]:
        yield from self._now
        yield from (message for _, _, message in self._later)

    @property
    def room(self) -> bool:
        """A new message may be put in; a policy that drops makes room."""
        return self._policy != "block" or len(self) < self._places

    @property
    def first(self) -> M | None:
        """What may be sent next."""
        return self._now[0] if self._now else None

    @property
    def wakes_ns(self) -> int | None:
        """When the next one that has to wait may be sent."""
        return self._later[0][0] if self._later else None

    def put(self, message: M) -> M | None:
        """A new one, younger than all others; returns the one that is dropped for it, maybe itself."""
        dropped = self._dropped_for(message)
        if dropped is not message:
            self._now.append(message)
        self._count()
        return dropped

    def put_back(self, message: M, ready_ns: int) -> M | None:
        """One that is to be tried again, not before `ready_ns`; returns the one that is dropped for it."""
        dropped = self._dropped_for(message)
        if dropped is not message:
            heapq.heappush(self._later, (ready_ns, message.number, message))
        self._count()
        return dropped

    def wake(self, now_ns: int) -> None:
        """Those whose moment has come may be sent, in the order of their numbers."""
        while self._later and self._later[0][0] <= now_ns:
            message = heapq.heappop(self._later)[2]
            at = next(
                (at for at, other in enumerate(self._now) if other.number > message.number), len(self._now)
            )
            self._now.insert(at, message)

    def take(self) -> M:
        """The oldest that may be sent, which waits no longer."""
        return self._now.popleft()

    def remove(self, message: M) -> None:
        """It needs not be sent any more."""
        if message in self._now:
            self._now.remove(message)
        else:
            self._later = [entry for entry in self._later if entry[2] is not message]
            heapq.heapify(self._later)

    def overdue(self, due_before_ns: int) -> list[M]:
        """Take out those that were due before that moment and may be sent."""
        found = []
        while self._now and self._now[0].due_ns < due_before_ns:
            found.append(self._now.popleft())
        return found

    def _count(self) -> None:
        self.most = max(self.most, len(self))

    def _dropped_for(self, message: M) -> M | None:
        if len(self) < self._places or self._policy == "block":
            return None
        if self._policy == "drop-newest":
            return message
        oldest = min((message, *self._heads()), key=lambda each: each.number)
        if oldest is not message:
            self.remove(oldest)
        return oldest

    def _heads(self) -> Iterator[M]:
        """Among them is the oldest."""
        if self._now:
            yield self._now[0]
        yield from (message for _, _, message in self._later)
