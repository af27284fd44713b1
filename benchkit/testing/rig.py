"""A transport set up the way the engine sets it up, its ends in threads that a fact can command."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any

from benchkit.engine import fan_in
from benchkit.engine.site import Site
from benchkit.testing.letters import Letter, Post
from benchkit.testing.party import Party
from benchkit.testing.report import BrokenPromise, promise
from benchkit.transports.base import Address, Capabilities, Delivery, Receiver, Sender, Setup, Slot, Transport

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
        producers: int = 1,
    ) -> Iterator[Rig]:
        """The transport with `depth`, all ends open; on exit all are closed and `prepare` is undone."""
        options = {**self.transport.model_dump(), "depth": depth}
        transport = type(self.transport).model_validate(options)
        setup = self.site.setup(message_bytes, reply_bytes, workers, producers)
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
    """One prepared transport: its producers (one, mostly) and its workers, each in its thread."""

    def __init__(self, check: Check, transport: Transport, setup: Setup, address: Address) -> None:
        self.check = check
        self.transport = transport
        self.setup = setup
        self.address = address
        self.patience_s = check.patience_s
        self._producers = [Party(role, check.patience_s) for role in fan_in.roles(setup.producers)]
        self._producer = self._producers[0]
        self._workers = [Party(f"worker-{worker}", check.patience_s) for worker in range(setup.workers)]
        self._senders: list[Sender | None] = [None] * setup.producers
        self._receivers: list[Receiver | None] = [None] * setup.workers

    # Ends ----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """All receivers, then the senders."""
        for worker in range(self.setup.workers):
            self.open_receiver(worker)
        for producer in range(self.setup.producers):
            self.open_sender(producer)

    def open_sender(self, producer: int = 0) -> None:
        """In the producer's thread."""
        address = fan_in.address_of(self.address, producer, self.setup.producers)
        self._senders[producer] = self._producers[producer].do(
            "opening the sender", self.transport.sender, address
        )

    def open_receiver(self, worker: int = 0) -> None:
        """In the worker's thread."""
        self._receivers[worker] = self._workers[worker].do(
            "opening a receiver", self.transport.receiver, self.address, worker
        )

    def close_sender(self, producer: int = 0) -> None:
        """Once, if it is open."""
        sender, party = self._senders[producer], self._producers[producer]
        if sender is not None and not party.stuck:
            self._senders[producer] = None
            party.do("closing the sender", sender.close)

    def close_receiver(self, worker: int = 0) -> None:
        """Once, if it is open."""
        receiver = self._receivers[worker]
        if receiver is not None and not self._workers[worker].stuck:
            self._receivers[worker] = None
            self._workers[worker].do("closing a receiver", receiver.close)

    def close(self) -> None:
        """Everything that is open, and the threads; the first error is raised when all was tried."""
        errors: list[Exception] = []
        closers = [partial(self.close_sender, producer) for producer in range(self.setup.producers)]
        closers += [partial(self.close_receiver, worker) for worker in range(self.setup.workers)]
        for closer in closers:
            try:
                closer()
            except Exception as error:  # noqa: BLE001  (the others must be closed too)
                errors.append(error)
        for party in (*self._producers, *self._workers):
            party.leave()
        if errors:
            raise errors[0]

    @property
    def sender(self) -> Sender:
        """The open sender of the first producer."""
        return self._open_sender(0)

    def _open_sender(self, producer: int) -> Sender:
        sender = self._senders[producer]
        if sender is None:
            raise BrokenPromise("the sender is not open")
        return sender

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

    def loan(self, nbytes: int, timeout_s: float) -> Slot | None:
        """One call of `loan`."""
        return self._producer.do(
            f"loan with a timeout of {timeout_s:g} s", self.sender.loan, nbytes, timeout_s
        )

    def publish(self, slot: Slot, nbytes: int) -> None:
        """Send a lent slot."""
        self._producer.do("sending a lent slot", slot.send, nbytes)

    def give_back(self, slot: Slot) -> None:
        """A lent slot is not needed."""
        self._producer.do("giving a lent slot back", slot.give_back)

    def begin_send(self, letter: Letter, producer: int = 0) -> Future[bool]:
        """Send as the engine does: again and again until there is room or patience is at an end."""
        return self._producers[producer].begin(_insist, self._open_sender(producer), letter, self.patience_s)

    def wait_sent(self, sending: Future[bool]) -> bool:
        """Whether it was sent before patience was at an end."""
        return self._producer.finish(sending, "send", self.patience_s)

    def rejected(self, timeout_s: float) -> bool:
        """Whether the next reply says that the transport refused a message."""
        seen = self._producer.do("reply", self.sender.reply, timeout_s)
        return seen is not None and seen.rejected

    def reply(self, post: Post, timeout_s: float, producer: int = 0) -> int | None:
        """One call of `reply`; the number of what came."""
        sender = self._open_sender(producer)

        def once() -> int | None:
            seen = sender.reply(timeout_s)
            return None if seen is None else post.accept(seen.view, "reply")

        return self._producers[producer].do(f"reply with a timeout of {timeout_s:g} s", once)

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

    def deliver(self, post: Post, letter: Letter, worker: int = 0, producer: int = 0) -> Delivery:
        """Send one letter and receive it."""
        post.add(letter)
        sending = self.begin_send(letter, producer)
        delivery = self.expect(post, worker)
        if not self.wait_sent(sending):
            raise BrokenPromise("send said that it sent nothing, and the message was received")
        return delivery

    # Many messages -------------------------------------------------------------------------------------

    def stream(self, post: Post, handle: Handle, replies: Post | None = None) -> list[list[int]]:
        """Send all letters while every worker receives; the numbers that each worker received, in order.

        Several producers deal the letters out among themselves, and each expects the replies to its own alone.
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
        count = self.setup.producers
        parts = [_part(replies, letters[producer::count]) for producer in range(count)]
        feeding = [
            party.begin(_feed, self._open_sender(p), letters[p::count], parts[p], news, done)
            for p, party in enumerate(self._producers)
        ]
        everybody: list[Future[Any]] = [*feeding, *jobs]
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
        for party, job in zip(self._producers, feeding, strict=True):
            party.finish(job, "send or reply")
        if replies is not None:
            replies.arrived += [number for part in parts if part is not None for number in part.arrived]
        return [
            party.finish(job, "receive, reply, ack or release")
            for party, job in zip(self._workers, jobs, strict=True)
        ]


def _part(replies: Post | None, letters: Sequence[Letter]) -> Post | None:
    """The replies to these letters; a reply to another one is a reply that was never given."""
    if replies is None:
        return None
    return Post([replies.letters[each.seq] for each in letters if each.seq in replies.letters])


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
