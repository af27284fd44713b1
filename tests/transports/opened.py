"""A transport with ends that are closed when the test is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchkit.engine.site import Site
from benchkit.runtime.folders import run_folder
from benchkit.transports.base import Address, Delivery, Receiver, Sender, Transport

PATIENCE_S = 10.0


class Opened:
    """Folder, address and ends of one transport."""

    def __init__(self, transport: Transport, message_bytes: int, workers: int, stack: ExitStack) -> None:
        name, self.folder = stack.enter_context(run_folder())
        setup = Site(name, self.folder, ExitStack()).setup(message_bytes, 4096, workers)
        self.name = setup.name
        self.address: Address = stack.enter_context(transport.prepare(setup))
        self._transport, self._stack = transport, stack

    def receiver(self, worker: int = 0) -> Receiver:
        receiver = self._transport.receiver(self.address, worker)
        self._stack.callback(receiver.close)
        return receiver

    def sender(self) -> Sender:
        sender = self._transport.sender(self.address)
        self._stack.callback(sender.close)
        return sender


@contextmanager
def opened(transport: Transport, message_bytes: int = 1 << 16, workers: int = 1) -> Iterator[Opened]:
    with ExitStack() as stack:
        yield Opened(transport, message_bytes, workers, stack)


def taken(receiver: Receiver) -> Delivery:
    """The next delivery, which must come."""
    delivery = receiver.receive(PATIENCE_S)
    assert delivery is not None
    return delivery


def settle(delivery: Delivery) -> None:
    delivery.ack()
    delivery.release()
