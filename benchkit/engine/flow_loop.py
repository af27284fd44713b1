"""The loop of a producer with traffic control: nothing in it waits longer than until the next thing happens.

A message is due, a reply comes, an attempt times out, a message may be tried again, the bucket has a token. What is
done with a message then is `benchkit.engine.flowing`.

In a closed loop the places in flight are the credits and the queue: nothing is dropped for want of room.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import deque
from typing import Any, Final

from benchkit.engine.dues import Dues, Places, Schedule, Scheduled
from benchkit.engine.feed import Prepared
from benchkit.engine.pacing import SPIN_NS
from benchkit.engine.producer import Producer
from benchkit.flow.adapting import Limit
from benchkit.flow.bucket import TokenBucket
from benchkit.flow.options import FlowOptions
from benchkit.flow.waiting import Waiting
from benchkit.load.base import ClosedArrival
from benchkit.load.share import share

SLICE_NS: Final = 20_000_000
"""The longest wait for anything: so soon a block that is stopped is noticed."""
FOREVER_NS: Final = 1 << 62


class FlowLoop(Producer, ABC):
    """The loop; its state is set up by who does something with the messages."""

    _flow: FlowOptions
    _waiting: Waiting[Any]
    _dues: Dues
    _ahead: Prepared | None
    """The next message, taken before it is due."""
    _under_way: dict[int, Any]
    """Sent at least once and not settled, by number."""
    _timers: deque[tuple[int, Any, int]]
    """When an attempt times out: (moment, message, attempt)."""
    _shaped: TokenBucket | None
    _paid: bool
    """A token was taken for the next message."""
    _limit: Limit | None
    _credits: int
    _deadline_ns: int
    _owed: int
    """Attempts that may still be answered, all together."""
    _measured_from_ns: int

    @abstractmethod
    def _arrive(self, due: int, prepared: Prepared, now: int) -> None:
        """A message is due."""

    @abstractmethod
    def _allowed(self, now: int) -> Any:
        """The message that may be sent now, or None."""

    @abstractmethod
    def _attempt(self, message: Any) -> None:
        """Send it, if there is room."""

    @abstractmethod
    def _expire(self, now: int) -> None:
        """Look at the timers."""

    @abstractmethod
    def _drop(self, message: Any, why: str, now: int) -> None:
        """It will not be sent (again)."""

    @abstractmethod
    def _has_credit(self) -> bool:
        """One more may be in flight."""

    def _open_loop(self, offsets: Schedule) -> int:
        task = self._task
        dues = (share(offsets, task.producer, task.producers) + self.started_ns).tolist()
        self._measured_from_ns = self.started_ns + int(task.warmup_s * 1e9)
        # Known beforehand: a block that ends early must not count its warm-up as measured.
        self.warmup_messages = bisect_left(dues, self._measured_from_ns)
        self._dues = Scheduled(dues)
        give_up_ns = self.started_ns + int(offsets[-1]) + int(task.drain_s * 1e9)
        self._run_until(give_up_ns)
        self._leave(self._dues.left())
        return give_up_ns

    def _closed_loop(self, load: ClosedArrival) -> int:
        task, flow = self._task, self._flow
        think_ns = int(load.think_s * 1e9)
        end_ns = self.started_ns + int((task.warmup_s + task.duration_s) * 1e9)
        self._measured_from_ns = self.started_ns + int(task.warmup_s * 1e9)
        places = len(range(task.producer, load.places, task.producers))
        self.freed = deque([self.started_ns - think_ns] * places)
        self._dues = Places(self.freed, think_ns, end_ns) if places else Scheduled(())
        self._waiting = Waiting("block", places + flow.places)
        self._credits, self._limit = FOREVER_NS, None
        give_up_ns = end_ns + int(task.drain_s * 1e9)
        self._run_until(give_up_ns)
        return give_up_ns

    def _run_until(self, give_up_ns: int) -> None:
        clock, waiting = self._clock, self._waiting
        self._look_ahead()
        while not self._stopped() and (now := clock()) <= give_up_ns:
            self._admit(now)
            self._collect()
            if self._timers:
                self._expire(now)
            waiting.wake(now)
            if self._deadline_ns:
                for message in waiting.overdue(now - self._deadline_ns):
                    self._drop(message, "deadline", now)
            turn = self._allowed(now)
            if turn is not None:
                self._attempt(turn)
            elif self._dues.over and not len(waiting) and not self._more_to_come(self._last_due_ns()):
                return
            else:
                self._pause(self._next_ns(now))

    def _last_due_ns(self) -> int:
        return self.due[-1] if self.due else self.started_ns

    def _awaited(self) -> int:
        return len(self._under_way)

    def _look_ahead(self) -> None:
        """Have the next message ready before it is due, and count what is spent from the first measured one on."""
        if self._dues.over or self.source_ended:
            return
        self._ahead = self._feed.take()
        if self._ahead is None:
            self.source_ended = True
            self._leave(self._dues.left())
            self._dues = Scheduled(())

    def _admit(self, now: int) -> None:
        """What is due joins those that wait."""
        while (due := self._dues.next_ns) is not None:
            if due >= self._measured_from_ns:
                self._measured_from_ns = FOREVER_NS
                self.spending.mark()
            if due > now or not self._waiting.room:
                return
            assert self._ahead is not None  # noqa: S101  (there is one as long as there is a due moment)
            self._arrive(self._dues.take(), self._ahead, now)
            self._look_ahead()

    def _next_ns(self, now: int) -> int:
        """When something happens that is no reply."""
        found = now + SLICE_NS
        waiting = self._waiting
        if (due := self._dues.next_ns) is not None and waiting.room:
            found = min(found, due)
        if self._timers:
            found = min(found, self._timers[0][0])
        if (wakes := waiting.wakes_ns) is not None:
            found = min(found, wakes)
        if self._shaped is not None and not self._paid and waiting.first is not None and self._has_credit():
            found = min(found, self._shaped.ready_ns(now))
        return found

    def _pause(self, until: int) -> None:
        """Until then, or until a reply was seen; sharp where a message may be sent at that moment."""
        left = until - self._clock()
        idle = self._waiting.first is None
        if idle:
            left -= SPIN_NS
        if left > 0:
            if self._owed:
                self._await_reply(left * 1e-9)
            else:
                time.sleep(left * 1e-9)
        elif idle and (not self._task.one_process or (self._task.replies and not self._owed)):
            self._spin(until)
        else:
            self._rest(until)
