"""Sockets and links that hand out the bytes of an input in pieces; then nothing comes any more, or the end."""

from __future__ import annotations

import socket

from benchkit.errors import BrokerError


def pieces(data: bytes) -> tuple[int, bytes]:
    """How many bytes come at once, by the first byte of an input, so that there are few pieces; and the bytes."""
    return (max((1 << 20, 1, 7, 64)[data[0] % 4], len(data) // 8), data[1:]) if data else (1, b"")


class FedSocket:
    """Takes whatever is sent; `recv_into` gives a piece, BlockingIOError between pieces when asked not to wait."""

    family = socket.AF_INET

    def __init__(self, data: bytes) -> None:
        self.most, self.data = pieces(data)
        self.at = 0
        self.before = 0
        self.closes = bool(data) and bool(data[0] & 4)
        self.pause = False

    def recv_into(self, memory: memoryview, nbytes: int = 0, flags: int = 0) -> int:
        if flags & socket.MSG_DONTWAIT:
            self.pause = not self.pause
            if self.pause:
                raise BlockingIOError
        if self.at == len(self.data) and not self.closes:
            raise BlockingIOError
        count = min(nbytes or len(memory), len(memory), self.most, len(self.data) - self.at)
        memory[:count] = self.data[self.at : self.at + count]
        self.at += count
        return count

    def fileno(self) -> int:
        return 0

    def setblocking(self, flag: bool) -> None:
        pass

    def settimeout(self, value: float | None) -> None:
        pass

    def setsockopt(self, *options: object) -> None:
        pass

    def sendmsg(self, buffers: object, *more: object) -> int:
        return sum(len(each) for each in buffers)

    def sendall(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        pass


class FedLink:
    """The seam of a broker's connection (transports.links.Link)."""

    def __init__(self, data: bytes) -> None:
        self.most, self.data = pieces(data)
        self.at = 0

    def write(self, buffers: object, total_bytes: int) -> None:
        pass

    def arrive(self, memory: memoryview, timeout_s: float) -> int:
        return self.read(memory) if self.at < len(self.data) else 0

    def read(self, memory: memoryview) -> int:
        count = min(len(memory), self.most, len(self.data) - self.at)
        if count <= 0:
            raise BrokerError("the end")
        memory[:count] = self.data[self.at : self.at + count]
        self.at += count
        return count

    def fill(self, memory: memoryview) -> None:
        while memory:
            memory = memory[self.read(memory) :]
