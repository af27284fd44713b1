"""The control channel between the runner and a party: length-prefixed msgpack over a stream socket.

Plain data only, so that a party may one day sit on another host; nothing that arrives is executed.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import msgpack

_LENGTH = struct.Struct("<Q")
_MAX_BYTES = 8 << 30
_STEP_BYTES = 1 << 20
"""Memory is taken as bytes come, not as a length promises them."""


class Channel:
    """One end; `recv` raises EOFError when the other end is gone."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def fileno(self) -> int:
        """For selectors."""
        return self._sock.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """Blocks until handed to the kernel; raises OSError when the other end is gone."""
        # A library's error may quote a name that is no Unicode.
        packed = msgpack.packb(message, unicode_errors="backslashreplace")
        self._sock.sendall(_LENGTH.pack(len(packed)))
        self._sock.sendall(packed)

    def recv(self) -> dict[str, Any]:
        """The next message, waiting for it."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > _MAX_BYTES:
            raise EOFError(f"a control message of {length} bytes is none")
        try:
            message = msgpack.unpackb(
                self._exactly(length), strict_map_key=False, max_bin_len=_MAX_BYTES, max_ext_len=0
            )
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise EOFError(f"a control message is not msgpack: {error}") from error
        if not isinstance(message, dict):
            raise EOFError("a control message is a mapping")  # noqa: TRY004  (one error: the channel is at its end)
        return message

    def _exactly(self, nbytes: int) -> bytearray:
        data = bytearray(min(nbytes, _STEP_BYTES))
        filled = 0
        while True:
            with memoryview(data) as whole:
                while filled < len(data):
                    try:
                        got = self._sock.recv_into(whole[filled:])
                    except (ConnectionError, TimeoutError):
                        got = 0
                    if not got:
                        raise EOFError("the other end is gone")
                    filled += got
            if filled == nbytes:
                return data
            data.extend(bytes(min(nbytes - filled, filled)))

    def close(self) -> None:
        """Close this end."""
        self._sock.close()
