"""The producer's end of the iceoryx2 transport."""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic  # deadlines of waits that are woken early; nothing is stamped
from typing import Any

import iceoryx2 as iox2

from benchkit.transports._direct.meeting import call, socket_path
from benchkit.transports._direct.sender import DirectSender, Held, Link
from benchkit.transports._iceoryx2 import page, ports
from benchkit.transports._iceoryx2.page import ACKED, LINK_BYTES, PRODUCER_SLEEPS, WORKER_SLEEPS, Page
from benchkit.transports.base import Address, Buffer

SLICE_S = 0.05
"""A sleeper looks around this often, should a wake-up have died with its messenger."""
_BORROWED = 2
"""Replies that are kept where they are; those that nobody has asked for by then are copied away."""


class IceoryxLink(Link):
    """A publisher of messages, a subscriber of replies, and the page of one worker."""

    __slots__ = (
        "_acked", "_answers", "_id", "_loan", "_messages", "_receive", "_services", "has_replies", "page",
    )  # fmt: skip

    def __init__(self, node: Any, address: Address, worker: int, here: Page, link: bytes) -> None:
        super().__init__()
        where = address.where
        self.page = here
        self._id = link
        self._acked = 0
        messages = ports.service(node, where, ports.MESSAGES, worker)
        replies = ports.service(node, where, ports.REPLIES, worker)
        subscriber = ports.subscriber(replies, where, ports.REPLIES)
        publisher = ports.publisher(messages, where, ports.MESSAGES)
        self._messages = ports.Samples(where, ports.MESSAGES)
        self._answers = ports.Samples(where, ports.REPLIES)
        self._services = (messages, replies, publisher, subscriber)
        self._loan = publisher.loan_slice_uninit
        self._receive = subscriber.receive
        self.has_replies = subscriber.has_samples

    def send(self, parts: Sequence[Buffer], nbytes: int) -> bool:
        """One copy, into a loaned sample."""
        try:
            loan = self._loan(ports.blocks(nbytes))
        except iox2.LoanError:  # the worker has released less than it has acknowledged
            return False
        self._messages.fill(loan, parts, nbytes, self._id)
        try:
            if not loan.assume_init().send():
                return False
        except (iox2.SendError, iox2.ConnectionFailure) as error:
            raise ConnectionResetError(str(error)) from error
        self.page.wake(WORKER_SLEEPS)
        return True

    def news(self) -> bool:
        """Whether `read` would find something, now."""
        return self.page.words[ACKED] != self._acked or self.has_replies()

    def read(self, replies: deque[Held]) -> int:
        """All replies, and how far the worker's count has come."""
        while (sample := self._receive()) is not None:
            link, view = self._answers.read(sample)
            if link != self._id:
                continue  # to a producer that is dead
            if len(replies) < _BORROWED:
                replies.append((view, sample))
            else:
                replies.append((memoryview(bytes(view)), None))
        acked = self.page.words[ACKED]
        done, self._acked = acked - self._acked, acked
        return done

    def close(self) -> None:
        """The publisher's memory stays until the worker has released what it holds."""
        self.page.close()
        del self._loan, self._receive, self.has_replies, self._services


class IceoryxSender(DirectSender):
    """The producer's end; spins, then sleeps."""

    def __init__(self, address: Address, spin_s: float) -> None:
        super().__init__(address, "iceoryx2")
        self._address = address
        self._spin_s = spin_s
        self._node: Any = ports.node(address.where)
        self._connect_all()

    def _connect(self, worker: int) -> Link | None:
        where = self._address.where
        link = os.urandom(LINK_BYTES)
        with ExitStack() as undo:
            descriptor = page.make(Path(str(where["root"])))
            undo.callback(os.close, descriptor)
            sock = call(socket_path(where, worker), link, (descriptor,))
            if sock is None:
                return None
            undo.callback(sock.close)
            here = Page(os.dup(descriptor), sock)
            made = IceoryxLink(self._node, self._address, worker, here, link)
            undo.pop_all()
        os.close(descriptor)
        return made

    def _wait(self, timeout_s: float) -> None:
        links = [link for link in self._links if isinstance(link, IceoryxLink)]
        news = [link.news for link in links]
        until_s = monotonic() + min(timeout_s, self._spin_s)
        while monotonic() < until_s:
            for come in news:
                if come():
                    return
        poll = select.poll()
        for link in links:
            link.page.words[PRODUCER_SLEEPS] = 1
            poll.register(link.page.sock, select.POLLIN)
        left_s = timeout_s - self._spin_s
        if left_s > 0 and not any(come() for come in news):
            poll.poll(min(left_s, SLICE_S) * 1000)
        for link in links:
            link.page.words[PRODUCER_SLEEPS] = 0
        self._bury()

    def _bury(self) -> None:
        for worker, link in enumerate(self._links):
            if isinstance(link, IceoryxLink) and not link.page.hear():
                self._last_words(link)
                self._drop(worker, link)

    def _last_words(self, link: IceoryxLink) -> None:
        """What a worker answered before it died."""
        done = link.read(self._replies)
        link.in_flight -= done
        self._in_flight -= done

    def close(self) -> None:
        """Ports and node."""
        super().close()
        self._node = None
