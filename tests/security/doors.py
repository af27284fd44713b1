"""Every door of a process: its sockets that listen, and the files by which another user could reach what it does."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

SHARED = Path("/dev/shm")  # noqa: S108  (where Linux keeps shared memory)


@dataclass(frozen=True)
class Door:
    """A socket that takes what anybody sends to it."""

    kind: str
    """tcp, udp or unix."""
    address: tuple[str, int] | str


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    own = psutil.Process(pid)
    return [own, *own.children(recursive=True)]


def doors(processes: Sequence[psutil.Process]) -> set[Door]:
    """The doors of these processes."""
    found = set()
    for process in processes:
        try:
            found |= set(_doors(process))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _doors(process: psutil.Process) -> Iterator[Door]:
    for each in process.net_connections(kind="all"):
        if each.family == socket.AF_UNIX:
            # A socketpair has no name, and a client of a named socket has none of its own.
            if each.laddr and _listens(str(each.laddr)):
                yield Door("unix", str(each.laddr))
        elif each.type == socket.SOCK_DGRAM and not each.raddr:
            yield Door("udp", (each.laddr.ip, each.laddr.port))
        elif each.status == psutil.CONN_LISTEN:
            yield Door("tcp", (each.laddr.ip, each.laddr.port))


def _listens(path: str) -> bool:
    """By the kernel's flag (__SO_ACCEPTCON) of /proc/net/unix, which every user can read, paths included."""
    table = Path("/proc/net/unix").read_text().splitlines()[1:]
    return any(int(line.split()[3], 16) & 0x10000 and line.endswith(f" {path}") for line in table)


def is_private(path: Path) -> bool:
    """No other user can open it: by its own mode, or because a folder above it is closed to them."""
    return any(
        not stat.S_IMODE(each.lstat().st_mode) & 0o077 and each.lstat().st_uid == os.getuid()
        for each in (path, *path.parents)
    )


GARBAGE = (
    b"\0", b"\xff" * 64, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", b"*1000000000\r\n$512000000\r\n",
    b"AUTH wrong\r\nFLUSHALL\r\n", b"CONNECT {}\r\nPING\r\nPUB a 99999999999\r\n",
    b"AMQP\x00\x00\x09\x01" + b"\xff" * 32,
    (0).to_bytes(8, "little") + (1 << 60).to_bytes(8, "little"), b"bkt1" + b"\xff" * 200, bytes(range(256)) * 64,
)  # fmt: skip


def knock(door: Door, keep: list[socket.socket]) -> None:
    """Send everything that no client of ours sends; what is kept open goes on saying nothing (slow loris)."""
    if door.kind == "udp":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for content in GARBAGE:
                sock.sendto(content[:1400], door.address)
        return
    for content in (*GARBAGE, b"P", b""):
        made = socket.socket(socket.AF_UNIX if door.kind == "unix" else socket.AF_INET)
        made.settimeout(1.0)
        try:
            made.connect(door.address)
            made.sendall(content)
        except OSError:  # it closes its doors to us, or is full: both are well
            made.close()
            continue
        if len(content) < 2:
            keep.append(made)
        else:
            made.close()
