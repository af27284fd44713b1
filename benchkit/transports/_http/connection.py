"""One keep-alive connection: a request gathered from its parts, a response into reused memory.

The sockets are driven here because no HTTP client library has a `reply(0)` that never blocks; what HTTP means
is left to httptools (llhttp), which the server needs anyway. Closed loop of 64 B against one plain uvicorn
application, medians, as multiples of a raw TCP exchange: this way 1.3, http.client 1.7, aiohttp 2.7,
urllib3 3.2, httpx 4.5, requests 7.6. (With 6.2 MB a plain application hides the client: 3.8 for all.)
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Literal

import httptools

from benchkit.errors import BrokerError
from benchkit.tensors.wire import ENVELOPE_BYTES, Buffer
from benchkit.transports.buffers import fresh
from benchkit.transports.sockets import Sockets

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

MAX_HEAD_BYTES = 64 << 10
STALL_S = 2.0
"""How long a server may take nothing of a body that is on its way before the request is abandoned."""
OK, NO_CONTENT, CONTENT_TOO_LARGE, SERVICE_UNAVAILABLE = 200, 204, 413, 503

_CONNECT_S = 2.0
_MOST_DIGITS = 19
_NO_LENGTH = -1
_CLOSE = "Connection: close\r\n"
_IOV_MAX = 512
_TOUCH_REPLY_BYTES = 1 << 20
_KNOWN = frozenset((OK, NO_CONTENT, CONTENT_TOO_LARGE, SERVICE_UNAVAILABLE))
_REDIRECTS = range(300, 400)
# Plain numbers: an operation on the flags' enumeration costs as much as the system call.
DONTWAIT = int(socket.MSG_DONTWAIT)
_PEEK = int(socket.MSG_PEEK) | DONTWAIT


@dataclass(frozen=True, slots=True)
class Manner:
    """How a client keeps its connections."""

    sockets: Sockets = field(default_factory=Sockets)
    keep_alive: bool = True
    pool: int | None = None
    """Idle connections that are kept; None: as many as there are requests in flight."""


DEFAULT = Manner()


class Dropped(Exception):
    """The server closed the connection."""


class Head:
    """The head of a response, as the parser reports it; raises BrokerError when it is none or unexpected."""

    __slots__ = ("header_bytes", "keep_alive", "length", "retry_after_s", "status")

    def __init__(self, head: memoryview, known: Container[int] = _KNOWN) -> None:
        length = self.length = -1
        self.header_bytes: int | None = None
        self.retry_after_s = 0.0
        parser = httptools.HttpResponseParser(self)
        try:
            parser.feed_data(head)
        except httptools.HttpParserError as error:
            raise BrokerError(f"the stage's server does not speak HTTP: {error}") from None
        status = self.status = parser.get_status_code()
        self.keep_alive = parser.should_keep_alive()
        length = 0 if status == NO_CONTENT else self.length
        if status in _REDIRECTS:
            raise BrokerError(f"the stage's HTTP server answered {status}: redirects are refused")
        if self.header_bytes == _NO_LENGTH:
            raise BrokerError(
                "the stage's HTTP server sent an Inference-Header-Content-Length that is no length"
            )
        if status not in known or length < 0:
            raise BrokerError(
                f"the stage's HTTP server answered {status}"
                + (" without a Content-Length" if length < 0 else "")
            )
        self.length = length

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-length":
            self.length = int(value)
        elif name == b"inference-header-content-length":
            # int() would take signs, underscores and spaces.
            self.header_bytes = int(value) if value.isdigit() and len(value) < _MOST_DIGITS else _NO_LENGTH
        elif name == b"retry-after" and value.isdigit() and len(value) < _MOST_DIGITS:
            # Else a date, which no server of ours sends.
            self.retry_after_s = float(value)


class Connection:
    """To worker number `worker`, at most one request on it; raises OSError when there is no server."""

    known: ClassVar[Container[int]] = _KNOWN
    """Statuses that mean something here; another one is a BrokerError."""

    __slots__ = (
        "_body",
        "_filled",
        "_got",
        "_head",
        "_request_head",
        "_scratch",
        "_scratch_view",
        "awaiting",
        "keep_alive",
        "message_start",
        "retry_after_s",
        "sock",
        "worker",
    )  # fmt: skip

    def __init__(
        self, endpoint: tuple[str, int], worker: int, path: str, reply_bytes: int, manner: Manner = DEFAULT
    ) -> None:
        host, port = endpoint
        self._request_head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\n{'' if manner.keep_alive else _CLOSE}"
            "Content-Type: application/octet-stream\r\nContent-Length: "
        ).encode()
        self._scratch = bytearray(MAX_HEAD_BYTES)
        self._scratch_view = memoryview(self._scratch)
        self._body = fresh(reply_bytes, touch=reply_bytes <= _TOUCH_REPLY_BYTES)
        self._head: Head | None = None
        self._got = self._filled = 0
        self.awaiting = False
        self.keep_alive = True
        self.message_start = b""
        self.retry_after_s = 0.0
        self.worker = worker
        self.sock = socket.create_connection(endpoint, timeout=_CONNECT_S)
        # Blocking, with a limit that the kernel keeps: one system call sends a body of any length.
        self.sock.settimeout(None)
        manner.sockets.apply(self.sock)
        self.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(STALL_S), int(STALL_S % 1 * 1e6))
        )

    def fileno(self) -> int:
        """For selectors."""
        return self.sock.fileno()

    def is_stale(self) -> bool:
        """Whether an idle connection was closed by the server (or has bytes that nobody asked for)."""
        try:
            self.sock.recv(1, _PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def write(self, parts: Sequence[Buffer], total: int) -> Literal["whole", "stalled", "broken"]:
        """Send the request, gathered. Unless it was sent whole, no server can have delivered it."""
        self.message_start = _start(parts, min(total, ENVELOPE_BYTES))
        head = self._request_head + b"%d\r\n\r\n" % total
        return self._push([head, *parts], len(head) + total)

    def _push(self, rest: list[Buffer], left: int) -> Literal["whole", "stalled", "broken"]:
        """Send the `left` bytes of `rest`."""
        try:
            while left:
                sent = self.sock.sendmsg(rest[:_IOV_MAX])
                left -= sent
                if left:
                    rest = _after(rest, sent)
        except BlockingIOError:
            return "stalled"
        except OSError:
            return "broken"
        return "whole"

    def read(self) -> tuple[int, memoryview] | None:
        """Status and body of the response, None while it is not whole; never blocks.

        The body is valid until the next request. Raises Dropped, or BrokerError for what cannot be used.
        """
        head = self._head
        try:
            if head is None:
                head = self._head = self._read_head()
                if head is None:
                    return None
            while self._filled < head.length:
                count = self.sock.recv_into(self._body[self._filled : head.length], 0, DONTWAIT)
                if not count:
                    raise Dropped
                self._filled += count
        except BlockingIOError:
            return None
        except OSError:
            raise Dropped from None
        self._head = None
        self._got = self._filled = 0
        self.keep_alive = head.keep_alive
        self.retry_after_s = head.retry_after_s
        return head.status, self._body[: head.length]

    def _read_head(self) -> Head | None:
        received = self._receive_head()
        if received is None:
            return None
        head, rest = received
        if head.length > len(self._body) or len(rest) > head.length:
            raise BrokerError(
                f"the stage's HTTP server sent more than the {len(self._body)} bytes that a reply may have"
            )
        self._filled = len(rest)
        self._body[: self._filled] = rest
        return head

    def _receive_head(self) -> tuple[Head, memoryview] | None:
        """The head, once it is whole, and what came behind it."""
        count = self.sock.recv_into(self._scratch_view[self._got :], 0, DONTWAIT)
        if not count:
            raise Dropped
        self._got += count
        end = self._scratch.find(b"\r\n\r\n", 0, self._got) + 4
        if end < 4:
            if self._got == MAX_HEAD_BYTES:
                raise BrokerError("the stage's HTTP server sent a head without an end")
            return None
        return Head(self._scratch_view[:end], self.known), self._scratch_view[end : self._got]

    def close(self) -> None:
        """Close the socket; the last response's body stays valid."""
        self.sock.close()


def _start(parts: Sequence[Buffer], nbytes: int) -> bytes:
    """The first `nbytes` or more, immutable: what a rejection shows outlives the caller's buffers."""
    first = parts[0] if parts else b""
    if isinstance(first, bytes) and len(first) >= nbytes:
        return first[:nbytes]
    return b"".join(bytes(part[:nbytes]) for part in islice(filter(len, parts), nbytes))[:nbytes]


def _after(parts: list[Buffer], sent: int) -> list[Buffer]:
    """What is left of `parts` when `sent` bytes of them are gone."""
    for index, part in enumerate(parts):
        if sent < len(part):
            return [memoryview(part)[sent:], *parts[index + 1 :]]
        sent -= len(part)
    return []
