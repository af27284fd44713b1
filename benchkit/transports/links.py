"""Bytes in and out of one connected socket: gathered writes, reads into given memory, waits that time out."""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Sequence
from typing import Protocol

from benchkit.errors import BrokerError
from benchkit.tensors.wire import Buffer

PATIENCE_S = 30
"""How long the broker may stop in the middle of a transfer before it counts as gone."""

_KEEPALIVE = {"TCP_KEEPIDLE": PATIENCE_S // 2, "TCP_KEEPINTVL": PATIENCE_S // 6, "TCP_KEEPCNT": 3}
_IOV_MAX = os.sysconf("SC_IOV_MAX")
_SOCKET_BUFFER_BYTES = 1 << 20
_REMEDY = "see whether the broker still runs, and its log"


class Link(Protocol):
    """One socket; every method raises BrokerError when the other side is gone."""

    def write(self, buffers: Sequence[Buffer], total_bytes: int) -> None:
        """Send all buffers, gathered."""

    def arrive(self, memory: memoryview, timeout_s: float) -> int:
        """Read what is there, at least one byte; 0 when nothing came within `timeout_s`."""

    def read(self, memory: memoryview) -> int:
        """Read at least one byte, in the middle of an answer."""

    def fill(self, memory: memoryview) -> None:
        """Read until `memory` is full, in the middle of an answer."""


def keep_alive(sock: socket.socket) -> None:
    """Let the kernel ask the peer of an idle TCP connection whether it is there, and break the connection if not.

    Else who only waits on one whose other end is gone without a word (a firewall that forgot it, a host without
    power) waits for ever. After PATIENCE_S without an answer it is gone; see tcp(7).
    """
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def link(sock: socket.socket) -> Link:
    """The link over a socket that is connected and greeted."""
    keep_alive(sock)
    if type(sock) is socket.socket:
        return SocketLink(sock)
    from benchkit.transports.tls import TlsLink

    return TlsLink(sock)


def gone(error: OSError | None = None) -> BrokerError:
    """The error of an end whose connection is lost, or stopped in the middle of a message."""
    if isinstance(error, BlockingIOError | TimeoutError):
        return BrokerError(
            f"the broker stopped for {PATIENCE_S} s in the middle of a message", remedy=_REMEDY
        )
    what = f": {error.strerror or error}" if error else ""
    return BrokerError(f"the broker closed the connection{what}", remedy=_REMEDY)


class SocketLink:
    """A plain socket. It blocks, so that one system call moves a whole frame; polls ask for no wait."""

    __slots__ = ("_fd", "_recv_into", "_sendmsg")

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(None)
        patience = struct.pack("@ll", PATIENCE_S, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
        if sock.family == socket.AF_UNIX:
            # A frame then crosses in a few wake-ups; TCP sizes its own window better.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER_BYTES)
        self._fd = (sock.fileno(),)
        self._sendmsg = sock.sendmsg
        self._recv_into = sock.recv_into

    def write(self, buffers: Sequence[Buffer], total_bytes: int) -> None:
        """Send all buffers, gathered: one system call where the kernel takes them all."""
        try:
            sent = self._sendmsg(buffers[:_IOV_MAX])
        except OSError as error:
            raise gone(error) from None
        if sent < total_bytes:
            self._write_rest(buffers, sent)

    def _write_rest(self, buffers: Sequence[Buffer], sent: int) -> None:
        views = [memoryview(buffer) for buffer in buffers if len(buffer)]
        first = 0
        while True:
            while first < len(views) and sent >= views[first].nbytes:
                sent -= views[first].nbytes
                first += 1
            if first == len(views):
                return
            views[first] = views[first][sent:]
            try:
                sent = self._sendmsg(views[first : first + _IOV_MAX])
            except OSError as error:
                raise gone(error) from None

    def arrive(self, memory: memoryview, timeout_s: float) -> int:
        """Read what is there; 0 when nothing came within `timeout_s`."""
        if timeout_s > 0 and not select.select(self._fd, (), (), timeout_s)[0]:
            return 0
        try:
            count = self._recv_into(memory, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise gone(error) from None
        if not count:
            raise gone()
        return count

    def read(self, memory: memoryview) -> int:
        """Read at least one byte."""
        try:
            count = self._recv_into(memory)
        except OSError as error:
            raise gone(error) from None
        if not count:
            raise gone()
        return count

    def fill(self, memory: memoryview) -> None:
        """Read until `memory` is full: one system call, unless a signal interrupts it."""
        wanted = memory.nbytes
        while wanted:
            try:
                count = self._recv_into(memory, wanted, socket.MSG_WAITALL)
            except OSError as error:
                raise gone(error) from None
            if not count:
                raise gone()
            memory = memory[count:]
            wanted -= count
