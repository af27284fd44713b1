"""The producer's end of nats.

Two connections. One publishes; for each message the stream answers that it is stored, and with which number
(PubAck), which is awaited only where `window` of them are outstanding. The same connection is copied in on what
workers acknowledge, so that the producer knows without asking how many of its messages are still in the stream. The
other connection is handed replies.

Where no copies come (a server of somebody else's that does not allow them, a consumer without acknowledgements), the
stream is asked for its first number instead.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic

from benchkit.errors import BrokerError, Rejected
from benchkit.tensors.wire import Buffer, total_bytes
from benchkit.transports._nats.connect import connect, path
from benchkit.transports._nats.place import API, Place, refused
from benchkit.transports._nats.wire import CRLF, Message, Refused, publish
from benchkit.transports.base import Reply, Sender
from benchkit.transports.buffers import Pool, beginning

_ASK_S = 0.02
"""Without news for so long, a full producer asks."""
_ASK_BLIND_S = 0.5e-3
"""The same where acknowledgements are not seen."""
_REFUSAL_S = 0.02
_STORED, _DONE, _TOLD = b"1", b"2", b"3"
_FULL = (10077, 10122)
"""JSStreamStoreFailed (maximum messages exceeded), and what later servers call it."""
_WORDS_OF_ACK = 9
"""$JS.ACK.<stream>.<consumer>.<deliveries>.<number in the stream>.<...>.<...>.<...>"""
_NUMBER = 5


class NatsSender(Sender):
    """Publishes to the cell's stream; `depth` None: the stream itself refuses what is too much."""

    def __init__(self, place: Place, depth: int | None, window: int) -> None:
        self._place = place
        self._depth = 1 << 62 if depth is None else depth
        self._window = window
        self._number = 0
        self._unanswered: dict[int, bytes] = {}
        self._refused: list[bytes] = []
        self._early: set[int] = set()
        """Acknowledged before the PubAck with their number came."""
        self._sees_acks = False
        self._asked = False
        token = secrets.token_hex(6)
        self._stored_to = f"{place.prefix}.a.{token}"
        self._told_to = f"{place.prefix}.i.{token}".encode()
        self._head = f"PUB {place.prefix}.q.{place.producer} {self._stored_to}.".encode()
        self._pool = Pool(place.reply_bytes + len(CRLF), ready=2)
        self._slot: memoryview | None = None
        self._out = connect(place.url)
        try:
            self._in = connect(place.url)
            try:
                self._waiting = self._left()
                self._subscribe()
            except BaseException:
                self._in.close()
                raise
        except BaseException:
            self._out.close()
            raise

    def _left(self) -> set[int]:
        """The numbers of messages that wait already, of a producer before this one or of others."""
        place = self._place
        asked = f"{API}.STREAM.INFO.{place.stream}"
        try:
            state = self._out.ask(asked, {"deleted_details": True}, self._told_to)["state"]
        except Refused as error:
            raise refused(error, place.url) from None
        if not state["messages"]:
            return set()
        return set(range(state["first_seq"], state["last_seq"] + 1)) - set(state.get("deleted") or ())

    def _subscribe(self) -> None:
        self._out.write(
            f"SUB {self._stored_to}.* 1\r\nSUB {self._place.acks}.> 2\r\n".encode()
            + b"SUB %s 3\r\n" % self._told_to
        )
        self._in.write(f"SUB {self._place.replies(str(self._place.producer))} 1\r\n".encode())
        # A reply that comes before the server knows of the subscription would be lost.
        self._in.flush()

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """One message, gathered; False when there was still no room after `timeout`."""
        if not self._free() and not self._room(timeout):
            return False
        nbytes = total_bytes(parts)
        out = self._out
        if nbytes > out.max_payload:
            raise Rejected(
                f"{nbytes} bytes; this NATS server takes at most {out.max_payload}",
                remedy="raise its max_payload (64 MB at most), or make the payload smaller",
            )
        self._number += 1
        head = b"%s%d %d\r\n" % (self._head, self._number, nbytes)
        out.send((head, *parts, CRLF), len(head) + nbytes + 2)
        self._unanswered[self._number] = beginning(parts)
        if self._window == 1:
            while self._unanswered:
                self._take()
        return True

    def _free(self) -> bool:
        unanswered = len(self._unanswered)
        return len(self._waiting) + unanswered < self._depth and unanswered < self._window

    def _room(self, timeout: float) -> bool:
        out = self._out
        deadline_s = monotonic() + timeout
        while True:
            while out.ready(0):
                self._take()
            if self._free():
                return True
            left_s = deadline_s - monotonic()
            if left_s <= 0:
                return False
            pause_s = _ASK_S if self._sees_acks else _ASK_BLIND_S
            if not out.ready(min(left_s, pause_s)) and not self._asked and not self._unanswered:
                self._asked = True
                out.write(publish(f"{API}.STREAM.INFO.{self._place.stream}".encode(), b"", self._told_to))

    def _take(self) -> None:
        """One verb of the connection that publishes."""
        out = self._out
        message = out.message()
        if message is None:
            return
        text = out.text(message)
        if message.sid == _STORED:
            self._answered(message, text)
        elif message.sid == _DONE:
            self._done(message, text)
        elif message.sid == _TOLD:
            self._informed(text)

    def _answered(self, message: Message, text: bytes) -> None:
        start = self._unanswered.pop(int(message.subject.rpartition(b".")[2]), b"")
        if message.header_bytes:
            raise BrokerError("the stream is gone", where=self._out.where, remedy="see who deleted it")
        try:
            number = int(self._out.answer(text).get("seq", 0))
        except Refused as error:
            if error.code not in _FULL:
                raise refused(error, self._place.url) from None
            self._refused.append(start)
        else:
            if number in self._early:
                self._early.discard(number)
            else:
                self._waiting.add(number)
        if not self._unanswered:
            self._early.clear()

    def _done(self, message: Message, text: bytes) -> None:
        words = message.subject.split(b".")
        if len(words) != _WORDS_OF_ACK or not text.startswith((b"+ACK", b"+TERM")):
            return
        self._sees_acks = True
        number = int(words[_NUMBER])
        if number in self._waiting:
            self._waiting.discard(number)
        elif self._unanswered:
            self._early.add(number)

    def _informed(self, text: bytes) -> None:
        """What is before the stream's first number is in it no more."""
        self._asked = False
        try:
            state = self._out.answer(text)["state"]
        except Refused as error:
            raise refused(error, self._place.url) from None
        first = state["first_seq"] if state["messages"] else state["last_seq"] + 1
        self._waiting = {number for number in self._waiting if number >= first}

    def unconfirmed(self) -> int:
        """From the first one on that the stream has not said to have stored; those after it may be."""
        while self._unanswered and self._out.ready(0):
            self._take()
        return self._number - next(iter(self._unanswered)) + 1 if self._unanswered else 0

    def reply(self, timeout: float) -> Reply | None:
        """The next reply; a message that the stream refused comes back as `rejected`."""
        if self._slot is not None:
            self._pool.give(self._slot)
            self._slot = None
        if self._refused:
            return Reply(memoryview(self._refused.pop(0)), rejected=True)
        deadline_s = monotonic() + timeout
        left_s = timeout
        into = self._in
        while True:
            if into.ready(min(left_s, _REFUSAL_S)):
                message = into.message()
                if message is not None:
                    self._slot = into.landed(message, self._pool)
                    return Reply(self._slot[: message.nbytes].toreadonly())
            else:
                while self._out.ready(0):
                    self._take()
                if self._refused:
                    return Reply(memoryview(self._refused.pop(0)), rejected=True)
            if timeout <= 0:
                return None
            left_s = deadline_s - monotonic()
            if left_s <= 0:
                return None

    def path(self) -> Mapping[str, str]:
        """Of both connections."""
        return path((self._out, self._in))

    def close(self) -> None:
        """Let the stream answer what was sent, then close."""
        with suppress(BrokerError):
            while self._unanswered:
                self._take()
        self._out.close()
        self._in.close()
