"""The producer's end: the HTTP transport's pool of connections, each speaking the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchkit.errors import Rejected
from benchkit.tensors.wire import total_bytes
from benchkit.transports._http.client import HttpSender
from benchkit.transports._kserve.connection import KserveConnection
from benchkit.transports._kserve.document import MAX_HEADER_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchkit.tensors.wire import Buffer
    from benchkit.transports._http.connection import Connection
    from benchkit.transports._kserve.region import Region
    from benchkit.transports._kserve.talk import Talk

# What a message may be longer in JSON than in its own bytes: 25 digits for a byte, at worst.
_JSON_FACTOR = 26


class KserveSender(HttpSender):
    """At most `depth` requests in flight, each on a connection (and in a place of the region) of its own."""

    def __init__(
        self,
        endpoints: Sequence[tuple[str, int]],
        talk: Talk,
        depth: int,
        message_bytes: int,
        reply_bytes: int,
        longest_reply_bytes: int,
        region: Region | None = None,
    ) -> None:
        self._talk = talk
        self._longest_reply_bytes = longest_reply_bytes
        self._most_bytes = message_bytes
        self._region = region
        self._slots = list(range(depth))
        self._slot: int | None = None
        """The place of the message that is being sent."""
        super().__init__(
            endpoints, talk.path, depth, _JSON_FACTOR * message_bytes + MAX_HEADER_BYTES, reply_bytes
        )

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """See Sender.send."""
        self._recycle()
        if (total := total_bytes(parts)) > self._most_bytes:
            raise Rejected(
                f"{total} bytes are more than the {self._most_bytes} that the other side was told of",
                remedy="raise the message size that the transport was prepared for",
            )
        if not self._slots and not self._wait_for_place(timeout):
            return False
        self._slot = slot = self._slots.pop()
        try:
            text, tensors = self._talk.request(parts, slot)
            return super().send([parts[0], text, *tensors], timeout)
        finally:
            if self._slot is not None:
                self._slots.append(self._slot)
                self._slot = None

    def close(self) -> None:
        """Close every connection and leave the shared memory."""
        super().close()
        if self._region is not None:
            self._region.close()

    def _new_connection(self, worker: int) -> Connection:
        return KserveConnection(
            self._endpoints[worker], worker, self._talk, self._reply_bytes, self._longest_reply_bytes
        )

    def _occupy(self, connection: Connection) -> None:
        assert isinstance(connection, KserveConnection)  # noqa: S101  (it opens no others)
        connection.slot, self._slot = self._slot, None
        super()._occupy(connection)

    def _free(self, connection: Connection) -> None:
        assert isinstance(connection, KserveConnection)  # noqa: S101  (it opens no others)
        slot, connection.slot = connection.slot, None
        if slot is not None:
            self._slots.append(slot)
        super()._free(connection)
