"""The run's own NATS server: the machine's program, private to this user and this run."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchkit.errors import BrokerError
from benchkit.runtime.child import child
from benchkit.transports._nats.connect import connect
from benchkit.transports._nats.wire import MAX_PAYLOAD_BYTES

INSTALL = "brew install nats-server" if sys.platform == "darwin" else "apt-get install nats-server"
START_S = 20.0
_STEP_S = 0.02
_PENDING_BYTES = 1 << 30
_USER, _OBSERVER = "benchkit", "observer"
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin")
"""Beside PATH: ordinary users often do not have Debian's in it."""


@dataclass(frozen=True, slots=True)
class Private:
    """A running server of the run's own, seen from the runner."""

    url: str
    observer_url: str
    """Of the system account, which is told what the server counts."""
    pid: int


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
            'listen: "127.0.0.1:-1"',
            f'server_name: "benchkit-{secrets.token_hex(6)}"',
            f"ports_file_dir: {json.dumps(str(home))}",
            f"jetstream {{ store_dir: {json.dumps(str(home / 'data'))} }}",
            f"max_payload: {MAX_PAYLOAD_BYTES}",
            # A connection that is behind with more than this is cut; replies may be as long as messages.
            f"max_pending: {_PENDING_BYTES}",
            'write_deadline: "60s"',
            "accounts {",
            f'  SYS {{ users: [ {{ user: {_OBSERVER}, password: "{observers}" }} ] }}',
            f'  RUN {{ jetstream: enabled, users: [ {{ user: {_USER}, password: "{password}" }} ] }}',
            "}",
            "system_account: SYS",
            "",
        )
    )


@contextmanager
def private(folder: Path) -> Iterator[Private]:
    """A server of the run's own in `folder` (0700); ends with the context, or with the process.

    Raises BrokerError, where it does not start with the end of the server's log.
    """
    path = program()
    if path is None:
        raise missing()
    home = folder / "nats"
    home.mkdir(mode=0o700)
    password, observers = secrets.token_hex(16), secrets.token_hex(16)
    settings, log = home / "nats.conf", home / "output"
    settings.touch(mode=0o600)
    settings.write_text(_configuration(home, password, observers), encoding="utf-8")
    try:
        with (
            log.open("wb") as output,
            child([str(path), "-c", str(settings)], output=output) as process,
        ):
            port = _await(process, home, log)
            at = f"127.0.0.1:{port}"
            server = Private(
                f"nats://{_USER}:{password}@{at}", f"nats://{_OBSERVER}:{observers}@{at}", process.pid
            )
            connect(server.url).close()
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


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
