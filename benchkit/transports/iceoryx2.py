"""iceoryx2: zero-copy publish-subscribe through shared memory, as robots use it.

How a producer and its workers use it is told in `_iceoryx2`. The producer writes a message once, into a
sample that iceoryx2 lent it; the stage reads it there.

At most once: a sample is in the worker's hands or waits for it, and iceoryx2 gives neither to anybody else
when that worker dies. Each worker has a publisher of `depth` and a few samples of its own, so that two
workers need twice the shared memory of one.
"""

from __future__ import annotations

import select
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic  # deadlines of waits that are woken early; nothing is stamped
from typing import Any, ClassVar

from pydantic import Field

from benchkit.errors import Rejected
from benchkit.runtime.folders import SEGMENTS, held
from benchkit.tensors.wire import total_bytes
from benchkit.transports._direct.meeting import answer, listen, meeting, socket_path
from benchkit.transports._iceoryx2.page import ACKED, LINK_BYTES, PRODUCER_SLEEPS, WORKER_SLEEPS, Page
from benchkit.transports.base import (
    Address,
    Buffer,
    Capabilities,
    Delivery,
    Receiver,
    Sender,
    Setup,
    Transport,
)
from benchkit.units import Seconds

_SLICE_S = 0.05
"""A sleeper looks around this often, should a wake-up have died with its messenger."""


class Iceoryx2Delivery(Delivery):
    """A sample in shared memory."""

    __slots__ = ("_link", "_page", "_receiver", "_sample", "view")

    def __init__(
        self, receiver: Iceoryx2Receiver, page: Page | None, link: bytes, sample: Any, view: memoryview
    ) -> None:
        self._receiver = receiver
        self._page = page
        self._link = link
        self._sample = sample
        self.view = view

    def reply(self, parts: Sequence[Buffer]) -> None:
        """One copy, into a loaned sample of the worker's replies."""
        if self._page is not None:
            self._receiver.answer(parts, self._link, self._page)

    def ack(self) -> None:
        """One count, in memory that the producer looks at."""
        page = self._page
        if page is not None:
            self._page = None
            page.words[ACKED] += 1
            with suppress(OSError):  # the producer is gone: nobody waits for it
                page.wake(PRODUCER_SLEEPS)

    def release(self) -> None:
        """The sample is the producer's again."""
        self.view = memoryview(b"")
        self._sample = None
        self._receiver.held.discard(self)

    def forget(self, page: Page) -> None:
        """The link of `page` is closed."""
        if self._page is page:
            self._page = None


