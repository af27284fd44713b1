"""Whatever ends the runner, nothing of a trial stays: no party, no broker, no stopped process, no folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchkit.runtime.folders import sweep

HERE = Path(__file__).parent


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    path = os.pathsep.join([str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, str(HERE / "dying_runner.py")], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)}, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the trial never began"
        yield process, json.loads(line)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_stays(
    runner: tuple[subprocess.Popen[str], dict[str, Any]], how: signal.Signals, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    process, told = runner
    living = [psutil.Process(pid) for pid in told["pids"]]
    # The hatchery, the producer, the stopped worker and the broker at least.
    assert len(living) >= 4
    assert set(told["parties"]) <= set(told["pids"])
    assert any(each.status() == psutil.STATUS_STOPPED for each in living)
    os.kill(process.pid, how)
    process.wait(30)
    _, left = psutil.wait_procs(living, timeout=30)
    assert not left
    # Its folder belongs to nobody now, so the next run of anybody removes it.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert Path(told["folder"]).is_dir() or how != signal.SIGKILL
    sweep()
    assert not Path(told["folder"]).exists()
