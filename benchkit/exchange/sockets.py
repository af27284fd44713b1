"""Floors of sockets: one message in one piece, one byte back; over a Unix socket, over TCP, and as HTTP by hand.

They block, with a limit that the kernel keeps, so that one system call moves as much as it can.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

from benchkit.exchange.base import ACK, PATIENCE_S, Far, Near, Spot, gone
from benchkit.tensors.wire import Buffer
from benchkit.transports.buffers import fresh

HOST = "127.0.0.1"
_UNIX_BUFFER_BYTES = 1 << 20
_MAX_HEAD_BYTES = 4096


def patient(sock: socket.socket) -> socket.socket:
    """Blocking, but not for ever."""
    sock.settimeout(None)
    patience = struct.pack("@ll", PATIENCE_S, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
    if sock.family == socket.AF_UNIX:
        # A large message then crosses in a few wake-ups; TCP sizes its own window better.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNIX_BUFFER_BYTES)
    else:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def listening_unix(spot: Spot) -> socket.socket:
    """The consumer's; the producer connects before the first message is awaited."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(spot.socket)
    listener.listen(1)
    return patient(listener)


def connected_unix(spot: Spot) -> socket.socket:
    """The producer's."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(spot.socket)
    return patient(sock)


def listening_tcp(spot: Spot) -> socket.socket:
    """Likewise; the port is told in a file of the folder."""
    listener = socket.create_server((HOST, 0))
    (spot.folder / "port").write_text(str(listener.getsockname()[1]))
    return patient(listener)


def connected_tcp(spot: Spot) -> socket.socket:
    """Likewise."""
    return patient(socket.create_connection((HOST, int((spot.folder / "port").read_text()))))


def accepted(listener: socket.socket) -> socket.socket:
    """The producer's connection."""
    try:
        return patient(listener.accept()[0])
    except BlockingIOError:
        raise gone("nobody connected") from None


def send(sock: socket.socket, parts: Sequence[Buffer], total: int) -> None:
    """All of `parts`, gathered: one system call where the kernel takes them all."""
    sent = sock.sendmsg(parts)
    while sent < total:
        rest = []
        for part in parts:
            if sent < len(part):
                rest.append(memoryview(part)[sent:])
            sent = max(0, sent - len(part))
        parts, total = rest, sum(map(len, rest))
        sent = sock.sendmsg(parts)


def fill(sock: socket.socket, memory: memoryview) -> None:
    """Read until `memory` is full; raises PartyError when the other side stops or closes."""
    wanted = memory.nbytes
    try:
        while wanted:
            count = sock.recv_into(memory, wanted, socket.MSG_WAITALL)
            if not count:
                raise gone("the other side closed its socket; nothing came")
            memory = memory[count:]
            wanted -= count
    except BlockingIOError:
        raise gone("nothing came") from None


class SocketNear(Near):
    """Writes the message, reads one byte."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._ack = memoryview(bytearray(len(ACK)))

    def exchange(self, payload: bytes) -> None:
        """Over and back."""
        self._sock.sendall(payload)
        fill(self._sock, self._ack)

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()


class SocketFar(Far):
    """Reads the message into a buffer that is used again, writes one byte."""

    def __init__(self, spot: Spot, listener: socket.socket) -> None:
        self._listener = listener
        self._sock: socket.socket | None = None
        self._slot = fresh(spot.nbytes)[: spot.nbytes]

    @property
    def sock(self) -> socket.socket:
        """The connection, awaited when it is first needed."""
        if self._sock is None:
            self._sock = accepted(self._listener)
        return self._sock

    def take(self) -> Buffer:
        """The whole message."""
        fill(self.sock, self._slot)
        return self._slot

    def give(self) -> None:
        """One byte."""
        self.sock.sendall(ACK)

    def close(self) -> None:
        """Close both."""
        if self._sock is not None:
            self._sock.close()
        self._listener.close()


class UnixNear(SocketNear):
    """Over a Unix socket."""

    def __init__(self, spot: Spot) -> None:
        super().__init__(connected_unix(spot))


class UnixFar(SocketFar):
    """Over a Unix socket."""

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot, listening_unix(spot))


class TcpNear(SocketNear):
    """Over loopback TCP."""

    def __init__(self, spot: Spot) -> None:
        super().__init__(connected_tcp(spot))


class TcpFar(SocketFar):
    """Over loopback TCP."""

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot, listening_tcp(spot))


class HttpNear(Near):
    """A POST as it stands on the wire, the answer of known length."""

    def __init__(self, spot: Spot) -> None:
        self._sock = connected_tcp(spot)
        self._head = b"POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n" % (
            HOST.encode(),
            spot.nbytes,
        )
        self._total = len(self._head) + spot.nbytes
        self._answer = memoryview(bytearray(len(_ANSWER)))

    def exchange(self, payload: bytes) -> None:
        """Over and back."""
        send(self._sock, (self._head, payload), self._total)
        fill(self._sock, self._answer)

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()


class HttpFar(SocketFar):
    """Looks for the end of the head, then reads as many bytes as that says."""

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot, listening_tcp(spot))
        self._slot = fresh(_MAX_HEAD_BYTES + spot.nbytes)

    def take(self) -> Buffer:
        """The body, where it landed behind the head."""
        sock, slot, got, body = self.sock, self._slot, 0, 0
        while not body:
            count = sock.recv_into(slot[got:])
            if not count:
                raise gone("the other side closed its socket; nothing came")
            got += count
            head = bytes(slot[: min(got, _MAX_HEAD_BYTES)])
            body = head.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in head else 0
        length = int(head[head.find(b"Content-Length: ") + 16 : body])
        fill(sock, slot[got : body + length])
        return slot[body : body + length]

    def give(self) -> None:
        """A response with one byte."""
        self.sock.sendall(_ANSWER)


_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(ACK), ACK)
