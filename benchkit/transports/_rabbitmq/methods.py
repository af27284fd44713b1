"""The methods of AMQP 0-9-1 that the measured path sends and reads, all on channel 1.

Layouts and numbers: https://www.rabbitmq.com/amqp-0-9-1-reference
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from benchkit.errors import BrokerError

T = TypeVar("T")

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
END = b"\xce"
END_BYTE = 0xCE
FRAME = struct.Struct(">BHI")
"""Before each frame's payload: its type, channel and length. One END follows."""
CHANNEL = 1
MAX_MESSAGE_BYTES = 512 << 20
"""The most that RabbitMQ's `max_message_size` may be set to."""
CONTENT_BYTES = 14
"""Of a content header before its properties: class, weight, length of the body, which properties follow."""


def _key(cls: int, method: int) -> int:
    return cls << 16 | method


CONNECTION_CLOSE = _key(10, 50)
CONNECTION_BLOCKED = _key(10, 60)
CONNECTION_UNBLOCKED = _key(10, 61)
CHANNEL_CLOSE = _key(20, 40)
CHANNEL_CLOSE_OK = _key(20, 41)
QUEUE_DECLARED = _key(50, 11)
CONSUME_OK = _key(60, 21)
CANCEL = _key(60, 30)
RETURN = _key(60, 50)
DELIVER = _key(60, 60)
ACK = _key(60, 80)
NACK = _key(60, 120)

_SETTLED = struct.Struct(">IQB")
_COUNT = struct.Struct(">I")
_CLOSING = struct.Struct(">IH")
_FLAG_CONTENT_TYPE, _FLAG_ENCODING, _FLAG_HEADERS = 0x8000, 0x4000, 0x2000
_FLAG_DELIVERY_MODE, _FLAG_PRIORITY, _FLAG_CORRELATION, _FLAG_REPLY_TO = 0x1000, 0x0800, 0x0400, 0x0200
_MULTIPLE = 1
_NO_ACK, _NOWAIT = 2, 8
_PASSIVE, _MANDATORY = 1, 1
_SUCCESS = 200


def short(text: str | bytes) -> bytes:
    """A short string: its length in one byte, then its bytes."""
    data = text.encode() if isinstance(text, str) else text
    return bytes((len(data),)) + data


def frame(kind: int, payload: bytes, channel: int = CHANNEL) -> bytes:
    """A whole frame."""
    return FRAME.pack(kind, channel, len(payload)) + payload + END


def method(key: int, arguments: bytes, channel: int = CHANNEL) -> bytes:
    """A method as a whole frame."""
    return frame(METHOD, key.to_bytes(4, "big") + arguments, channel)


class Route:
    """What stands before the body of each message to one place; only the body's length differs."""

    __slots__ = ("_prefix", "_suffix")

    def __init__(
        self, exchange: str, key: str | bytes, reply_to: str = "", *, persistent: bool, mandatory: bool
    ) -> None:
        publish = method(
            _key(60, 40), bytes(2) + short(exchange) + short(key) + bytes((_MANDATORY if mandatory else 0,))
        )
        flags, properties = _FLAG_DELIVERY_MODE, bytes((2 if persistent else 1,))
        if reply_to:
            flags, properties = flags | _FLAG_REPLY_TO, properties + short(reply_to)
        header_bytes = CONTENT_BYTES + len(properties)
        self._prefix = publish + FRAME.pack(HEADER, CHANNEL, header_bytes) + struct.pack(">HH", 60, 0)
        self._suffix = flags.to_bytes(2, "big") + properties + END

    def head(self, nbytes: int) -> bytes:
        """The method and the content header of a body of `nbytes`."""
        return self._prefix + nbytes.to_bytes(8, "big") + self._suffix


def qos(prefetch: int) -> bytes:
    """So many unacknowledged messages for each consumer that begins from now on."""
    return method(_key(60, 10), struct.pack(">IHB", 0, prefetch, 0))


def consume(queue: str, tag: str, *, acknowledged: bool) -> bytes:
    """Begin to deliver; no answer is asked for."""
    bits = _NOWAIT | (0 if acknowledged else _NO_ACK)
    return method(_key(60, 20), bytes(2) + short(queue) + short(tag) + bytes((bits,)) + bytes(4))


def cancel(tag: str) -> bytes:
    """Deliver nothing more to this consumer; what it has stays its own. No answer is asked for."""
    return method(CANCEL, short(tag) + b"\x01")


def ack(tag: int) -> bytes:
    """One message is done."""
    return method(ACK, struct.pack(">QB", tag, 0))


def look(queue: str) -> bytes:
    """Ask for the number of messages that wait: declare a queue that must be there (QUEUE_DECLARED answers)."""
    return method(_key(50, 10), bytes(2) + short(queue) + bytes((_PASSIVE,)) + bytes(4))


def close_channel() -> bytes:
    """Nothing more is asked of the channel; what was sent before is done first. CHANNEL_CLOSE_OK answers."""
    return method(CHANNEL_CLOSE, struct.pack(">HBHH", _SUCCESS, 0, 0, 0))


def close_connection() -> bytes:
    """Goodbye; the answer need not be awaited."""
    return method(CONNECTION_CLOSE, struct.pack(">HBHH", _SUCCESS, 0, 0, 0), channel=0)


def _whole(read: Callable[[bytes], T]) -> Callable[[bytes], T]:
    """What is shorter than it says is an error of the server's."""

    @wraps(read)
    def checked(payload: bytes) -> T:
        try:
            return read(payload)
        except (IndexError, struct.error):
            raise BrokerError("not what AMQP 0-9-1 says: a method or header is cut short") from None

    return checked


@_whole
def settled(payload: bytes) -> tuple[int, bool]:
    """Of ACK and NACK: up to which number, and whether all before are meant too."""
    _, tag, bits = _SETTLED.unpack_from(payload)
    return tag, bool(bits & _MULTIPLE)


@_whole
def waiting(payload: bytes) -> int:
    """Of QUEUE_DECLARED: how many messages wait."""
    return int(_COUNT.unpack_from(payload, 5 + payload[4])[0])


@_whole
def delivered(payload: bytes) -> tuple[bytes, int]:
    """Of DELIVER: the consumer's name, and the message's number."""
    end = 5 + payload[4]
    return payload[5:end], int.from_bytes(payload[end : end + 8], "big")


@_whole
def closing(payload: bytes) -> tuple[int, str]:
    """Of CHANNEL_CLOSE and CONNECTION_CLOSE: the code and the reason."""
    code = _CLOSING.unpack_from(payload)[1]
    return code, payload[7 : 7 + payload[6]].decode(errors="replace")


@_whole
def reply_to(header: bytes) -> bytes:
    """Of a content header: where replies go; empty when it does not say. The server may have added headers."""
    flags = int.from_bytes(header[CONTENT_BYTES - 2 : CONTENT_BYTES], "big")
    at = CONTENT_BYTES
    for flag in (_FLAG_CONTENT_TYPE, _FLAG_ENCODING):
        if flags & flag:
            at += 1 + header[at]
    if flags & _FLAG_HEADERS:
        at += 4 + int.from_bytes(header[at : at + 4], "big")
    at += bool(flags & _FLAG_DELIVERY_MODE) + bool(flags & _FLAG_PRIORITY)
    if flags & _FLAG_CORRELATION:
        at += 1 + header[at]
    return header[at + 1 : at + 1 + header[at]] if flags & _FLAG_REPLY_TO else b""
