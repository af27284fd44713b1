"""The NATS client protocol on one socket.

Waiting has a timeout only between messages; once one has begun, the rest follows (links.PATIENCE_S).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchkit.errors import BrokerError
from benchkit.tensors.wire import Buffer
from benchkit.transports.buffers import Pool, staged
from benchkit.transports.links import Link

CRLF = b"\r\n"
MAX_PAYLOAD_BYTES = 64 << 20
"""The most that a NATS server's `max_payload` may be."""
_SCRATCH_BYTES = 16 << 10
_SHORT_BYTES = 16 << 20
_WORDS_WITHOUT_REPLY = {b"MSG": 4, b"HMSG": 5}


class Refused(Exception):
    """The server's error to one request of its JetStream API; `code` is its err_code."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("description", "no reason given")))
        code = error.get("err_code")
        self.code = code if isinstance(code, int) else 0


@dataclass(slots=True)
class Message:
    """The head of a message; its bytes come next and must be taken."""

    subject: bytes
    sid: bytes
    reply: bytes
    header_bytes: int
    nbytes: int
    """Header included."""


def publish(subject: bytes, body: bytes, reply: bytes = b"") -> bytes:
    """A whole PUB."""
    return b"PUB %s %s %d\r\n%s\r\n" % (subject, reply, len(body), body)


class Wire:
    """One connection that the server has welcomed."""

    def __init__(
        self, link: Link, close: Callable[[], None], sock: socket.socket, where: str, info: Mapping[str, Any]
    ) -> None:
        self._link = link
        self.send: Callable[[Sequence[Buffer], int], None] = link.write
        self._close = close
        self.sock = sock
        """The live socket, to be asked what it is."""
        self.where = where
        self.info = info
        """What the server said when it greeted."""
        self._memory = bytearray(_SCRATCH_BYTES)
        self._view = memoryview(self._memory)
        self._start = self._end = 0

    @property
    def max_payload(self) -> int:
        """The longest message that this server takes."""
        told = self.info.get("max_payload")
        return told if isinstance(told, int) else 1 << 20

    @property
    def server(self) -> str:
        """Name and version: "nats-server 2.9.10"."""
        return f"nats-server {self.info.get('version', '?')}"

    def write(self, data: bytes) -> None:
        """Whole verbs."""
        self.send((data,), len(data))

    def ready(self, timeout_s: float) -> bool:
        """Whether a verb has begun to arrive within `timeout_s` (0: no wait)."""
        if self._start < self._end:
            return True
        self._start, self._end = 0, self._link.arrive(self._view, timeout_s)
        return self._end > 0

    def message(self) -> Message | None:
        """The head of the next message, or None for another verb, which has been dealt with; raises BrokerError."""
        line = self._line()
        words = line.split()
        verb = words[0] if words else b""
        short = _WORDS_WITHOUT_REPLY.get(verb)
        if short is not None:
            try:
                reply = words[3] if len(words) > short else b""
                nbytes = int(words[-1])
                header_bytes = int(words[-2]) if verb == b"HMSG" else 0
            except (IndexError, ValueError):
                raise self._stranger(line) from None
            if not 0 <= header_bytes <= nbytes <= MAX_PAYLOAD_BYTES:
                raise self._stranger(line)
            return Message(words[1], words[2], reply, header_bytes, nbytes)
        if verb == b"PING":
            self.write(b"PONG\r\n")
        elif verb == b"-ERR":
            self._refused(line[5:].strip(b" '").decode(errors="replace"))
        elif verb not in (b"PONG", b"+OK", b"INFO"):
            raise self._stranger(line)
        return None

    def _refused(self, reason: str) -> None:
        # Of a subscription that is not allowed nothing comes; the connection stays.
        if "permissions violation for subscription" not in reason.lower():
            raise BrokerError(f"the broker refuses: {reason}", where=self.where, remedy="see its log")

    def landed(self, message: Message, pool: Pool) -> memoryview:
        """The message's bytes in a slot of the pool."""
        if message.nbytes > self.max_payload:
            raise BrokerError(
                f"the broker announces {message.nbytes} bytes; it takes no more than {self.max_payload}",
                where=self.where,
            )
        nbytes = message.nbytes + len(CRLF)
        if nbytes > pool.nbytes:
            return staged(pool, nbytes, self._land)
        slot = pool.take(nbytes)
        self._land(slot, nbytes)
        return slot

    def text(self, message: Message) -> bytes:
        """The bytes of a short message."""
        if message.nbytes > _SHORT_BYTES:
            raise BrokerError(f"{message.nbytes} bytes where a short message was expected", where=self.where)
        memory = bytearray(message.nbytes + len(CRLF))
        self._land(memoryview(memory), len(memory))
        return bytes(memory[: message.nbytes])

    def flush(self) -> list[Message]:
        """Wait until the server has seen what was sent; the messages that came meanwhile, their bytes thrown away."""
        self.write(b"PING\r\n")
        came = []
        while not self._starts(b"PONG"):
            if message := self.message():
                self.text(message)
                came.append(message)
        self.message()
        return came

    def _starts(self, verb: bytes) -> bool:
        while self._end - self._start < len(verb):
            self._more()
        return self._memory.startswith(verb, self._start)

    def ask(self, subject: str, body: Mapping[str, Any] | None = None, inbox: bytes = b"") -> dict[str, Any]:
        """One request of the JetStream API and its answer; raises Refused. Nothing else may be subscribed to."""
        inbox = inbox or b"benchkit.ask"
        request = b"" if body is None else json.dumps(body).encode()
        self.write(b"SUB %s 0\r\nUNSUB 0 1\r\n" % inbox + publish(subject.encode(), request, inbox))
        while not (message := self.message()):
            pass
        if message.header_bytes:
            self.text(message)  # the status "no responders": nobody listens to the API
            raise Refused({"description": "JetStream is not enabled"})
        return self.answer(self.text(message))

    def answer(self, text: bytes) -> dict[str, Any]:
        """An answer of the JetStream API; raises Refused, or BrokerError where it is none."""
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            answer = None
        error = answer.get("error", {}) if isinstance(answer, dict) else None
        if not isinstance(answer, dict) or not isinstance(error, dict):
            raise self._stranger(text)
        if "error" in answer:
            error = answer["error"]
            raise Refused(error if isinstance(error, dict) else {})
        return answer

    def _land(self, memory: memoryview, nbytes: int) -> None:
        start = self._start
        have = min(self._end - start, nbytes)
        memory[:have] = self._view[start : start + have]
        self._start = start + have
        if have < nbytes:
            self._link.fill(memory[have:nbytes])

    def _line(self) -> bytes:
        while (stop := self._memory.find(CRLF, self._start, self._end)) < 0:
            self._more()
        line = bytes(self._memory[self._start : stop])
        self._start = stop + len(CRLF)
        return line

    def _more(self) -> None:
        rest = self._end - self._start
        if rest == len(self._memory):
            raise self._stranger(bytes(self._memory))
        self._view[:rest] = bytes(self._view[self._start : self._end])
        self._start, self._end = 0, rest + self._link.read(self._view[rest:])

    def _stranger(self, line: bytes) -> BrokerError:
        text = line[:120].decode(errors="replace")
        return BrokerError(f"not the NATS protocol: {text!r}", where=self.where)

    def close(self) -> None:
        """Close the connection."""
        self._close()
