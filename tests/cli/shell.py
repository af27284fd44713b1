"""benchkit as a person uses it: a process with arguments, an exit code, two streams and files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "benchkit"]
TIMEOUT_S = 100


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    stdout: str
    stderr: str
    out: Path

    @property
    def said(self) -> str:
        return self.stdout + self.stderr

    @property
    def folder(self) -> Path:
        """The one run directory that it left."""
        (folder,) = self.out.glob("*/run.json")
        return folder.parent

    @property
    def document(self) -> dict[str, Any]:
        return json.loads((self.folder / "run.json").read_text("utf-8"))

    @property
    def record(self) -> dict[str, Any]:
        lines = (self.folder / "blocks.jsonl").read_text("utf-8").splitlines()
        record = json.loads((self.folder / "record.json").read_text("utf-8"))
        return {**record, "blocks": [json.loads(line) for line in lines]}

    def everything(self) -> str:
        """All text that anybody could read afterwards: both streams and every file."""
        files = sorted(path for path in self.out.rglob("*") if path.is_file())
        return "\n".join([self.said, *(path.read_bytes().decode("latin-1") for path in files)])


def environment(**more: str) -> dict[str, str]:
    """This process's, with the package of this checkout first."""
    path = [more.pop("PYTHONPATH", ""), str(ROOT), os.environ.get("PYTHONPATH", "")]
    plain = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}}
    return {**plain, "PYTHONPATH": os.pathsep.join(filter(None, path)), **more}


def benchkit(
    *arguments: str | Path, out: Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> Done:
    """Run a command to its end."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
        cwd=cwd,
        env=env or environment(),
        timeout=TIMEOUT_S,
    )
    return Done(done.returncode, done.stdout, done.stderr, out)


def measure(scenario: Path, out: Path, *arguments: str | Path, **more: Any) -> Done:
    """`benchkit run` of a scenario; its run directory goes under `out`."""
    return benchkit("run", scenario, "--out", out, "-q", *arguments, out=out, **more)


def start(*arguments: str | Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """A command that is still running, leader of a process group of its own as a shell would start it."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=ROOT,
        env=env or environment(),
        start_new_session=True,
    )


def await_line(process: subprocess.Popen[str], *words: str) -> str:
    """Read its standard error up to the first line that holds all words."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if all(word in line for word in words):
            return line
    raise AssertionError(f"it ended without saying {words}: {''.join(seen)}")


def interrupt_group(process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> None:
    """What a terminal does on Ctrl-C."""
    os.killpg(process.pid, number)


def write(folder: Path, scenario: Mapping[str, Any], name: str = "small.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(dict(scenario), sort_keys=False), "utf-8")
    return path


# Warm-up is cut where it is said: what a test asks must not hang on what the machine did meanwhile.
SMALL: dict[str, Any] = {
    "name": "small",
    "seed": 7,
    "source": {"kind": "sensors", "samples": 16, "channels": 4},
    "codec": "raw",
    "transport": "unix",
    "stage": "null",
    "load": {"arrival": "constant", "rate": "200/s"},
    "blocks": {"rounds": 2, "duration": "150ms", "warmup": "30ms", "warmup_max": "30ms", "drain": "1s"},
    "checks": {"full_every": 1},
}


def small(folder: Path, **sections: Any) -> Path:
    """A scenario of a second: sensor windows over `unix` to the null stage, sections replaced as given."""
    return write(folder, {**SMALL, **sections})


def codes(cell: Mapping[str, Any]) -> list[str]:
    return [reason["code"] for reason in cell["validity"]["reasons"]]


def messages_of(cells: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(r["message"] + r["remedy"] for cell in cells for r in cell["validity"]["reasons"])


def relatives(pid: int) -> list[int]:
    """Processes below `pid`, at any depth."""
    import psutil

    try:
        return [each.pid for each in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
