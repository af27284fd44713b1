"""The run's own RabbitMQ: the machine's program, private to this user and this run.

Nothing of the machine's configuration is read: configuration, data, logs, plug-ins (none) and the Erlang cookie
are in the run's private folder, all ports are of 127.0.0.1, and the one user has a random password. Erlang's
port mapper (epmd), without which a RabbitMQ does not start, is one of the run's own too, so that none stays behind.
"""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchkit.errors import BrokerError
from benchkit.runtime.child import child
from benchkit.runtime.disk import disk
from benchkit.transports._rabbitmq.connect import opened, target
from benchkit.transports._rabbitmq.methods import MAX_MESSAGE_BYTES

INSTALL = "brew install rabbitmq" if sys.platform == "darwin" else "apt-get install rabbitmq-server"
START_S = 60.0
_STEP_S = 0.1
_ATTEMPTS = 3
_LINES = 6
_USER = "benchkit"
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/usr/lib/rabbitmq/bin")
"""Beside PATH: ordinary users often do not have these in it."""
_WRAPPER = "rabbitmq-script-wrapper"
"""What Debian calls `rabbitmq-server`: it runs the server beside it as a user of its own, with that user's files."""


class _Taken(BrokerError):
    """A port that was free is not any more."""


class Private:
    """The RabbitMQ server of a run, seen from the runner: started, and started anew after its death."""

    def __init__(self, script: Path, home: Path, data: Path) -> None:
        """`home` is private, `data` holds what is persisted; nothing runs yet."""
        self._script, self._home = script, home
        self.data = data
        """What it persists is here."""
        self._ports = _free_ports(3)
        self._password = secrets.token_hex(16)
        self._running = ExitStack()
        self.pid = 0

    @property
    def url(self) -> str:
        """With the password."""
        return f"amqp://{_USER}:{self._password}@127.0.0.1:{self._ports[0]}"

    def prepare(self, undo: ExitStack) -> None:
        """Its files, and Erlang's port mapper, which outlives the server; raises BrokerError."""
        contents = {
            "rabbitmq.conf": _configuration(self._ports[0], self._password),
            ".erlang.cookie": secrets.token_hex(20),
            "plugins": "[].\n",
        }
        for name, content in contents.items():
            path = self._home / name
            path.touch(mode=0o600)
            path.write_text(content, encoding="utf-8")
        (self._home / ".erlang.cookie").chmod(0o400)
        name = f"benchkit-{secrets.token_hex(6)}"
        self._env = _environment(self._home, self.data, name, self._ports[1], self._ports[2])
        output = undo.enter_context((self._home / "mapper").open("wb"))
        mapper = [str(_mapper()), "-address", "127.0.0.1", "-port", str(self._ports[1])]
        undo.enter_context(child(mapper, output=output))

    def start(self) -> None:
        """It answers when this returns; raises BrokerError with the end of its log."""
        log = self._home / "output"
        with ExitStack() as opened:
            output = opened.enter_context(log.open("wb"))
            # What it would write on a polite end is removed with the folder.
            running = child(
                [str(self._script)], env=self._env, output=output, grace_s=0.0, cwd=self._home
            )  # fmt: skip
            process = opened.enter_context(running)
            _await(process, self.url, log)
            self.pid = process.pid
            self._running = opened.pop_all()

    def revive(self, *, keep_data: bool) -> None:
        """End what is left of it and start it anew at the same port; raises BrokerError."""
        self.close()
        if not keep_data:
            for path in (*self.data.iterdir(), self._home / "schema", self._home / "flags"):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        self.start()

    def close(self) -> None:
        """End the process; again does nothing."""
        self._running.close()


def program() -> Path | None:
    """The server's start script; None where this machine has none."""
    here = [shutil.which("rabbitmq-server") or "", *(f"{place}/rabbitmq-server" for place in _PLACES)]
    found = next((path for name in here if name and (path := Path(name).resolve()).is_file()), None)
    return found.with_name("rabbitmq-server") if found and found.name == _WRAPPER else found


