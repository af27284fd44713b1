import getpass
import json
import os
import platform
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from benchkit.records import environment as module
from benchkit.records.environment import environment


def test_the_shape_of_the_contract() -> None:
    found = environment()
    assert list(found) == [
        "cpu", "cores", "memory_bytes", "kernel", "python", "packages", "git", "fingerprint", "warnings",
    ]  # fmt: skip
    assert found["cores"] == len(os.sched_getaffinity(0))
    assert found["memory_bytes"] == psutil.virtual_memory().total
    assert platform.release() in found["kernel"]
    assert "numpy" in found["packages"]
    int(found["fingerprint"], 16)
    json.dumps(found, allow_nan=False)


def test_it_names_no_host_user_or_path() -> None:
    words = json.dumps(environment())
    for name in (socket.gethostname(), str(Path.cwd()), str(Path.home())):
        assert len(name) < 4 or name not in words
    assert f'"{getpass.getuser()}"' not in words


def test_the_fingerprint_is_stable_and_tells_machines_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    first = environment()["fingerprint"]
    assert environment()["fingerprint"] == first
    monkeypatch.setattr(module, "_cores", lambda: 64)
    assert environment()["fingerprint"] != first


def test_outside_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment()["git"] is None
    monkeypatch.setenv("PATH", "")
    assert environment()["git"] is None


def test_a_repository_gives_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "core.hooksPath=/dev/null"]
    subprocess.run([*run, "init", "-q", str(tmp_path)], check=True)
    monkeypatch.chdir(tmp_path)
    subprocess.run([*run, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    commit = environment()["git"]
    assert commit is not None
    assert len(commit) == 40


def test_warnings_name_what_spoils_and_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/sys/fs/cgroup/cpu.max": "150000 100000",
        module._GOVERNOR: "powersave",
        "/proc/stat": "cpu 1 1 1 1 0 0 0 96 0 0\ncpu0 1",
    }
    monkeypatch.setattr(module, "_read", lambda path: files.get(path, ""))
    monkeypatch.setattr(module, "_cores", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (3.0, 0.0, 0.0))
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _path: type("Usage", (), {"total": 64 << 20}))
    words = environment()["warnings"]
    for part in ("2 core(s)", "1.5 of 2 cores", "powersave", "96%", "load average 3.0", "64 MiB"):
        assert any(part in warning and ";" in warning for warning in words), (part, words)


def test_a_quiet_machine_has_no_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"/sys/fs/cgroup/cpu.max": "max 100000", "/proc/stat": "cpu 9 9 9 9 9 9 9 0 0 0"}
    monkeypatch.setattr(module, "_read", lambda path: files.get(path, ""))
    monkeypatch.setattr(module, "_cores", lambda: 16)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.0, 0.0))
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _path: type("Usage", (), {"total": 8 << 30}))
    assert environment()["warnings"] == []


def test_nothing_to_read_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_read", lambda _path: "")
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.delattr(os, "getloadavg")
    monkeypatch.setattr(module, "_SHM", "/nowhere")
    assert environment()["cores"] >= 1
