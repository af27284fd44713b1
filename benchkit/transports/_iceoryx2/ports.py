"""iceoryx2's nodes, services and ports, set up so that all their files carry the cell's name."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, Final

import iceoryx2 as iox2
import psutil

from benchkit.errors import BrokerError, StorageError
from benchkit.runtime.folders import SEGMENTS
from benchkit.tensors.wire import Buffer
from benchkit.transports.buffers import gather
from benchkit.units import show_bytes

MESSAGES: Final = "messages"
REPLIES: Final = "replies"
TAIL: Final = struct.Struct("<8sQ")
"""Behind every sample's bytes, at its very end: the link it belongs to, and how many bytes it has."""
_BLOCK_BYTES: Final = 64
"""A sample is a number of these, so that it begins where a processor likes tensors to begin."""
_IN_HAND: Final = {MESSAGES: 2, REPLIES: 4}
"""Samples that are neither waiting nor in flight: loaned, set aside, shown, acknowledged and not released."""
_CREATION_S: Final = 4
_HALF_MADE: Final = "HangsInCreation"
_CLEARING_S: Final = 2.0
_PORTS: Final = 4
"""Of one kind in a service: one that lives, and dead ones that nobody has cleared away yet."""

NONE_LEFT: Final[type[Exception]] = iox2.LoanError

Where = Mapping[str, str | int]


def capacity(where: Where, what: str) -> int:
    """Samples of one port: `depth` in flight and those in hand."""
    return int(where["depth"]) + _IN_HAND[what]


def blocks(nbytes: int) -> int:
    """What a sample of a message of `nbytes` takes."""
    return -(-(nbytes + TAIL.size) // _BLOCK_BYTES)


def _longest(where: Where, what: str) -> int:
    return blocks(int(where["message_bytes" if what == MESSAGES else "reply_bytes"]))


class _Block(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_uint8 * _BLOCK_BYTES),)


def node(where: Where) -> Any:
    """A node of this thread, in the cell's folder; raises BrokerError."""
    iox2.set_log_level_from_env_or(iox2.LogLevel.Fatal)
    config = iox2.config.default()
    config.global_cfg.prefix = iox2.FileName.new(str(where["name"]) + "-")
    config.global_cfg.root_path = iox2.Path.new(str(where["root"]))
    # Its 500 ms are over before a process that shares a busy core has made a service.
    config.global_cfg.creation_timeout = iox2.Duration.from_secs(_CREATION_S)
    with _translated("cannot make an iceoryx2 node"):
        return (
            iox2.NodeBuilder.new()
            .config(config)
            .signal_handling_mode(iox2.SignalHandlingMode.Disabled)
            .create(iox2.ServiceType.Ipc)
        )


def service(node: Any, where: Where, what: str, worker: int) -> Any:
    """The service of a worker's messages or replies; raises BrokerError."""
    name = iox2.ServiceName.new(f"{what}/{worker}")
    with _translated(f"cannot open the service of {what}"):
        for remedy in (_cleared, _forced):
            try:
                return _open_or_create(node, name, where, what)
            except iox2.PublishSubscribeOpenOrCreateError as error:
                if _HALF_MADE not in str(error):
                    raise
                remedy(node, name)
        return _open_or_create(node, name, where, what)


def _cleared(node: Any, name: Any) -> None:  # noqa: ARG001  (one of two remedies)
    """Somebody was killed while it made the service, or while it cleared it away."""
    node.try_cleanup_dead_nodes()


def _forced(node: Any, name: Any) -> None:
    """Nobody has ended what was begun: nobody can be using it."""
    node.force_remove_service(name, iox2.MessagingPattern.PublishSubscribe)


def _open_or_create(node: Any, name: Any, where: Where, what: str) -> Any:
    return (
        node.service_builder(name)
        .publish_subscribe(iox2.Slice[_Block])
        .payload_alignment(iox2.Alignment.new(_BLOCK_BYTES))
        .enable_safe_overflow(False)
        .history_size(0)
        .subscriber_max_buffer_size(capacity(where, what))
        .subscriber_max_borrowed_samples(capacity(where, what))
        .max_publishers(_PORTS)
        .max_subscribers(_PORTS)
        .max_nodes(4 * _PORTS)
        .open_or_create()
    )


def publisher(service: Any, where: Where, what: str) -> Any:
    """Memory for `capacity` samples of the longest, all of it there; raises StorageError, BrokerError."""
    with _translated("cannot make an iceoryx2 publisher"):
        port = (
            service.publisher_builder()
            .initial_max_slice_len(_longest(where, what))
            .allocation_strategy(iox2.AllocationStrategy.Static)
            .max_loaned_samples(2)
            .override_sample_preallocation(capacity(where, what))
            .backpressure_strategy(iox2.BackpressureStrategy.DiscardData)
            .create()
        )
    _allocate(str(where["name"]), str(port.id.value))
    return port


