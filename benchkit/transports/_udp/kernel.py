"""A UDP socket: its buffers as the kernel grants them, and many datagrams with one system call.

Linux cuts what it is given into datagrams of one size itself (GSO, `UDP_SEGMENT`), and hands such a row on as one
piece to a socket that asked for that (GRO, `UDP_GRO`); `include/uapi/linux/udp.h`. Elsewhere each costs a call.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Any, Final

from benchkit.tensors.wire import Buffer
from benchkit.transports.buffers import fresh

HOST: Final = "127.0.0.1"
HEADERS_BYTES: Final = 28
"""IPv4 and UDP: so much shorter is a datagram than the MTU."""
MOST_BYTES: Final = 65_507
"""Of a datagram over IPv4, and of a row of them that is cut by the kernel."""
_MOST_IN_A_ROW: Final = 64
_SOL_UDP: Final = 17
_UDP_SEGMENT: Final = 103
_UDP_GRO: Final = 104
_SO_MEMINFO: Final = 55
_DROPS_AT: Final = 8
_MEMINFO: Final = struct.Struct("=9I")
_SIZE: Final = struct.Struct("=H")
_INT: Final = struct.Struct("=i")
_ANCILLARY_BYTES: Final = socket.CMSG_SPACE(_INT.size)
_NO_ROOM: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS})


class Datagrams:
    """A non-blocking socket of the loopback interface; `offload`: rows go and come in one piece where they can."""

    __slots__ = ("_cuts", "_joins", "buffer", "receive_bytes", "send_bytes", "sock", "table")

    def __init__(self, send_bytes: int, receive_bytes: int, *, offload: bool = True) -> None:
        """Asks for these buffers; what the kernel granted is in `send_bytes` and `receive_bytes`."""
        self.sock = sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.send_bytes = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        self.receive_bytes = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self._cuts = self._joins = offload and sys.platform == "linux"
        if self._joins:
            try:
                sock.setsockopt(_SOL_UDP, _UDP_GRO, 1)
            except OSError:
                self._joins = False
        self.buffer = fresh(1 << 16)
        """What was received last."""
        self.table = fresh(1 << 16)
        """For what is sent next."""

    def fileno(self) -> int:
        """For `select`."""
        return self.sock.fileno()

    def in_a_row(self, datagram_bytes: int) -> int:
        """How many datagrams of this length may go with one call."""
        return max(1, min(_MOST_IN_A_ROW, MOST_BYTES // datagram_bytes)) if self._cuts else 1

    def send(self, parts: Sequence[Buffer], each_bytes: int, address: Any = None) -> bool:
        """Send them as datagrams of `each_bytes` (0: as one); False when there is no room; OSError when refused."""
        ancillary = [(_SOL_UDP, _UDP_SEGMENT, _SIZE.pack(each_bytes))] if each_bytes else ()
        try:
            if address is None:
                self.sock.sendmsg(parts, ancillary)
            else:
                self.sock.sendmsg(parts, ancillary, 0, address)
        except OSError as error:
            if error.errno in _NO_ROOM:
                return False
            if each_bytes and error.errno != errno.ECONNREFUSED:
                # A kernel, or a device on the way, that does not cut: from now on one by one.
                self._cuts = False
                return False
            raise
        return True

    def receive(self) -> tuple[int, int, Any] | None:
        """Bytes in `buffer`, the length of each datagram among them but the last, whose; None when nothing is there."""
        try:
            if not self._joins:
                nbytes, address = self.sock.recvfrom_into(self.buffer)
                return nbytes, nbytes, address
            nbytes, ancillary, _, address = self.sock.recvmsg_into((self.buffer,), _ANCILLARY_BYTES)
        except BlockingIOError:
            return None
        each_bytes = nbytes
        for level, kind, data in ancillary:
            if level == _SOL_UDP and kind == _UDP_GRO:
                each_bytes = _INT.unpack_from(data)[0]
        return nbytes, each_bytes, address

    def kernel_lost(self) -> int:
        """Datagrams for which this socket had no room; 0 where the kernel does not say."""
        try:
            told = self.sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        except OSError:
            return 0
        return int(_MEMINFO.unpack(told)[_DROPS_AT]) if len(told) == _MEMINFO.size else 0

    def close(self) -> None:
        """What was not received is lost."""
        self.sock.close()
