"""A transport set up the way the engine sets it up, its ends in threads that a fact can command."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any

from benchkit.engine.ready import Site
from benchkit.testing.letters import Letter, Post
from benchkit.testing.party import Party
from benchkit.testing.report import BrokenPromise, promise
from benchkit.transports.base import Address, Capabilities, Delivery, Receiver, Sender, Setup, Transport

Handle = Callable[[Delivery, int], None]
"""What a worker does with a delivery and the number of its message: reply, ack, release, or keep it."""

_SLICE_S = 0.02
DEPTH = 4
SMALL_BYTES = 1 << 16


@dataclass(slots=True)
class Check:
    """What every fact of one check shares."""

    transport: Transport
    capabilities: Capabilities
    site: Site
    quick: bool
    patience_s: float
    runner: Party
    """Lives as long as the check: what `prepare` starts may be tied to its thread."""

    @contextmanager
    def rig(
        self,
        *,
        workers: int = 1,
        depth: int = DEPTH,
        message_bytes: int = SMALL_BYTES,
        reply_bytes: int = SMALL_BYTES,
        open_ends: bool = True,
    ) -> Iterator[Rig]:
        """The transport with `depth`, all ends open; on exit all are closed and `prepare` is undone."""
        options = {**self.transport.model_dump(), "depth": depth}
        transport = type(self.transport).model_validate(options)
        setup = self.site.setup(message_bytes, reply_bytes, workers)
        prepared = transport.prepare(setup)
        rig = Rig(self, transport, setup, self.runner.do("prepare", prepared.__enter__))
        try:
            try:
                if open_ends:
                    rig.open()
                yield rig
            finally:
                rig.close()
        except BaseException as error:
            # As a with statement would, but in the runner's thread and watched.
            self.runner.do("the exit of prepare", prepared.__exit__, type(error), error, error.__traceback__)
            raise
        self.runner.do("the exit of prepare", prepared.__exit__, None, None, None)


class Rig:
    """One prepared transport: a producer and its workers, each in its thread."""

    def __init__(self, check: Check, transport: Transport, setup: Setup, address: Address) -> None:
        self.check = check
        self.transport = transport
        self.setup = setup
        self.address = address
        self.patience_s = check.patience_s
        self._producer = Party("producer", check.patience_s)
        self._workers = [Party(f"worker-{worker}", check.patience_s) for worker in range(setup.workers)]
        self._sender: Sender | None = None
        self._receivers: list[Receiver | None] = [None] * setup.workers

    # Ends ----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """All receivers, then the sender."""
        for worker in range(self.setup.workers):
            self.open_receiver(worker)
        self.open_sender()

    def open_sender(self) -> None:
        """In the producer's thread."""
        self._sender = self._producer.do("opening the sender", self.transport.sender, self.address)

    def open_receiver(self, worker: int = 0) -> None:
        """In the worker's thread."""
        self._receivers[worker] = self._workers[worker].do(
            "opening a receiver", self.transport.receiver, self.address, worker
        )

    def close_sender(self) -> None:
        """Once, if it is open."""
        if self._sender is not None and not self._producer.stuck:
            sender, self._sender = self._sender, None
            self._producer.do("closing the sender", sender.close)

    def close_receiver(self, worker: int = 0) -> None:
        """Once, if it is open."""
        receiver = self._receivers[worker]
        if receiver is not None and not self._workers[worker].stuck:
            self._receivers[worker] = None
            self._workers[worker].do("closing a receiver", receiver.close)

    def close(self) -> None:
        """Everything that is open, and the threads; the first error is raised when all was tried."""
        errors: list[Exception] = []
        closers: list[Callable[[], None]] = [self.close_sender]
        closers += [lambda worker=worker: self.close_receiver(worker) for worker in range(self.setup.workers)]  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        for closer in closers:
            try:
                closer()
            except Exception as error:  # noqa: BLE001  (the others must be closed too)
                errors.append(error)
        for party in (self._producer, *self._workers):
            party.leave()
        if errors:
            raise errors[0]

    @property
    def sender(self) -> Sender:
        """The open sender."""
        if self._sender is None:
            raise BrokenPromise("the sender is not open")
        return self._sender

    def receiver(self, worker: int = 0) -> Receiver:
        """The open receiver of `worker`."""
        receiver = self._receivers[worker]
        if receiver is None:
            raise BrokenPromise(f"receiver {worker} is not open")
        return receiver

    # Single steps --------------------------------------------------------------------------------------

    def send(self, letter: Letter, timeout_s: float) -> bool:
        """One call of `send`."""
        return self._producer.do(
            f"send with a timeout of {timeout_s:g} s", self.sender.send, letter.parts, timeout_s
        )

    def begin_send(self, letter: Letter) -> Future[bool]:
        """Send as the engine does: again and again until there is room or patience is at an end."""
        return self._producer.begin(_insist, self.sender, letter, self.patience_s)

    def wait_sent(self, sending: Future[bool]) -> bool:
        """Whether it was sent before patience was at an end."""
        return self._producer.finish(sending, "send", self.patience_s)

    def rejected(self, timeout_s: float) -> bool:
        """Whether the next reply says that the transport refused a message."""
        seen = self._producer.do("reply", self.sender.reply, timeout_s)
        return seen is not None and seen.rejected

    def reply(self, post: Post, timeout_s: float) -> int | None:
        """One call of `reply`; the number of what came."""

        def once() -> int | None:
            seen = self.sender.reply(timeout_s)
            return None if seen is None else post.accept(seen.view, "reply")

        return self._producer.do(f"reply with a timeout of {timeout_s:g} s", once)

    def receive(self, timeout_s: float, worker: int = 0) -> Delivery | None:
        """One call of `receive`."""
        receive = self.receiver(worker).receive
        party = self._workers[worker]
        return party.finish(
            party.begin(receive, timeout_s), f"receive with a timeout of {timeout_s:g} s", timeout_s
        )

    def expect(self, post: Post, worker: int = 0) -> Delivery:
        """The next delivery, whole and unchanged; BrokenPromise when none comes."""
        delivery = self.receive(self.patience_s, worker)
        if delivery is None:
            raise BrokenPromise("a message that was sent has not been received")
        post.accept(delivery.view)
        return delivery

    def settle(self, delivery: Delivery, reply: Letter | None = None, worker: int = 0) -> None:
        """Reply, ack, release, as the engine does."""
        self._workers[worker].do("reply, ack and release", settle, delivery, reply)

    def deliver(self, post: Post, letter: Letter, worker: int = 0) -> Delivery:
        """Send one letter and receive it."""
        post.add(letter)
        sending = self.begin_send(letter)
        delivery = self.expect(post, worker)
        if not self.wait_sent(sending):
            raise BrokenPromise("send said that it sent nothing, and the message was received")
        return delivery

    # Many messages -------------------------------------------------------------------------------------

    def stream(self, post: Post, handle: Handle, replies: Post | None = None) -> list[list[int]]:
        """Send all letters while every worker receives; the numbers that each worker received, in order.

        Ends when all letters (and replies) have come and nothing more follows, or when nothing has come for
        as long as the patience lasts.
        """
        letters = list(post.letters.values())
        news: SimpleQueue[None] = SimpleQueue()
        done = Event()
        jobs = [
            party.begin(_serve, self.receiver(worker), post, handle, news, done)
            for worker, party in enumerate(self._workers)
        ]
        feeding = self._producer.begin(_feed, self.sender, letters, replies, news, done)
        everybody: list[Future[Any]] = [feeding, *jobs]
        for job in everybody:  # an error ends a job early: it is raised below
            job.add_done_callback(lambda _: news.put(None))
        expected = len(letters) + (len(replies.letters) if replies else 0)
        for _ in range(expected):
            try:
                news.get(timeout=self.patience_s)
            except Empty:
                break
            if any(job.done() for job in everybody):
                break
        done.set()
        self._producer.finish(feeding, "send or reply")
        return [
            party.finish(job, "receive, reply, ack or release")
            for party, job in zip(self._workers, jobs, strict=True)
        ]