def lend(node: Any, publisher: Any, nblocks: int) -> Any:
    """A loan where none was left: what killed subscribers never took is cleared away first; raises BrokerError."""
    until_s = monotonic() + _CLEARING_S
    while True:
        node.try_cleanup_dead_nodes()
        publisher.update_connections()
        try:
            return publisher.loan_slice_uninit(nblocks)
        except iox2.LoanError as error:
            if monotonic() > until_s:
                raise BrokerError(f"no sample is left to lend: {error}", where="iceoryx2") from error


def subscriber(service: Any, where: Where, what: str) -> Any:
    """Raises BrokerError."""
    with _translated("cannot make an iceoryx2 subscriber"):
        return service.subscriber_builder().buffer_size(capacity(where, what)).create()


class Samples:
    """Memory of one service's samples as views; iceoryx2 gives the same few addresses again and again."""

    __slots__ = ("_known", "_size_bytes")

    def __init__(self, where: Where, what: str) -> None:
        self._size_bytes = _longest(where, what) * _BLOCK_BYTES
        self._known: dict[int, memoryview] = {}

    def _at(self, address: int) -> memoryview:
        view = self._known.get(address)
        if view is None:
            memory = (ctypes.c_uint8 * self._size_bytes).from_address(address)
            self._known[address] = view = memoryview(memory).cast("B")
        return view

    def fill(self, loan: Any, parts: Sequence[Buffer], nbytes: int, link: bytes) -> None:
        """Gather `nbytes` into a loan of `blocks(nbytes)`."""
        view = self._at(loan.payload_ptr)
        gather(parts, view)
        TAIL.pack_into(view, blocks(nbytes) * _BLOCK_BYTES - TAIL.size, link, nbytes)

    def read(self, sample: Any) -> tuple[bytes, memoryview]:
        """The link and the bytes, read-only, valid for as long as `sample` is kept."""
        view = self._at(sample.payload_ptr)
        end = sample.header.number_of_elements * _BLOCK_BYTES
        link, nbytes = TAIL.unpack_from(view, end - TAIL.size)
        return link, view[:nbytes].toreadonly()


def _allocate(name: str, port: str) -> None:
    """Back a publisher's file with memory now: a page that finds none later would kill the process."""
    for path in SEGMENTS.glob(f"{name}-*_{port}.data") if hasattr(os, "posix_fallocate") else ():
        with path.open("r+b") as segment:
            size_bytes = os.fstat(segment.fileno()).st_size
            try:
                os.posix_fallocate(segment.fileno(), 0, size_bytes)
            except OSError as error:
                raise _no_room(size_bytes) from error


def check_room(where: Where) -> None:
    """Raises StorageError when the samples of all workers do not fit into shared memory."""
    each = sum(capacity(where, what) * _longest(where, what) for what in (MESSAGES, REPLIES))
    needed_bytes = int(where["workers"]) * each * _BLOCK_BYTES
    if SEGMENTS.is_dir() and needed_bytes > _free_bytes():
        raise _no_room(needed_bytes)


def _free_bytes() -> int:
    facts = os.statvfs(SEGMENTS)
    return min(facts.f_bavail * facts.f_frsize, psutil.virtual_memory().available)


def _no_room(needed_bytes: int) -> StorageError:
    return StorageError(
        f"iceoryx2's samples need {needed_bytes} bytes ({show_bytes(needed_bytes)}), "
        f"{_free_bytes()} bytes are free",
        where=str(SEGMENTS),
        remedy="lower the transport's `depth`, its workers or the payload, or give more shared memory "
        "(a container: `docker run --shm-size=2g`)",
    )


def sweep(name: str) -> None:
    """Remove every segment of the cell, those of killed parties too."""
    for path in SEGMENTS.glob(f"{name}-*") if SEGMENTS.is_dir() else ():
        path.unlink(missing_ok=True)


def keep_private(name: str) -> None:
    """iceoryx2 makes one small file of each domain writable for everybody."""
    for path in SEGMENTS.glob(f"{name}-*.global_mgmt") if SEGMENTS.is_dir() else ():
        with suppress(OSError):
            path.chmod(0o600)


_FAILURES: Final[tuple[type[Exception], ...]] = tuple(
    error
    for name in dir(iox2)
    if isinstance(error := getattr(iox2, name), type) and issubclass(error, Exception)
)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise BrokerError(f"{what}: {type(error).__name__}: {error}", where="iceoryx2") from error
