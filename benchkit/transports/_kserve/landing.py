"""A body on its way in: the JSON is kept aside, each tensor is read straight into its place in a message."""

from __future__ import annotations

from collections.abc import Callable

from benchkit.errors import MessageError
from benchkit.transports._kserve.document import MAX_HEADER_BYTES, MAX_JSON_BYTES
from benchkit.transports._kserve.tensors import Layout

Land = Callable[[bytes], tuple[memoryview, Layout] | None]
"""Told the JSON; the message's memory and where tensors stand in it, or None when all of it was JSON."""

_SINK_BYTES = 64 << 10


class Landing:
    """One body of `length` bytes (None: nobody knows yet), JSON first.

    `header_bytes` of JSON come before tensors; None: all of it is JSON. What is wrong with a body is kept in
    `error`; the rest of it is then read into nowhere, so that the connection stays in step.
    """

    __slots__ = (
        "_at",
        "_end",
        "_header",
        "_header_bytes",
        "_into",
        "_land",
        "_layout",
        "_length",
        "_place",
        "error",
    )

    def __init__(self, length: int | None, header_bytes: int | None, land: Land) -> None:
        self._length = length
        self._land = land
        self._header: bytes | bytearray = b""
        self._header_bytes = length if header_bytes is None else header_bytes
        self._into: memoryview | None = None
        self._layout: Layout | None = None
        self._place = 0
        self._at = self._end = 0
        """Where in the body the tensor under way begins and ends."""
        self.error: MessageError | None = None
        limit = MAX_JSON_BYTES if header_bytes is None else MAX_HEADER_BYTES
        if self._header_bytes is None:
            self._header = bytearray()
        elif self._header_bytes > limit or (length is not None and self._header_bytes > length):
            self.error = MessageError(
                f"{self._header_bytes} bytes of JSON; at most {limit}, and no more than came"
            )

    @property
    def json(self) -> bytes:
        """The JSON, once it is whole."""
        return bytes(self._header)

    def room(self, filled: int) -> memoryview:
        """Where the bytes behind the first `filled` belong."""
        if self.error is None:
            if self._header_bytes is None or filled < self._header_bytes:
                if filled >= len(self._header):
                    # As bytes come and not as a length promises them; a new one, as somebody may hold the old.
                    more = max(_SINK_BYTES, len(self._header))
                    size = min(self._header_bytes or 0, len(self._header) + more)
                    self._header = bytearray(self._header) + bytes(size - len(self._header))
                return memoryview(self._header)[filled:]
            if self._into is None:
                self._open(filled)
        if self.error is None and self._into is not None and self._layout is not None:
            places = self._layout.places
            while filled >= self._end:
                if self._place == len(places):
                    self._refuse("more bytes follow the JSON than its tensors have")
                    break
                self._at = self._end
                self._end += places[self._place][1]
                self._place += 1
            else:
                offset, nbytes = places[self._place - 1]
                return self._into[offset + filled - self._at : offset + nbytes]
        return memoryview(bytearray(_SINK_BYTES))

    def put(self, chunk: bytes, filled: int) -> int:
        """Take in `chunk`, which begins at byte `filled` of the body; how much is filled then."""
        if self._header_bytes is None:
            if len(self._header) + len(chunk) > MAX_JSON_BYTES:
                self._refuse(f"more than {MAX_JSON_BYTES} bytes of JSON")
            else:
                self._header += chunk  # bytes that nobody has said the number of: it is a bytearray
            return filled + len(chunk)
        view = memoryview(chunk)
        if not filled and self.error is None and len(chunk) >= self._header_bytes:
            # As a rule all of the JSON comes at once.
            self._header = chunk[: self._header_bytes]
            filled = self._header_bytes
            view = view[filled:]
        while view:
            room = self.room(filled)[: len(view)]
            count = len(room)
            room[:] = view[:count]
            view = view[count:]
            filled += count
        return filled

    def end(self, filled: int) -> None:
        """The body is over; `error` is set unless it is whole."""
        if self.error is not None:
            return
        header_bytes = len(self._header) if self._header_bytes is None else self._header_bytes
        if filled < header_bytes:
            self._refuse("the JSON is cut off")
        elif self._into is None:
            self._open(filled)
        if (
            self.error is None
            and self._layout is not None
            and filled != header_bytes + self._layout.tensor_bytes
        ):
            self._refuse("the tensors' bytes are not as many as the JSON says")

    def _open(self, filled: int) -> None:
        try:
            landed = self._land(self.json)
        except MessageError as error:
            self.error = error
            return
        if landed is not None:
            self._into, self._layout = landed
            self._at = self._end = len(self._header)
            if self._length is not None and self._length - len(self._header) != self._layout.tensor_bytes:
                self._refuse("the tensors' bytes are not as many as the JSON says")
        elif self._length is not None and filled < self._length:
            self._refuse("bytes follow, and the JSON tells of none")

    def _refuse(self, why: str) -> None:
        self.error = MessageError(why)