def missing() -> BrokerError:
    """No server, with the command that installs one."""
    return BrokerError(
        "the transport 'rabbitmq' needs a RabbitMQ server",
        remedy=f"{INSTALL}, or give the `url` of one (amqp://user:password@host:5672)",
    )


def _mapper() -> Path:
    """Erlang's port mapper; raises BrokerError."""
    found = shutil.which("epmd")
    if found:
        return Path(found)
    inside = sorted(Path("/usr/lib/erlang").glob("erts-*/bin/epmd"))
    if not inside:
        raise BrokerError("RabbitMQ needs Erlang's epmd, which is not on PATH", remedy=INSTALL)
    return inside[-1]


def _free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has at this moment."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _configuration(port: int, password: str) -> str:
    return "\n".join(
        (
            f"listeners.tcp.1 = 127.0.0.1:{port}",
            f"default_user = {_USER}",
            f"default_pass = {password}",
            f"max_message_size = {MAX_MESSAGE_BYTES}",
            "disk_free_limit.absolute = 50MB",
            "log.console = true",
            "log.console.level = warning",
            "log.file = false",
            "",
        )
    )


def _environment(home: Path, data: Path, name: str, mapper_port: int, node_port: int) -> dict[str, str]:
    return {
        "HOME": str(home),  # the cookie
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(mapper_port),
        "RABBITMQ_NODENAME": f"{name}@localhost",
        "RABBITMQ_DIST_PORT": str(node_port),
        "RABBITMQ_BASE": str(home),
        "RABBITMQ_CONF_ENV_FILE": str(home / "none"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(home / "none"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "none"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "generated"),
        "RABBITMQ_MNESIA_BASE": str(data),
        "RABBITMQ_SCHEMA_DIR": str(home / "schema"),
        "RABBITMQ_QUORUM_DIR": str(data / "quorum"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_FEATURE_FLAGS_FILE": str(home / "flags"),
        # Else the script stays beside the server, and ending the one would leave the other.
        "RABBITMQ_ALLOW_INPUT": "1",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput -kernel inet_dist_use_interface {127,0,0,1}",
    }


@contextmanager
def private(folder: Path, disk_bytes: int | None = None) -> Iterator[Private]:
    """A server of the run's own in `folder` (0700); ends with the context, or with the process.

    With `disk_bytes` what it persists is on a disk of that size of its own. Raises StorageError, or BrokerError,
    where it does not start with the end of the server's log.
    """
    script = program()
    if script is None:
        raise missing()
    home = folder / "rabbitmq"
    for attempt in range(1, _ATTEMPTS + 1):
        with ExitStack() as undo:
            home.mkdir(mode=0o700)
            undo.callback(shutil.rmtree, home, ignore_errors=True)
            data = home / "data"
            data.mkdir(mode=0o700)
            if disk_bytes is not None:
                data = undo.enter_context(disk(data, disk_bytes))
            server = Private(script, home, data)
            server.prepare(undo)
            undo.callback(server.close)
            try:
                server.start()
            except _Taken:
                # Between looking for free ports and taking them somebody else was faster.
                if attempt == _ATTEMPTS:
                    raise
                continue
            yield server
            return


def _await(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    to = target(url)
    for _ in range(int(START_S / _STEP_S)):
        try:
            process.wait(_STEP_S)
        except subprocess.TimeoutExpired:
            if _listens(to.host, to.port) and _answers(url):
                return
            continue
        break
    text = log.read_text(encoding="utf-8", errors="replace")
    kind = _Taken if "eaddrinuse" in text else BrokerError
    raise kind(
        "the run's own RabbitMQ did not start:\n" + "\n".join(_why(text)),
        remedy="give the `url` of a server",
    )


def _why(log: str) -> list[str]:
    """The first lines that are marked as errors; what follows them are reports of one process after the other."""
    marked = [line.partition("[error]")[2].partition("> ")[2].strip() for line in log.splitlines()]
    return [line for line in marked if line][:_LINES] or log.splitlines()[-_LINES:]


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def _answers(url: str) -> bool:
    try:
        opened(url).close()
    except (BrokerError, OSError):
        return False
    return True