def settle(delivery: Delivery, reply: Letter | None = None) -> None:
    """Reply (if there is one), ack, release."""
    if reply is not None:
        delivery.reply(reply.parts)
    delivery.ack()
    delivery.release()


def _insist(sender: Sender, letter: Letter, patience_s: float) -> bool:
    give_up = time.monotonic() + patience_s
    while not sender.send(letter.parts, _SLICE_S):
        if time.monotonic() > give_up:
            return False
    return True


def _feed(
    sender: Sender, letters: Sequence[Letter], replies: Post | None, news: SimpleQueue[None], done: Event
) -> None:
    def look(timeout_s: float) -> None:
        while (seen := sender.reply(timeout_s)) is not None:
            if replies is None:
                raise BrokenPromise("a reply came where none was given")
            replies.accept(seen.view, "reply")
            news.put(None)

    for letter in letters:
        while not sender.send(letter.parts, _SLICE_S):
            look(0)
            if done.is_set():
                return
        look(0)
    while not done.is_set():
        look(_SLICE_S)
    look(_SLICE_S)


def _serve(receiver: Receiver, post: Post, handle: Handle, news: SimpleQueue[None], done: Event) -> list[int]:
    numbers = []
    ending = False
    while not ending:
        # Once more after the end: what is delivered twice comes then.
        ending = done.is_set()
        while (delivery := receiver.receive(_SLICE_S)) is not None:
            numbers.append(post.accept(delivery.view))
            handle(delivery, numbers[-1])
            news.put(None)
            promise(len(numbers) <= 2 * len(post.letters), "messages come again and again")
    return numbers
