"""A run that is measured while a stranger knocks at every port and socket that it opens."""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from doors import SHARED, Door, doors, family, knock

ROOT = Path(__file__).parents[2]
TRANSPORTS = ["http", "kserve-http", "unix", "udp", "shm", "mp-queue", {"kind": "zeromq", "via": "tcp"},
              {"kind": "redis-list", "socket": "tcp"}, {"kind": "redis-stream"}]  # fmt: skip
SCENARIO: dict[str, Any] = {
    "name": "live", "seed": 3, "source": {"kind": "sensors", "samples": 8, "channels": 2}, "codec": "raw",
    "transport": TRANSPORTS, "stage": "null", "load": {"arrival": "constant", "rate": "100/s"},
    "blocks": {"rounds": 1, "duration": "300ms", "warmup": "20ms", "warmup_max": "20ms", "drain": "2s"},
    "checks": {"full_every": 1},
}  # fmt: skip


class Stranger:
    """Looks for doors and what lies about; knocks at each door once."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._knocked: set[Door] = set()
        self._kept: list[socket.socket] = []
        self.kinds: set[str] = set()
        self.open: list[str] = []
        self.told: set[str] = set()

    def look(self) -> None:
        processes = family(self._pid)
        for process in processes:
            try:
                self.told.add(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        for door in doors(processes) - self._knocked:
            self._knocked.add(door)
            self.kinds.add(door.kind)
            if isinstance(door.address, tuple) and not ipaddress.ip_address(door.address[0]).is_loopback:
                self.open.append(str(door))
            # Sockets of a folder that is closed to others are not a stranger's to knock at, but the user's own.
            knock(door, self._kept)
        for path in SHARED.glob("benchkit-*") if SHARED.is_dir() else ():
            try:
                mode = path.stat()
            except FileNotFoundError:
                continue
            if mode.st_uid == os.getuid() and stat.S_IMODE(mode.st_mode) & 0o077:
                self.open.append(str(path))

    def leave(self) -> None:
        for each in self._kept:
            each.close()


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Stranger, str]]:
    folder = tmp_path_factory.mktemp("live")
    (folder / "live.yaml").write_text(yaml.safe_dump(SCENARIO))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PLANTED_TOKEN": secrets.token_hex(12)}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchkit", "run", "live.yaml", "-q", "--no-floors"], cwd=folder, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, umask=0,
    )  # fmt: skip
    stranger = Stranger(process.pid)
    try:
        while process.poll() is None:
            try:
                stranger.look()
            except psutil.NoSuchProcess:
                break
            # Between two looks the run goes on, for as long as it lives.
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        stranger.leave()
    (run,) = (folder / "results").glob("*/run.json")
    yield json.loads(run.read_text("utf-8")), stranger, said


@pytest.mark.slow
def test_the_account_of_every_cell_closes_and_counts_nothing_of_a_strangers(
    measured: tuple[dict[str, Any], Stranger, str],
) -> None:
    document, _, said = measured
    assert document["failures"] == [], said
    for cell in document["cells"]:
        account = cell["account"]
        assert account["scheduled"] > 0
        assert account["delivered"] == account["scheduled"], (cell["id"], account)
        assert {account[name] for name in ("lost", "rejected", "corrupted", "unexpected", "duplicated")} == {
            0
        }, cell["id"]


def test_every_door_leads_to_the_user_alone(measured: tuple[dict[str, Any], Stranger, str]) -> None:
    _, stranger, _ = measured
    assert stranger.kinds == {"tcp", "udp", "unix"}
    assert stranger.open == []


def test_no_command_line_holds_a_key(measured: tuple[dict[str, Any], Stranger, str]) -> None:
    """Any user can read those; a password is 16 random bytes in hexadecimal, a run's name has 6."""
    _, stranger, _ = measured
    assert any("benchkit.engine.host" in each for each in stranger.told)
    assert any("valkey" in each for each in stranger.told)
    for line in stranger.told:
        words = "".join(letter if letter.isalnum() else " " for letter in line).split()
        assert [
            word for word in words if len(word) >= 20 and all(each in "0123456789abcdef" for each in word)
        ] == []
