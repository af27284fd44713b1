"""How much of a receiver's socket a datagram takes, and how much of it one sender may fill.

The kernel counts what lies in a socket with the memory that it lies in: a block of a power of two (kmalloc), at most
twice what it holds, and the `sk_buff` that leads there (about 256 bytes); so does Linux with datagrams that it was
given in one piece and hands on in one (GSO). It also takes note late of what was read: of up to a quarter of
SO_RCVBUF it still believes that it is there (`udp_rmem_release`). What is computed here is never less.
"""

from __future__ import annotations

from typing import Final

_BESIDE_BYTES: Final = 512
"""Headers of IP and link, and the kernel's notes behind the bytes."""
_NOTE_BYTES: Final = 512
"""The sk_buff itself, rounded up."""
_KEPT: Final = 0.7
"""Of a socket's room: a quarter may be noted late, the rest is for acknowledgements and questions."""


def cost_bytes(datagram_bytes: int) -> int:
    """What a datagram takes of a receiver's socket, at the most.

    >>> cost_bytes(1472)
    4480
    """
    return 2 * (datagram_bytes + _BESIDE_BYTES) + _NOTE_BYTES


def window_bytes(receive_bytes: int, senders: int = 1) -> int:
    """What each of the senders may have in a socket whose SO_RCVBUF reads `receive_bytes`.

    >>> window_bytes(1_000_000, 2)
    350000
    """
    return int(receive_bytes * _KEPT) // senders
