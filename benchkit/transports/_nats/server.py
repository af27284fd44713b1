"""The run's own NATS server: the machine's program, private to this user and this run."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from benchkit.errors import BrokerError
from benchkit.runtime.child import child
from benchkit.runtime.disk import disk
from benchkit.transports._nats.connect import connect
from benchkit.transports._nats.wire import MAX_PAYLOAD_BYTES

INSTALL = "brew install nats-server" if sys.platform == "darwin" else "apt-get install nats-server"
START_S = 20.0
_STEP_S = 0.02
_PENDING_BYTES = 1 << 30
_ANY_PORT = -1
_USER, _OBSERVER = "benchkit", "observer"
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin")
"""Beside PATH: ordinary users often do not have Debian's in it."""


Sync = Literal["interval", "always"]


class Private:
    """The NATS server of a run, seen from the runner: started, and started anew after its death."""

    def __init__(self, program: Path, home: Path, data: Path, sync: Sync) -> None:
        """`home` is private, `data` is where streams in files are; nothing runs yet."""
        self._program, self._home, self._sync = program, home, sync
        self.data = data
        """Streams in files are here."""
        self._password, self._observers = secrets.token_hex(16), secrets.token_hex(16)
        self._name = f"benchkit-{secrets.token_hex(6)}"
        self._running = ExitStack()
        self._port = _ANY_PORT
        self.pid = 0

    @property
    def url(self) -> str:
        """Of the account that has the streams."""
        return f"nats://{_USER}:{self._password}@127.0.0.1:{self._port}"

    @property
    def observer_url(self) -> str:
        """Of the system account, which is told what the server counts."""
        return f"nats://{_OBSERVER}:{self._observers}@127.0.0.1:{self._port}"

    def start(self) -> None:
        """It answers when this returns, at the port that it had before; raises BrokerError with the end of its log."""
        settings, log = self._home / "nats.conf", self._home / "output"
        settings.touch(mode=0o600)
        settings.write_text(self._configured(), encoding="utf-8")
        for old in self._home.glob("*.ports"):
            old.unlink()
        with ExitStack() as opened:
            output = opened.enter_context(log.open("wb"))
            process = opened.enter_context(child([str(self._program), "-c", str(settings)], output=output))
            self._port, self.pid = _await(process, self._home, log), process.pid
            connect(self.url).close()
            self._running = opened.pop_all()

    def revive(self, *, keep_data: bool) -> None:
        """End what is left of it and start it anew at the same port; raises BrokerError."""
        self.close()
        if not keep_data:
            shutil.rmtree(self.data / "jetstream", ignore_errors=True)
        self.start()

    def close(self) -> None:
        """End the process; again does nothing."""
        self._running.close()

    def _configured(self) -> str:
        always = ", sync_interval: always" if self._sync == "always" else ""
        return "\n".join(
            (
                _configuration(self._home, self._password, self._observers),
                f'listen: "127.0.0.1:{self._port}"',
                f'server_name: "{self._name}"',
                f"jetstream {{ store_dir: {json.dumps(str(self.data))}{always} }}",
                "",
            )
        )


def program() -> Path | None:
    """The server; None where this machine has none."""
    found = shutil.which("nats-server")
    if found:
        return Path(found)
    return next((path for place in _PLACES if (path := Path(place) / "nats-server").is_file()), None)


def missing() -> BrokerError:
    """No server, with the command that installs one."""
    return BrokerError(
        "the transport 'nats' needs a NATS server",
        remedy=f"{INSTALL}, or give the `url` of one (nats://user:password@host:4222)",
    )


def _configuration(home: Path, password: str, observers: str) -> str:
    return "\n".join(
        (
            f"ports_file_dir: {json.dumps(str(home))}",
            f"max_payload: {MAX_PAYLOAD_BYTES}",
            # A connection that is behind with more than this is cut; replies may be as long as messages.
            f"max_pending: {_PENDING_BYTES}",
            'write_deadline: "60s"',
            "accounts {",
            f'  SYS {{ users: [ {{ user: {_OBSERVER}, password: "{observers}" }} ] }}',
            f'  RUN {{ jetstream: enabled, users: [ {{ user: {_USER}, password: "{password}" }} ] }}',
            "}",
            "system_account: SYS",
        )
    )


@contextmanager
def private(folder: Path, sync: Sync = "interval", disk_bytes: int | None = None) -> Iterator[Private]:
    """A server of the run's own in `folder` (0700); ends with the context, or with the process.

    With `disk_bytes` its streams in files are on a disk of that size of its own. Raises StorageError, or BrokerError,
    where it does not start with the end of the server's log.
    """
    path = program()
    if path is None:
        raise missing()
    home = folder / "nats"
    data = home / "data"
    with ExitStack() as undo:
        home.mkdir(mode=0o700)
        undo.callback(shutil.rmtree, home, ignore_errors=True)
        data.mkdir(mode=0o700)
        if disk_bytes is not None:
            data = undo.enter_context(disk(data, disk_bytes))
        server = Private(path, home, data, sync)
        undo.callback(server.close)
        server.start()
        yield server


def _await(process: subprocess.Popen[bytes], home: Path, log: Path) -> int:
    """The port that the server has chosen, once it says so."""
    for _ in range(int(START_S / _STEP_S)):
        try:
            process.wait(_STEP_S)
        except subprocess.TimeoutExpired:
            port = _port(home)
            if port:
                return port
            continue
        break
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
    if "sync_interval" in tail:
        raise BrokerError("this nats-server has no sync: always", remedy="install nats-server 2.10 or later")
    raise BrokerError(
        f"the run's own NATS server did not start:\n{tail}", remedy="give the `url` of a server"
    )


def _port(home: Path) -> int:
    for path in home.glob("*.ports"):
        try:
            return urlsplit(json.loads(path.read_text())["nats"][0]).port or 0
        except (ValueError, LookupError):  # half written
            return 0
    return 0
