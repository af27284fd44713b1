"""The proxy's one loop: sockets that are ready, and moments that have come.

On Linux it is epoll with a timerfd, whose moments are exact to the kernel's high-resolution timers, where epoll's
own timeouts are whole milliseconds. Elsewhere it is what `selectors` finds. Nothing spins: the proxy shares its
cores with what is measured.
"""

from __future__ import annotations

import ctypes
import heapq
import os
import select
import selectors
import struct
import sys
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, Final

READ: Final = 1
WRITE: Final = 4
BROKEN: Final = 24
"""The bits of EPOLLIN, EPOLLOUT, and EPOLLERR with EPOLLHUP."""

OnReady = Callable[[int], None]
OnTime = Callable[[int], None]

_CLOCK_MONOTONIC: Final = 1
_TFD_NONBLOCK: Final = 0o4000
_TFD_CLOEXEC: Final = 0o2000000
_TFD_TIMER_ABSTIME: Final = 1


class EpollPoller:
    """Readiness and one absolute deadline, of Linux."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        libc = ctypes.CDLL(None, use_errno=True)
        self._timer = libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self._timer < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._settime = libc.timerfd_settime
        self._armed_ns: int | None = None
        self._epoll.register(self._timer, READ)
        self.register, self.modify = self._epoll.register, self._epoll.modify
        self.unregister = self._epoll.unregister

    def wait(self, deadline_ns: int | None) -> list[tuple[int, int]]:
        """Descriptors that are ready, with their bits; none when the deadline came."""
        if deadline_ns != self._armed_ns:
            self._arm(deadline_ns)
        ready = self._epoll.poll()
        timer = self._timer
        for at, (fd, _) in enumerate(ready):
            if fd == timer:
                del ready[at]
                os.read(timer, 8)
                self._armed_ns = None
                break
        return ready

    def _arm(self, deadline_ns: int | None) -> None:
        at_ns = 0 if deadline_ns is None else max(1, deadline_ns)
        seconds, rest = divmod(at_ns, 1_000_000_000)
        self._settime(self._timer, _TFD_TIMER_ABSTIME, struct.pack("@4l", 0, 0, seconds, rest), None)
        self._armed_ns = deadline_ns

    def close(self) -> None:
        """Both descriptors."""
        os.close(self._timer)
        self._epoll.close()


class PlainPoller:
    """The same from `selectors`, its timeouts as exact as the platform's."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def register(self, fd: int, mask: int) -> None:
        """Nothing is watched with a mask of 0."""
        if mask:
            self._selector.register(fd, self._events(mask))

    def modify(self, fd: int, mask: int) -> None:
        """Another mask."""
        self.unregister(fd)
        self.register(fd, mask)

    def unregister(self, fd: int) -> None:
        """Also where nothing was watched."""
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    @staticmethod
    def _events(mask: int) -> int:
        return (selectors.EVENT_READ if mask & READ else 0) | (selectors.EVENT_WRITE if mask & WRITE else 0)

    def wait(self, deadline_ns: int | None) -> list[tuple[int, int]]:
        """See EpollPoller.wait."""
        left_s = None if deadline_ns is None else max(0, deadline_ns - monotonic_ns()) / 1e9
        return [
            (
                key.fd,
                (READ if mask & selectors.EVENT_READ else 0) | (WRITE if mask & selectors.EVENT_WRITE else 0),
            )
            for key, mask in self._selector.select(left_s)
        ]

    def close(self) -> None:
        """The selector."""
        self._selector.close()


class Loop:
    """Calls back who waits for a descriptor or for a moment, until it is told to stop."""

    def __init__(self) -> None:
        self._poller: Any = EpollPoller() if sys.platform == "linux" else PlainPoller()
        self._handlers: dict[int, OnReady] = {}
        self._moments: list[tuple[int, int, OnTime]] = []
        self._count = 0
        self._running = True

    def watch(self, fd: int, mask: int, on_ready: OnReady) -> None:
        """Call `on_ready` with the bits that are set whenever any of `mask` is."""
        self._handlers[fd] = on_ready
        self._poller.register(fd, mask)

    def change(self, fd: int, mask: int) -> None:
        """Wait for other bits; for errors in any case."""
        self._poller.modify(fd, mask)

    def forget(self, fd: int) -> None:
        """Before the descriptor is closed."""
        if self._handlers.pop(fd, None) is not None:
            self._poller.unregister(fd)

    def at(self, moment_ns: int, on_time: OnTime) -> None:
        """Call `on_time` with the time it is, once that moment has come. It cannot be taken back."""
        self._count += 1
        heapq.heappush(self._moments, (moment_ns, self._count, on_time))

    @staticmethod
    def now_ns() -> int:
        """On the clock of `at`."""
        return monotonic_ns()

    def stop(self) -> None:
        """`run` returns when the callback under way has."""
        self._running = False

    def run(self) -> None:
        """Until `stop`."""
        moments, handlers, wait = self._moments, self._handlers, self._poller.wait
        while self._running:
            if moments:
                now_ns = monotonic_ns()
                while moments and moments[0][0] <= now_ns:
                    heapq.heappop(moments)[2](now_ns)
            for fd, bits in wait(moments[0][0] if moments else None):
                # An earlier one of this round may have closed it.
                handler = handlers.get(fd)
                if handler is not None:
                    handler(bits)

    def close(self) -> None:
        """Whoever is watched closes its own descriptors."""
        self._poller.close()