class Iceoryx2Receiver(Receiver):
    """A worker's end: a subscriber of messages, a publisher of replies."""

    def __init__(self, address: Address, worker: int, spin_s: float) -> None:
        from benchkit.transports._iceoryx2 import ports

        where = address.where
        self._spin_s = spin_s
        self._reply_limit_bytes = int(where["reply_bytes"])
        node = ports.node(where)
        messages = ports.service(node, where, ports.MESSAGES, worker)
        replies = ports.service(node, where, ports.REPLIES, worker)
        subscriber = ports.subscriber(messages, where, ports.MESSAGES)
        publisher = ports.publisher(replies, where, ports.REPLIES)
        self._take = subscriber.receive
        self._loan = publisher.loan_slice_uninit
        self._lend = partial(ports.lend, node, publisher)
        self._none_left = ports.NONE_LEFT
        self._kept: tuple[Any, ...] = (node, messages, replies, subscriber, publisher)
        self._messages = ports.Samples(where, ports.MESSAGES)
        self._replies = ports.Samples(where, ports.REPLIES)
        self._blocks = ports.blocks
        self._pages: dict[bytes, Page] = {}
        self.held: set[Iceoryx2Delivery] = set()
        # Last: a producer that can connect finds everything there.
        self._listener = listen(socket_path(where, worker))

    def receive(self, timeout: float) -> Delivery | None:
        """The view is the sample's memory."""
        sample = self._take()
        if sample is None:
            sample = self._wait(monotonic() + timeout)
            if sample is None:
                return None
        link, view = self._messages.read(sample)
        page = self._pages.get(link)
        if page is None:
            self._meet()
            page = self._pages.get(link)
        delivery = Iceoryx2Delivery(self, page, link, sample, view)
        self.held.add(delivery)
        return delivery

    def _wait(self, until_s: float) -> Any:
        """The next sample, or None: spin, then sleep."""
        take, clock = self._take, monotonic
        spin_until_s = min(until_s, clock() + self._spin_s)
        while clock() < spin_until_s:
            if (sample := take()) is not None:
                return sample
        while (left_s := until_s - clock()) > 0:
            for page in self._pages.values():
                page.words[WORKER_SLEEPS] = 1
            sample = take()
            if sample is None:
                self._sleep(min(left_s, _SLICE_S))
                sample = take()
            for page in self._pages.values():
                page.words[WORKER_SLEEPS] = 0
            if sample is not None:
                return sample
        return None

    def _sleep(self, timeout_s: float) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        for page in self._pages.values():
            poll.register(page.sock, select.POLLIN)
        if poll.poll(timeout_s * 1000):
            self._meet()
            for link, page in list(self._pages.items()):
                if not page.hear():
                    self._part(link)

    def _meet(self) -> None:
        """Take in the pages of producers that have come."""
        while (met := answer(self._listener, LINK_BYTES, 1)) is not None:
            sock, link, (descriptor,) = met
            self._pages[link] = Page(descriptor, sock)

    def _part(self, link: bytes) -> None:
        page = self._pages.pop(link)
        for delivery in self.held:
            delivery.forget(page)
        page.close()

    def answer(self, parts: Sequence[Buffer], link: bytes, page: Page) -> None:
        """Publish a reply."""
        nbytes = total_bytes(parts)
        if nbytes > self._reply_limit_bytes:
            limit = self._reply_limit_bytes
            raise Rejected(
                f"a reply of {nbytes} bytes where at most {limit} were announced", where="iceoryx2"
            )
        try:
            loan = self._loan(self._blocks(nbytes))
        except self._none_left:
            loan = self._lend(self._blocks(nbytes))
        self._replies.fill(loan, parts, nbytes, link)
        loan.assume_init().send()
        with suppress(OSError):  # the producer is gone: nobody waits for it
            page.wake(PRODUCER_SLEEPS)

    def close(self) -> None:
        """What was not acknowledged is lost, as the guarantee says."""
        self._listener.close()
        for link in tuple(self._pages):
            self._part(link)
        for delivery in tuple(self.held):
            delivery.release()
        del self._take, self._loan, self._lend
        self._kept = ()


class Iceoryx2(Transport):
    """iceoryx2 publish-subscribe: written once into shared memory, read there, no broker."""

    kind: ClassVar[str] = "iceoryx2"
    requires: ClassVar[tuple[str, ...]] = ("iceoryx2",)
    install: ClassVar[str] = "pip install 'benchkit[iceoryx2]'"

    spin: Seconds = Field(
        50e-6,
        description="how long a party that finds nothing looks again and again before it sleeps: a message "
        "that comes meanwhile saves a wake-up of 10 to 50 us; costs up to this much CPU time per wait",
    )

    def capabilities(self) -> Capabilities:
        """Each worker sees its messages in the order sent; one that dies takes them with it."""
        return Capabilities("at-most-once", "process", "per-worker", zero_copy=True, same_host=True)

    def floor(self) -> str:
        """A copy into shared memory and a flag."""
        return "memcpy-spin"

    @contextmanager
    def prepare(self, setup: Setup) -> Iterator[Address]:
        """The services, held open here while ends come and go; their files are removed on exit.

        Raises StorageError with needed and free bytes.
        """
        from benchkit.transports._iceoryx2 import ports

        root = setup.folder / f"{setup.name}.iox2"
        with meeting(setup, self.depth) as where, ExitStack() as undo:
            where |= {"name": setup.name, "root": str(root)}
            ports.check_room(where)
            root.mkdir(mode=0o700)
            if SEGMENTS.is_dir():
                # iceoryx2 holds none of its files: a run with another TMPDIR would sweep them away.
                held(SEGMENTS / f"{setup.name}-alive", undo)
            try:
                node = ports.node(where)
                ports.keep_private(setup.name)
                services = [
                    ports.service(node, where, what, worker)
                    for what in (ports.MESSAGES, ports.REPLIES)
                    for worker in range(setup.workers)
                ]
                yield Address(where, path="iceoryx2 samples in shared memory, a service for each worker")
                del services, node
            finally:
                ports.sweep(setup.name)
                shutil.rmtree(Path(root), ignore_errors=True)

    def sender(self, address: Address) -> Sender:
        """Connects to every worker; raises BrokerError when none listens."""
        from benchkit.transports._iceoryx2.sender import IceoryxSender

        return IceoryxSender(address, self.spin)

    def receiver(self, address: Address, worker: int) -> Receiver:
        """Listens in place of whoever had this worker number before."""
        return Iceoryx2Receiver(address, worker, self.spin)
