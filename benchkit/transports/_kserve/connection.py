"""One keep-alive connection that speaks the protocol: a message out, a reply into its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from benchkit.errors import BenchkitError, BrokerError, MessageError
from benchkit.hiding import hide
from benchkit.tensors.wire import FAILED, REPLY, Buffer, Envelope, pack, unpack_envelope
from benchkit.transports._http.connection import (
    CONTENT_TOO_LARGE,
    DONTWAIT,
    NO_CONTENT,
    OK,
    SERVICE_UNAVAILABLE,
    Connection,
    Dropped,
)
from benchkit.transports._kserve.document import read_json
from benchkit.transports._kserve.landing import Landing
from benchkit.transports._kserve.tensors import Layout, write_around
from benchkit.transports.buffers import fresh

if TYPE_CHECKING:
    from benchkit.transports._kserve.talk import Answer, Talk

_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY = 401, 403, 429
_REFUSED = frozenset((CONTENT_TOO_LARGE, SERVICE_UNAVAILABLE, _TOO_MANY))
_LONGEST_ERROR = 2000


class KserveConnection(Connection):
    """Sends `[envelope, JSON, tensor, ...]`; gives replies as the engine knows them."""

    __slots__ = ("_answer", "_landing", "_limit", "_start", "_talk", "slot")

    known = range(200, 600)

    def __init__(
        self, endpoint: tuple[str, int], worker: int, talk: Talk, reply_bytes: int, limit_bytes: int
    ) -> None:
        super().__init__(endpoint, worker, talk.path, reply_bytes)
        host = f"[{endpoint[0]}]" if ":" in endpoint[0] else endpoint[0]
        more = "".join(f"{name}: {value}\r\n" for name, value in talk.headers.items())
        self._start = (
            f"POST {talk.path} HTTP/1.1\r\nHost: {host}:{endpoint[1]}\r\n{more}Content-Length: "
        ).encode()
        self._talk = talk
        self._limit = limit_bytes
        self._landing: Landing | None = None
        self._answer: Answer | None = None
        self.slot: int | None = None
        """The place in shared memory that the server may still read."""

    def write(self, parts: Sequence[Buffer], total: int) -> Literal["whole", "stalled", "broken"]:
        """See Connection.write."""
        envelope, text, *tensors = parts
        self.message_start = bytes(envelope)
        left = total - len(envelope)
        if tensors:
            kind = b"application/octet-stream\r\nInference-Header-Content-Length: %d" % len(text)
        else:
            kind = b"application/json"
        head = self._start + b"%d\r\nContent-Type: %b\r\n\r\n" % (left, kind)
        return self._push([head, text, *tensors], len(head) + left)

    def read(self) -> tuple[int, memoryview] | None:
        """See Connection.read; a server's error is a reply that says so."""
        try:
            head = self._head
            if head is None:
                received = self._receive_head()
                if received is None:
                    return None
                head, rest = received
                if len(rest) > head.length:
                    raise BrokerError("the server sent more than its Content-Length")
                self._head = head
                if head.status == OK:
                    self._landing = Landing(head.length, head.header_bytes, self._land)
                else:
                    self._landing = Landing(head.length, None, lambda _: None)
                self._filled = self._landing.put(bytes(rest), 0) if rest else 0
            landing = self._landing
            assert landing is not None  # noqa: S101  (made with the head)
            while self._filled < head.length:
                count = self.sock.recv_into(
                    landing.room(self._filled)[: head.length - self._filled], 0, DONTWAIT
                )
                if not count:
                    raise Dropped
                self._filled += count
        except BlockingIOError:
            return None
        except OSError:
            raise Dropped from None
        landing.end(self._filled)
        self._head = self._landing = None
        self._got = self._filled = 0
        self.keep_alive = head.keep_alive
        self.retry_after_s = head.retry_after_s
        return self._finished(head.status, landing)

    def _finished(self, status: int, landing: Landing) -> tuple[int, memoryview]:
        answer, self._answer = self._answer, None
        if status == NO_CONTENT or status in _REFUSED:
            return (NO_CONTENT if status == NO_CONTENT else SERVICE_UNAVAILABLE), self._body[:0]
        if status in (_UNAUTHORIZED, _FORBIDDEN):
            raise BrokerError(f"the server answered {status}", remedy="see the transport's `token`")
        if status != OK:
            return self._failed(f"HTTP {status}: {_said(landing)}")
        if landing.error is not None or answer is None:
            return self._failed(
                f"the server's answer cannot be read: {landing.error.what if landing.error else ''}"
            )
        write_around(self._body, answer.layout, answer.envelope)
        return OK, self._body[: answer.layout.total]

    def _land(self, text: bytes) -> tuple[memoryview, Layout] | None:
        answer = self._answer = self._talk.answer(text, self.message_start)
        layout = answer.layout
        if layout.total > len(self._body):
            if layout.total > self._limit:
                raise MessageError(
                    f"a reply of {layout.total} bytes is longer than the {self._limit} it may have"
                )
            self._body = fresh(layout.total)
        if answer.content is None:
            return self._body, layout
        for (offset, nbytes), content in zip(layout.places, answer.content, strict=True):
            self._body[offset : offset + nbytes] = content
        return None

    def _failed(self, what: str) -> tuple[int, memoryview]:
        sent = unpack_envelope(self.message_start)
        # A server may quote the token that it refuses.
        text = hide(what)[:_LONGEST_ERROR].encode(errors="replace")
        envelope = pack(Envelope(sent.seq, len(text), REPLY | FAILED, item=sent.item))
        return OK, memoryview(envelope + text)


def _said(landing: Landing) -> str:
    """The error in the server's words, if it has put it as the protocol wants."""
    try:
        match read_json(landing.json):
            case {"error": str(what)}:
                return what
            case {"error": {"message": str(what)}} | {"message": str(what)}:
                return what
    except BenchkitError:
        pass
    return "without saying why"
