"""Where a worker's socket is: a file in the private folder, or a port of the loopback interface."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchkit.transports._direct.meeting import socket_path

if TYPE_CHECKING:
    from zmq import Socket

HOST = "127.0.0.1"
LEAST_LIMIT_BYTES = 4096
"""libzmq counts its own handshake against a socket's limit: below about 100 bytes nothing arrives at all."""
KEY_BYTES = 16
"""Of a producer's routing identity, whose first bytes are the cell's key: any program of this machine may
connect to a port, and what comes without the key is not looked at."""


def port_path(where: Mapping[str, str | int], worker: int) -> Path:
    """The file that holds the port of `worker`."""
    return Path(f"{where['prefix']}-{worker}.port")


def endpoint(where: Mapping[str, str | int], worker: int) -> str:
    """Where `worker` listens; empty when it has not said so yet."""
    if where["via"] == "ipc":
        return f"ipc://{socket_path(where, worker)}"
    try:
        return f"tcp://{HOST}:{int(port_path(where, worker).read_text())}"
    except (OSError, ValueError):
        return ""


def through(worker: int) -> str:
    """What `where` calls the port of a link that leads to `worker`."""
    return f"through-{worker}"


def route(where: Mapping[str, str | int], worker: int) -> str:
    """Where to connect to for `worker`: where it listens, or a link that leads there; empty likewise."""
    port = where.get(through(worker))
    found = endpoint(where, worker)
    return f"tcp://{HOST}:{port}" if found and port else found


def bind(sock: Socket[bytes], where: Mapping[str, str | int], worker: int) -> None:
    """Listen in place of whoever had this worker number before; raises ZMQError."""
    if where["via"] == "ipc":
        path = socket_path(where, worker)
        path.unlink(missing_ok=True)
        sock.bind(f"ipc://{path}")
        path.chmod(0o600)
        return
    port = sock.bind_to_random_port(f"tcp://{HOST}")
    path = port_path(where, worker)
    written = path.with_suffix(".new")
    written.write_text(str(port))
    written.replace(path)
