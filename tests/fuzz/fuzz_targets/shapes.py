"""Documents from the bytes of a mutation: a fuzzer that knows no grammar still gets behind the parser."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgpack

_MOST_DEPTH = 40


def packed(value: Any) -> bytes:
    """What `unpacked` makes the value of again."""
    found: bytes = msgpack.packb(value)
    return found


def unpacked(data: bytes) -> Any:
    """The value that the bytes begin with, in msgpack, which mutations seldom break; None where there is none.

    Bytes become base64 text, keys text, and what does not come any more is null.
    """
    unpacker = msgpack.Unpacker(strict_map_key=False, raw=False, unicode_errors="replace", max_buffer_size=1 << 20)
    unpacker.feed(data)
    try:
        return _plain(unpacker.unpack(), 0)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException):
        return None


def _plain(value: Any, depth: int) -> Any:
    match value:
        case dict() if depth < _MOST_DEPTH:
            return {_key(key): _plain(each, depth + 1) for key, each in value.items()}
        case list() | tuple() if depth < _MOST_DEPTH:
            return [_plain(each, depth + 1) for each in value]
        case bytes():
            return base64.b64encode(value).decode()
        case str() | int() | float() | bool() | None:
            return value
    return None


def _key(value: Any) -> str:
    return value if isinstance(value, str) else str(value)[:80]


def text(value: Any) -> bytes:
    """As JSON, NaN and infinity as Python writes them."""
    return json.dumps(value).encode()


def documents(data: bytes) -> bytes:
    """An input as JSON text: by its first byte the text itself, or what its msgpack says."""
    return text(unpacked(data[1:])) if data[:1] == b"\x01" else data[1:]
