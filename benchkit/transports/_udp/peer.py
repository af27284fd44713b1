"""The other end, as this one sees it: what goes to it, what comes from it, and what its socket still takes."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic  # pacing, and waits that are woken early; nothing is stamped
from typing import Any, Final

from benchkit.transports._udp.head import ANSWER, ASK, GRANT, HEAD_BYTES, LAYOUT, Head, packed
from benchkit.transports._udp.kernel import Datagrams
from benchkit.transports._udp.outgoing import Outgoing, Told
from benchkit.transports._udp.reassembly import Counts, Inbox
from benchkit.transports._udp.window import cost_bytes

ASK_S: Final = 0.02
"""Who waits for news asks for them so often: news may have been lost."""
_GRANTS: Final = 4
"""Grants in a window."""
_PACED_S: Final = 0.001
"""What goes at once under pacing: as much as passes in this time, one datagram at the least."""
_NO_ROOM_S: Final = 0.001
"""When to look again whether the own socket has room."""


class Peer:
    """One other end. Both count what a socket holds in the units of window.py, from 0 on, and tell it each other."""

    __slots__ = (
        "_acked",
        "_heard",
        "_next_s",
        "_pace",
        "_sock",
        "_spent",
        "_token",
        "_told",
        "_window",
        "address",
        "counts",
        "inbox",
        "own_window",
    )  # fmt: skip

    def __init__(
        self, sock: Datagrams, token: int, inbox: Inbox, counts: Counts, own_window: int, *,
        window: int = 0, pace_bytes_per_s: float = 0.0, address: Any = None,
    ) -> None:  # fmt: skip
        """`own_window`: what this end's socket takes from it; `window`: the other way round, until it says so."""
        self._sock, self._token, self.inbox, self.counts, self.address = sock, token, inbox, counts, address
        self.own_window, self._window = own_window, window
        self._spent = self._acked = self._heard = self._told = 0
        self._pace, self._next_s = pace_bytes_per_s, 0.0

    # In --------------------------------------------------------------------------------------------------

    def note(self, head: Head) -> None:
        """What every datagram tells: how much was sent, how much has arrived, and what may be under way."""
        self._acked = max(self._acked, min(head.heard, self._spent))
        self._heard = max(self._heard, head.spent)
        self._window = head.window

    def grant(self) -> None:
        """Tell what has been taken in, once it is a good part of the window."""
        if self._heard - self._told >= self.own_window // _GRANTS:
            self.say(GRANT)

    # Out -------------------------------------------------------------------------------------------------

    def say(self, kind: int, number: int = 0, numbers: Sequence[int] = ()) -> None:
        """A datagram without fragments; lost where the own socket has no room for it, as on the way."""
        self._told = self._heard
        head = LAYOUT.pack(
            self._token, kind, 0, 0, 0, 0, number, 0, 0, self.own_window, self._spent, self._heard
        )
        self._sock.send((head, packed(numbers)) if numbers else (head,), 0, self.address)

    def ask(self, numbers: Sequence[int]) -> None:
        """What became of these?"""
        self.counts.asked += len(numbers)
        self.say(ASK, 0, numbers)

    def answer(self, gone: Sequence[int]) -> None:
        """These are not here (any more)."""
        self.say(ANSWER, 0, gone)

    def room(self, mtu_bytes: int) -> bool:
        """Whether a datagram of this length may go now."""
        return self._window - (self._spent - self._acked) >= cost_bytes(mtu_bytes)

    def push(self, out: Outgoing) -> bool:
        """Send of it what may go now; True when all has gone. OSError where nobody listens."""
        cut, sock = out.cut, self._sock
        full = HEAD_BYTES + (cut.size if cut.count > 1 or cut.parity else cut.total)
        cost = cost_bytes(full)
        while out.index < cut.end:
            room = (self._window - (self._spent - self._acked)) // cost
            count = out.together(min(room, sock.in_a_row(full), self._paced(full)))
            if count <= 0:
                return False
            mark = out.mark()
            told = Told(self._token, self.own_window, self._spent, cost, self._heard)
            parts = out.fragments(count, told, sock.table)
            if not sock.send(parts, full if count > 1 else 0, self.address):
                out.back(mark)
                return False
            self._told = self._heard
            self._spent += count * cost
            if self._pace:
                self._next_s = max(self._next_s, monotonic() - _PACED_S) + count * full / self._pace
            sent = max(0, min(out.index, cut.count) - mark[0])
            self.counts.sent_fragments += sent
            self.counts.sent_parity_fragments += count - sent
        return True

    def _paced(self, full: int) -> int:
        """How many datagrams may go at once; 0: not yet."""
        if not self._pace:
            return 1 << 30
        return 0 if monotonic() < self._next_s else max(1, int(self._pace * _PACED_S / full))

    def patience_s(self, out: Outgoing) -> float:
        """How long to wait, for news as well, before trying `push` again."""
        if self._pace and (wait_s := self._next_s - monotonic()) > 0:
            return min(wait_s, ASK_S)
        return _NO_ROOM_S if self.room(HEAD_BYTES + out.cut.size) else ASK_S
