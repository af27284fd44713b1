"""Where a worker's socket is, and what both ends were told: plain data of the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from benchkit.transports._udp.cut import Cut
from benchkit.transports._udp.head import HEAD_BYTES
from benchkit.transports._udp.kernel import HEADERS_BYTES

Where = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Ways:
    """How messages go, as the scenario says."""

    depth: int
    mtu: int
    parity: int
    """Parity fragments of a group."""
    group: int
    reassembly_s: float
    send_buffer: int
    receive_buffer: int
    offload: bool
    pace_bytes_per_s: float

    def cut(self, total: int) -> Cut:
        """Of a message of so many bytes; parity is no longer than a message of one fragment."""
        size = min(fragment_bytes(self.mtu), max(_LEAST_BYTES, -(-total // _STEP) * _STEP))
        return _cut(total, size, self.group if self.parity else 0, self.parity)


_cut = lru_cache(maxsize=1024)(Cut)
"""Messages are of a few lengths mostly."""


_STEP = 8
"""Fragments are a multiple of it, so that parity is computed of words."""
_LEAST_BYTES = 8

Parity = Literal["none", "xor", "rs"]


def fragment_bytes(mtu: int) -> int:
    """Bytes of a message in a full fragment.

    >>> fragment_bytes(1500), fragment_bytes(65535)
    (1424, 65456)
    """
    return (mtu - HEADERS_BYTES - HEAD_BYTES) // _STEP * _STEP


def port_path(where: Where, worker: int) -> Path:
    """The file that holds the port of `worker`."""
    return Path(f"{where['prefix']}-{worker}.port")


def through(worker: int) -> str:
    """What `where` calls the port of a link that leads to `worker`."""
    return f"through-{worker}"


def port_of(where: Where, worker: int) -> int | None:
    """Where to send to for `worker`: where it receives, or a link that leads there; None until it is there."""
    try:
        port = int(port_path(where, worker).read_text("ascii"))
    except (OSError, ValueError):
        return None
    return int(where.get(through(worker), port))


def announced(where: Where, worker: int) -> tuple[int, int]:
    """Which announcement of `worker` is in force: another one for each receiver that ever had its number."""
    try:
        told = port_path(where, worker).stat()
    except OSError:
        return 0, 0
    return told.st_ino, told.st_mtime_ns


def announce(where: Where, worker: int, port: int) -> None:
    """Say where `worker` receives, in place of whoever had its number before."""
    path = port_path(where, worker)
    written = path.with_suffix(".new")
    written.write_text(str(port), "ascii")
    written.replace(path)
